// SPDX-License-Identifier: BSL-1.0
/// \file
/// What the kernel says of a descriptor, asked without detent.
#pragma once

#include <poll.h>

namespace detent::testing_support {

/// poll(2)'s answer for one descriptor; a negative `max_wait_ms` waits for ever.
inline int poll_one(int fd, int wanted, int max_wait_ms = 0) {
  pollfd query = {.fd = fd, .events = static_cast<short>(wanted), .revents = 0};
  const int count = ::poll(&query, 1, max_wait_ms);
  return count == 1 ? query.revents : 0;
}

[[nodiscard]] inline bool is_readable(int fd) { return (poll_one(fd, POLLIN) & POLLIN) != 0; }
inline void wait_until_readable(int fd) {
  while ((poll_one(fd, POLLIN, -1) & POLLIN) == 0) {
  }
}

}  // namespace detent::testing_support
