// SPDX-License-Identifier: BSL-1.0
// A user's program with what a daemon waits for.
#include <csignal>
#include <system_error>

#include <detent/children.h>
#include <detent/files.h>
#include <detent/links.h>
#include <detent/reactor.h>
#include <detent/signals.h>

int main() {
  detent::Reactor reactor;
  try {
    const detent::Links links(reactor);
    if (links.list().empty()) return 1;
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::not_supported) throw;
  }
  detent::Files files(reactor);
  const detent::Handle file = files.watch(".", [](const detent::FileChange&) {});
  detent::Signals signals(reactor);
  const detent::Handle signal =
      signals.watch({SIGTERM}, [&](const detent::CaughtSignal&) { reactor.stop(); });
  detent::Children children(reactor);
  const detent::Child child =
      children.spawn({.arguments = {"true"}}, [](const detent::ProcessExit& exit) {
        if (exit.code == 0) ::raise(SIGTERM);
      });
  reactor.run();
}
