// SPDX-License-Identifier: BSL-1.0
/// \file
/// Two connected descriptors, and what a test of the reactor does with them.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include "support/connected_pair.h"
#include "support/standard.h"

namespace detent::testing_support {

/// Non-blocking and close-on-exec. fd() is the end that is watched, peer() the other one.
class WatchedSocket {
 public:
  explicit WatchedSocket(int type = SOCK_STREAM) : pair_(make_socket_pair(type)) {}

  [[nodiscard]] int fd() const { return pair_.near.fd(); }
  [[nodiscard]] int peer() const { return pair_.far.fd(); }

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
  void fill() const { testing_support::fill(fd()); }
  void close() { pair_.near.reset(); }
  void close_peer() { pair_.far.reset(); }

 private:
  SocketPair pair_;
};

/// The same for a pipe: fd() reads, peer() writes.
class WatchedPipe {
 public:
  [[nodiscard]] int fd() const { return pair_.near.fd(); }
  [[nodiscard]] int peer() const { return pair_.far.fd(); }
  void send(const std::string& bytes = "x") const { put(peer(), bytes); }
  void close() { pair_.near.reset(); }
  void close_peer() { pair_.far.reset(); }

 private:
  SocketPair pair_ = make_pipe();
};

}  // namespace detent::testing_support
