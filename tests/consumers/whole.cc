// SPDX-License-Identifier: BSL-1.0
// A user's program that needs every library.
#include <chrono>
#include <string_view>

#include <detent/line_server.h>
#include <detent/reactor.h>
#include <detent/timer_service.h>

int main() {
  detent::Reactor reactor;
  detent::TimerService timers(reactor);
  detent::LineServer server(
      timers, detent::Endpoint::parse("127.0.0.1:0"),
      [](detent::Connection& connection, std::string_view) { connection.write("no\n"); });
  auto stop = timers.after(std::chrono::milliseconds(1), [&] { reactor.stop(); });
  reactor.run();
}
