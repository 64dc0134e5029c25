// SPDX-License-Identifier: BSL-1.0
// A user's program that needs neither timers nor net.
#include <detent/reactor.h>

int main() {
  detent::Reactor reactor;
  reactor.post([&] { reactor.stop(); });
  reactor.run();
}
