// SPDX-License-Identifier: BSL-1.0
/// \file
/// A client on a plain blocking socket, which owes nothing to detent.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "detent/unique_fd.h"
#include "support/child_program.h"
#include "support/connected_pair.h"
#include "support/standard.h"

namespace detent::testing_support {

/// Waits at most kPatience for anything, then says so by failing the test.
class TcpClient {
 public:
  explicit TcpClient(std::uint16_t port, const char* address = "127.0.0.1")
      : socket_(make_tcp_socket()) {
    const timeval patience = {.tv_sec = kPatience.count(), .tv_usec = 0};
    const int on = 1;
    ::setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // what is sent goes at once
    sockaddr_in peer = {};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &peer.sin_addr);
    checked(connect_to(fd(), peer), "connect");
  }

  [[nodiscard]] int fd() const noexcept { return socket_.fd(); }

  /// Its own address, as a server prints it.
  [[nodiscard]] std::string name() const {
    sockaddr_in own = {};
    socklen_t size = sizeof own;
    checked(::getsockname(fd(), reinterpret_cast<sockaddr*>(&own), &size), "getsockname");
    std::array<char, INET_ADDRSTRLEN> text = {};
    ::inet_ntop(AF_INET, &own.sin_addr, text.data(), text.size());
    return std::string(text.data()) + ':' + std::to_string(ntohs(own.sin_port));
  }

  /// Sends all of it; false when the peer has closed.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent == -1) {
        EXPECT_NE(errno, EAGAIN) << "the peer does not read";
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// What can be sent without waiting; how much that was.
  [[nodiscard]] std::size_t send_some(std::string_view bytes) const {
    const ssize_t sent = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent == -1 ? 0 : static_cast<std::size_t>(sent);
  }

  /// The next bytes, up to `size` of them; fewer when the stream has ended or was reset.
  [[nodiscard]] std::string receive(std::size_t size) const {
    std::string bytes(size, '\0');
    std::size_t got = 0;
    while (got < size) {
      const ssize_t more = ::recv(fd(), bytes.data() + got, size - got, 0);
      EXPECT_FALSE(more == -1 && errno == EAGAIN) << "nothing came";
      if (more <= 0) break;
      got += static_cast<std::size_t>(more);
    }
    bytes.resize(got);
    return bytes;
  }
  /// All that still comes, until the peer has closed.
  std::string receive_to_the_end() const {
    std::string all;
    for (std::string bytes; !(bytes = receive(4096)).empty();) all += bytes;
    return all;
  }

  void finish() const { checked(::shutdown(fd(), SHUT_WR), "shutdown"); }
  void close() { socket_.reset(); }
  /// Closes with a reset instead of an end of stream.
  void reset() {
    const linger at_once = {.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket_.reset();
  }

 private:
  UniqueFd socket_;
};

}  // namespace detent::testing_support
