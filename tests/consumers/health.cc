// SPDX-License-Identifier: BSL-1.0
// A user's program with the wing that needs no other package.
#include <detent/reactor.h>
#include <detent/spin_watch.h>

int main() {
  detent::Reactor reactor;
  const detent::SpinWatch spins(reactor);
  reactor.post([&] { reactor.stop(); });
  reactor.run();
}
