// SPDX-License-Identifier: BSL-1.0
#include "unix_address.h"

#include <sys/socket.h>

#include <algorithm>

namespace detent {

UnixAddress unix_path(std::string_view path) noexcept {
  UnixAddress result;
  result.address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), result.address.sun_path);
  // The kernel also accepts a path without room for the NUL. Another program may have bound one.
  result.size = kPathOffset + std::min(path.size() + 1, kPathRoom);
  return result;
}

UnixAddress abstract_name(std::string_view name) noexcept {
  UnixAddress result;
  result.address.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), result.address.sun_path + 1);
  result.size = kPathOffset + 1 + name.size();
  return result;
}

}  // namespace detent
