// SPDX-License-Identifier: BSL-1.0
// A user's program with what a daemon waits for.
#include <system_error>

#include <detent/links.h>
#include <detent/reactor.h>

int main() {
  detent::Reactor reactor;
  try {
    const detent::Links links(reactor);
    if (links.list().empty()) return 1;
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::not_supported) throw;
  }
  reactor.post([&] { reactor.stop(); });
  reactor.run();
}
