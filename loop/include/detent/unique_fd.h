// SPDX-License-Identifier: BSL-1.0
/// \file
/// Owns one file descriptor and closes it.
///
///     detent::UniqueFd pipe_end(ends[0]);
///     if (::read(pipe_end.fd(), &byte, 1) == 1) use(byte);     // closed at the end of the scope
///
/// Declare a descriptor before the watch that uses it. Members are destroyed in reverse order, so
/// the watch ends first and the descriptor is closed after it.
#pragma once

#include <utility>

#include "detent/needs_cpp20.h"

namespace detent {

/// Move-only owner of one descriptor. -1 means that it owns none. Not tied to a thread.
class UniqueFd {
 public:
  UniqueFd() noexcept = default;
  /// Takes ownership of `fd`, which must be open or -1.
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() {
    if (fd_ >= 0) reset();
  }

  /// The descriptor, or -1. Ownership stays here.
  [[nodiscard]] int fd() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

  /// Gives the descriptor to the caller, who must close it.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  /// Closes the descriptor, if any, and owns `fd` instead. Keeps errno. Does not report a failing
  /// close: the number is free in any case (close(2)). A retry could close another file.
  void reset(int fd = -1) noexcept;

 private:
  int fd_ = -1;
};

}  // namespace detent
