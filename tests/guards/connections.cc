// SPDX-License-Identifier: BSL-1.0
// An echo server, by request and by connection, and its client. W4 and W6 in bench/. Over a unix
// socket: what is sent has arrived when send(2) returns, so the turns are the same each time.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "counted.h"
#include "detent/connection.h"
#include "detent/endpoint.h"
#include "detent/listener.h"
#include "detent/reactor.h"
#include "detent/timer_service.h"
#include "detent/unique_fd.h"
#include "workloads.h"

namespace detent::guards {

namespace {

struct EchoServer {
  void run_until_closed() {
    while (connection) reactor.run_once();
  }
  void accept(Socket socket) {
    connection.emplace(
        timers, make_stream(reactor, std::move(socket)),
        ConnectionHandlers{
            .on_data = [](Connection& c, std::string_view bytes) { c.write(bytes); },
            .on_closed = [this](Connection&, std::error_code) { connection.reset(); }});
  }

  Reactor reactor{on_epoll()};
  TimerService timers{reactor};
  std::optional<Connection> connection;
  Listener listener{timers, Endpoint::parse("unix:@detent-guards-" + std::to_string(::getpid())),
                    [this](Socket socket, const Endpoint&) { accept(std::move(socket)); }};
};

class Client {
 public:
  explicit Client(EchoServer& server) : server_(server) {
    const auto address = server.listener.endpoint().native();
    require(::connect(socket_.fd(), reinterpret_cast<const sockaddr*>(address.data()),
                      static_cast<socklen_t>(address.size())) == 0,
            "connect");
    server.reactor.run_once();
  }
  void ask(std::size_t size) {
    std::array<char, 64> bytes = {};
    const auto moved = static_cast<ssize_t>(size);
    require(::send(socket_.fd(), bytes.data(), size, 0) == moved, "send");
    server_.reactor.run_once();
    require(::recv(socket_.fd(), bytes.data(), size, MSG_DONTWAIT) == moved, "no answer");
  }

 private:
  EchoServer& server_;
  UniqueFd socket_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
};

}  // namespace

void echo_request(std::size_t requests) {
  EchoServer server;
  Client client(server);
  counted([&] {
    for (std::size_t i = 0; i < requests; ++i) client.ask(64);
  });
}

void accept_churn(std::size_t connections) {
  EchoServer server;
  counted([&] {
    for (std::size_t i = 0; i < connections; ++i) {
      Client(server).ask(1);
      server.run_until_closed();
    }
  });
  require(server.listener.counters().accepted == connections, "not every client came");
}

}  // namespace detent::guards
