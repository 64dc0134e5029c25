// SPDX-License-Identifier: BSL-1.0
/// \file
/// What /proc says of a descriptor of this process.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

namespace detent::testing_support {

/// What kind of object it is, as "anon_inode:[eventfd]".
[[nodiscard]] inline std::string kind_of_descriptor(int fd) {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), ignored).string();
}

/// The kernel's account: the registrations of an epoll, the count of an eventfd.
[[nodiscard]] inline std::string descriptor_info(int fd) {
  std::ifstream file("/proc/self/fdinfo/" + std::to_string(fd));
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The registrations of the epoll that a poller waits with: its native handle is another one, which
/// watches that.
[[nodiscard]] inline std::string epoll_info(int native_handle) {
  const std::string outer = descriptor_info(native_handle);
  const std::size_t inner = outer.find("tfd:");
  if (inner == std::string::npos) return {};
  return descriptor_info(std::stoi(outer.substr(inner + 4)));
}

}  // namespace detent::testing_support
