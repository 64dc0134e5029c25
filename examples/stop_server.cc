// SPDX-License-Identifier: BSL-1.0
// Three timers tick and clients may connect until one of them sends "stop":
//
//     ./dev run stop_server                  in one terminal
//     telnet 127.0.0.1 1234                  in another, then type: stop
//
// SIGTERM and SIGINT end it as well. --host and --port choose another place to listen.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>

#include <detent/line_server.h>
#include <detent/reactor.h>
#include <detent/signals.h>
#include <detent/timer_service.h>

using namespace std::chrono_literals;

namespace {

detent::Endpoint parse_options(int argc, char** argv) {
  std::string host = "127.0.0.1";
  std::string port = "1234";
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if ((option != "--host" && option != "--port") || i + 1 == argc) {
      throw std::invalid_argument("usage: stop_server [--host ADDRESS] [--port NUMBER]");
    }
    (option == "--host" ? host : port) = argv[i + 1];
  }
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return detent::Endpoint::parse(host + ":" + port);
}

// What a client sends is not trusted: its control characters stay off our terminal.
std::string printable(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    if (byte >= ' ' && byte <= '~') {
      text += byte;
    } else {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x",
                    static_cast<unsigned>(static_cast<unsigned char>(byte)));
      text += escaped;
    }
  }
  return text;
}

void serve(const detent::Endpoint& endpoint) {
  detent::Reactor reactor;
  detent::Signals signals(reactor);
  const auto stop = signals.watch({SIGINT, SIGTERM}, [&](const auto&) { reactor.stop(); });
  detent::TimerService timers(reactor);

  std::list<detent::Timer> tickers;
  for (int number = 1; number <= 3; ++number) {
    tickers.push_back(timers.every(number * 250ms, [number](const detent::Tick& tick) {
      std::printf("Timer %d expired %llu times\n", number,
                  static_cast<unsigned long long>(tick.expirations));
    }));
  }

  // "stop" counts as soon as it has arrived, with or without the end of its line.
  const auto stops = [&reactor](std::string_view line) {
    if (!line.starts_with("stop")) return false;
    std::printf("Stopping server\n");
    reactor.stop();
    return true;
  };
  std::unordered_map<const detent::Connection*, std::string> peers;
  detent::LineServerOptions options;
  options.max_line_length = 1024;
  options.on_accepted = [&peers](detent::Connection& client, const detent::Endpoint& peer) {
    peers[&client] = peer.to_string();
    std::printf("Accepted connection from %s\n", peers[&client].c_str());
  };
  options.on_partial_line = [&stops](detent::Connection&, std::string_view line) { stops(line); };
  options.on_closed = [&peers](detent::Connection& client, std::error_code reason) {
    std::printf("Closed connection from %s%s%s\n", peers[&client].c_str(), reason ? ": " : "",
                reason ? reason.message().c_str() : "");
    peers.erase(&client);
  };
  options.listener.on_trouble = [](std::error_code error) {
    std::printf("Cannot accept connections for now: %s\n", error.message().c_str());
  };
  detent::LineServer server(timers, endpoint, std::move(options),
                            [&stops](detent::Connection&, std::string_view line) {
                              if (!stops(line)) {
                                std::printf("Unknown command: %s\n", printable(line).c_str());
                              }
                            });

  std::printf("Listening on %s\n", server.endpoint().to_string().c_str());
  reactor.run();
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // each line at once, into a pipe too
  try {
    serve(parse_options(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stop_server: %s\n", error.what());
    return 1;
  }
}
