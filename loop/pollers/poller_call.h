// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. How the errors of all pollers read: "Poller::add(7): epoll_ctl: Operation not
/// permitted".
#pragma once

#include <string_view>

namespace detent {

/// A call that a user has made, and for which descriptor.
struct PollerCall {
  const char* name;
  int fd;

  /// Throws std::system_error. Its text names the call, and what in it has failed if there is more
  /// than the code to say: a call of the kernel's, or a reason.
  [[noreturn]] void fail(int code, std::string_view detail = {}) const;
};

}  // namespace detent
