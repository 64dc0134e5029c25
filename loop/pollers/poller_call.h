// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The text of all pollers' errors: "Poller::add(7): epoll_ctl: Operation not permitted".
#pragma once

#include <string_view>

namespace detent {

/// A user's call, and the descriptor that it is for.
struct PollerCall {
  const char* name;
  int fd;

  /// Throws std::system_error. Its text names the call, then `detail`, if any: the kernel's call
  /// that failed, or a reason.
  [[noreturn]] void fail(int code, std::string_view detail = {}) const;
};

}  // namespace detent
