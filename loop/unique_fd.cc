// SPDX-License-Identifier: BSL-1.0
#include "detent/unique_fd.h"

#include <unistd.h>

#include "sys.h"

namespace detent {

void UniqueFd::reset(int fd) noexcept {
  const int old = std::exchange(fd_, fd);
  if (old < 0) return;
  const sys::KeepErrno keep;
  ::close(old);
}

}  // namespace detent
