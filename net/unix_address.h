// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The names of unix sockets: sun_path holds a path and a NUL, or, on Linux, a NUL and an
/// abstract name (unix(7)).
#pragma once

#include <sys/un.h>

#include <cstddef>
#include <string_view>

namespace detent {

inline constexpr std::string_view kUnixPrefix = "unix:";
inline constexpr std::size_t kPathOffset = offsetof(sockaddr_un, sun_path);
inline constexpr std::size_t kPathRoom = sizeof(sockaddr_un::sun_path);

struct UnixAddress {
  sockaddr_un address = {};
  std::size_t size = kPathOffset;  ///< Of the used part. The default is an unnamed address.
};

/// `path` has at most kPathRoom bytes.
[[nodiscard]] UnixAddress unix_path(std::string_view path) noexcept;
/// `name` has fewer bytes than kPathRoom.
[[nodiscard]] UnixAddress abstract_name(std::string_view name) noexcept;

}  // namespace detent
