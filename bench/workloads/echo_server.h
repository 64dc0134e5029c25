// SPDX-License-Identifier: BSL-1.0
// W4, W6. An echo server by hand, for loops that say when to read and leave the rest to their user.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "support/check.h"
#include "support/loopback.h"
#include <detent/unique_fd.h>

namespace bench {

template <class Peer, template <class> class Readable>
class ReadableEchoServer {
 public:
  explicit ReadableEchoServer(Peer& peer)
      : peer_(peer),
        listening_(listen_on_loopback()),
        watch_(peer, listening_.fd(), OnConnections{this}) {}

  [[nodiscard]] std::uint16_t port() const { return port_of(listening_.fd()); }

 private:
  struct OnConnections {
    ReadableEchoServer* server;
    void operator()() { server->accept_all(); }
  };
  struct Client;
  struct OnBytes {
    Client* client;
    void operator()() { client->server.echo(*client); }
  };
  struct Client {
    Client(ReadableEchoServer& of, detent::UniqueFd accepted)
        : server(of), socket(std::move(accepted)), watch(of.peer_, socket.fd(), OnBytes{this}) {}
    ReadableEchoServer& server;
    detent::UniqueFd socket;
    typename std::list<Client>::iterator place;
    Readable<OnBytes> watch;
  };

  void accept_all() {
    for (;;) {
      detent::UniqueFd socket(
          ::accept4(listening_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (socket.fd() == -1) return;
      set_no_delay(socket.fd());
      Client& client = clients_.emplace_back(*this, std::move(socket));
      client.place = std::prev(clients_.end());
    }
  }

  void echo(Client& client) {
    const ssize_t size = ::read(client.socket.fd(), buffer_.data(), buffer_.size());
    if (size > 0) {
      write_all(client.socket.fd(), static_cast<std::size_t>(size));
    } else if (size == 0 || errno != EAGAIN) {
      clients_.erase(client.place);
    }
  }

  void write_all(int socket, std::size_t size) {
    for (std::size_t sent = 0; sent < size;) {
      const ssize_t part = ::write(socket, buffer_.data() + sent, size - sent);
      if (part == -1 && errno == EAGAIN) {
        // A server in earnest would go on with others. This client is reading all the time.
        pollfd writable{socket, POLLOUT, 0};
        succeeded(::poll(&writable, 1, -1), "poll");
        continue;
      }
      sent += static_cast<std::size_t>(succeeded(part, "write"));
    }
  }

  static constexpr std::size_t kBuffer = std::size_t{64} * 1024;

  Peer& peer_;
  std::vector<char> buffer_ = std::vector<char>(kBuffer);
  detent::UniqueFd listening_;
  std::list<Client> clients_;
  Readable<OnConnections> watch_;
};

}  // namespace bench
