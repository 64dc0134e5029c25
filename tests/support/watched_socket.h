// SPDX-License-Identifier: BSL-1.0
/// \file
/// Two connected descriptors, and what a test of the reactor does with them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <string>

#include "detent/unique_fd.h"

namespace detent::testing_support {

/// Non-blocking and close-on-exec. fd() is the end that is watched, peer() the other one.
class WatchedSocket {
 public:
  explicit WatchedSocket(int type = SOCK_STREAM) {
    std::array<int, 2> ends = {-1, -1};
    EXPECT_EQ(0, ::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()));
    near_.reset(ends[0]);
    far_.reset(ends[1]);
  }

  [[nodiscard]] int fd() const { return near_.fd(); }
  [[nodiscard]] int peer() const { return far_.fd(); }

  /// Makes fd() readable.
  void send(const std::string& bytes = "x") const {
    EXPECT_EQ(static_cast<ssize_t>(bytes.size()),
              ::send(peer(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  /// Reads what there is in fd(), up to 4 KiB.
  [[nodiscard]] std::string receive() const {
    std::array<char, 4096> buffer = {};
    const ssize_t got = ::read(fd(), buffer.data(), buffer.size());
    return got <= 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(got));
  }
  /// Writes to fd() until it is not writable.
  void fill() const {
    const std::array<char, 4096> bytes = {};
    while (::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
    }
  }
  void close() { near_.reset(); }
  void close_peer() { far_.reset(); }

 private:
  UniqueFd near_;
  UniqueFd far_;
};

/// The same for a pipe: fd() reads, peer() writes.
class WatchedPipe {
 public:
  WatchedPipe() {
    std::array<int, 2> ends = {-1, -1};
    EXPECT_EQ(0, ::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC));
    read_.reset(ends[0]);
    write_.reset(ends[1]);
  }
  [[nodiscard]] int fd() const { return read_.fd(); }
  [[nodiscard]] int peer() const { return write_.fd(); }
  void send(const std::string& bytes = "x") const {
    EXPECT_EQ(static_cast<ssize_t>(bytes.size()), ::write(peer(), bytes.data(), bytes.size()));
  }
  void close() { read_.reset(); }
  void close_peer() { write_.reset(); }

 private:
  UniqueFd read_;
  UniqueFd write_;
};

}  // namespace detent::testing_support
