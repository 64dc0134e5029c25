// SPDX-License-Identifier: BSL-1.0
// An echo server that ends in good order: SIGTERM or SIGINT closes its door, and it goes when its
// last client has gone. The second one ends it at once. SIGHUP asks it to load its settings again.
//
//     ./dev run graceful_stop 127.0.0.1:7777
#include <csignal>
#include <cstdio>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <string_view>

#include <detent/connection.h>
#include <detent/listener.h>
#include <detent/reactor.h>
#include <detent/signals.h>
#include <detent/timer_service.h>

namespace {

class Server {
 public:
  Server(detent::Reactor& reactor, const detent::Endpoint& endpoint)
      : reactor_(reactor), timers_(reactor), signals_(reactor) {
    listener_.emplace(timers_, endpoint, [this](detent::Socket socket, const detent::Endpoint&) {
      add_client(std::move(socket));
    });
    stop_ = signals_.watch({SIGINT, SIGTERM}, [this](const detent::CaughtSignal&) { stop(); });
    reload_ = signals_.watch({SIGHUP}, [](const detent::CaughtSignal& caught) { reload(caught); });
    std::printf("Listening on %s\n", listener_->endpoint().to_string().c_str());
  }

 private:
  using Clients = std::list<std::optional<detent::Connection>>;

  void add_client(detent::Socket socket) {
    const auto place = clients_.emplace(clients_.end());
    place->emplace(
        timers_, detent::make_stream(reactor_, std::move(socket)),
        detent::ConnectionHandlers{.on_data = [](detent::Connection& client,
                                                 std::string_view bytes) { client.write(bytes); },
                                   .on_closed =
                                       [this, place](detent::Connection&, std::error_code) {
                                         clients_.erase(place);
                                         if (!listener_ && clients_.empty()) reactor_.stop();
                                       }});
  }

  void stop() {
    if (!listener_ || clients_.empty()) return reactor_.stop();
    listener_.reset();
    std::printf("Waiting for %zu clients\n", clients_.size());
  }

  static void reload(const detent::CaughtSignal& caught) {
    // In a flood the senders may be lost.
    const auto pid = caught.senders.empty() ? 0 : caught.senders.back().pid;
    std::printf("Loading the settings, since process %lld asked\n", static_cast<long long>(pid));
  }

  detent::Reactor& reactor_;
  detent::TimerService timers_;
  detent::Signals signals_;
  Clients clients_;
  std::optional<detent::Listener> listener_;
  detent::Handle stop_;
  detent::Handle reload_;
};

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  try {
    detent::Reactor reactor;
    const Server server(reactor, detent::Endpoint::parse(argc > 1 ? argv[1] : "127.0.0.1:7777"));
    reactor.run();
    std::printf("Stopped\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "graceful_stop: %s\n", error.what());
    return 1;
  }
}
