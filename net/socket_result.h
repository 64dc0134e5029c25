// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What system calls on sockets return, as values.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <system_error>

#include "detent/socket.h"

namespace detent {

inline std::error_code to_error(int code) noexcept { return {code, std::system_category()}; }

inline Socket::Result to_result(ssize_t size) noexcept {
  if (size >= 0) return {.size = static_cast<std::size_t>(size)};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {.would_block = true};
  return {.error = to_error(errno)};
}

}  // namespace detent
