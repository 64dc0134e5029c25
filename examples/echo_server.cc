// SPDX-License-Identifier: BSL-1.0
// Sends back whatever it receives, to any number of clients. A client that does not read its echo
// is not read from until it does.
//
//     ./dev run echo_server 127.0.0.1:7777
#include <cstdio>
#include <exception>
#include <list>
#include <memory>
#include <string_view>

#include <detent/connection.h>
#include <detent/listener.h>
#include <detent/reactor.h>
#include <detent/timer_service.h>

namespace {

constexpr std::size_t kMostQueued = 1'000'000;

struct Echo {
  Echo(detent::TimerService& timers, detent::Socket socket, std::list<Echo>& all)
      : connection(timers, detent::make_stream(timers.reactor(), std::move(socket)),
                   {.on_data = send_back,
                    .on_drained = [](detent::Connection& c) { c.resume_reading(); },
                    .on_closed = [this, &all](detent::Connection&,
                                              std::error_code) { all.erase(place); }}) {}

  static void send_back(detent::Connection& connection, std::string_view bytes) {
    connection.write(bytes);
    if (connection.queued() > kMostQueued) connection.pause_reading();
  }

  std::list<Echo>::iterator place;
  detent::Connection connection;
};

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  try {
    detent::Reactor reactor;
    detent::TimerService timers(reactor);
    std::list<Echo> clients;
    const detent::Listener listener(
        timers, detent::Endpoint::parse(argc > 1 ? argv[1] : "127.0.0.1:7777"),
        [&](detent::Socket socket, const detent::Endpoint&) {
          Echo& client = clients.emplace_back(timers, std::move(socket), clients);
          client.place = std::prev(clients.end());
        });
    std::printf("Listening on %s\n", listener.endpoint().to_string().c_str());
    reactor.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "echo_server: %s\n", error.what());
    return 1;
  }
}
