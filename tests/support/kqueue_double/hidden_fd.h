// SPDX-License-Identifier: BSL-1.0
/// \file
/// A descriptor that the double needs and a BSD kernel would not.
#pragma once

#include <utility>

namespace kqueue_double {

/// Owns one, far above the numbers that the program gets: those must be the ones that it would get
/// without the double. Made, moved and destroyed inside of the kernel.
class HiddenFd {
 public:
  HiddenFd() noexcept = default;
  /// Takes ownership of `fd` and moves it up. -1 stays -1; errno says why there is none.
  explicit HiddenFd(int fd);
  HiddenFd(HiddenFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  HiddenFd& operator=(HiddenFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~HiddenFd();

  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_ = -1;
};

}  // namespace kqueue_double
