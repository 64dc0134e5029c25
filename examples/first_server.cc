// SPDX-License-Identifier: BSL-1.0
#include <iostream>

#include <detent/line_server.h>
#include <detent/reactor.h>
#include <detent/timer_service.h>

using namespace std::chrono_literals;

int main() {
  detent::Reactor reactor;
  detent::TimerService timers(reactor);
  auto report = timers.every(250ms, [](const detent::Tick& t) {
    std::cout << "expired " << t.expirations << " times" << std::endl;
  });
  detent::LineServer server(timers, detent::Endpoint::parse("127.0.0.1:1234"),
                            [&](detent::Connection& client, std::string_view line) {
                              if (line.starts_with("stop")) {
                                reactor.stop();
                              } else {
                                client.write("unknown command\n");
                              }
                            });
  reactor.run();
}
