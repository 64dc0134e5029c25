// SPDX-License-Identifier: BSL-1.0
// W7. Sends each datagram back, for loops that say when to read and leave the rest to their user.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "support/check.h"
#include "support/loopback.h"
#include <detent/unique_fd.h>

namespace bench {

template <class Peer, template <class> class Readable>
class ReadableDatagramServer {
 public:
  explicit ReadableDatagramServer(Peer& peer)
      : socket_(datagram_socket()), watch_(peer, socket_.fd(), OnReadable{this}) {}

  [[nodiscard]] std::uint16_t port() const { return port_of(socket_.fd()); }

 private:
  struct OnReadable {
    ReadableDatagramServer* server;
    void operator()() { server->echo_all(); }
  };

  void echo_all() {
    std::array<char, 2048> bytes;
    sockaddr_in from{};
    for (;;) {
      socklen_t length = sizeof from;
      auto* const address = reinterpret_cast<sockaddr*>(&from);
      const ssize_t size =
          ::recvfrom(socket_.fd(), bytes.data(), bytes.size(), 0, address, &length);
      if (size == -1 && errno == EAGAIN) return;
      succeeded(size, "recvfrom");
      require(::sendto(socket_.fd(), bytes.data(), static_cast<std::size_t>(size), 0, address,
                       length) == size,
              "a datagram was not sent");
    }
  }

  detent::UniqueFd socket_;
  Readable<OnReadable> watch_;
};

}  // namespace bench
