// SPDX-License-Identifier: BSL-1.0
// What docs/sources.md shows of signals, and the first comment of the header, compiled and run.
#include <signal.h>
#include <unistd.h>

#include "detent/reactor.h"
#include "detent/signals.h"
#include "support/standard.h"

namespace detent {
namespace {

TEST(SignalsPage, M1_StopsAtATermAndCountsHangUps) {
  Reactor reactor;
  std::uint64_t hang_ups = 0;
  std::set<std::int64_t> noted;
  const auto note = [&](std::int64_t pid) { noted.insert(pid); };
  detent::Signals signals(reactor);
  const auto stop = signals.watch({SIGINT, SIGTERM}, [&](const auto&) { reactor.stop(); });
  const auto count = signals.watch({SIGHUP}, [&](const detent::CaughtSignal& caught) {
    hang_ups += caught.count;
    for (const detent::SignalSender& sender : caught.senders) note(sender.pid);
  });
  for (const int signal : {SIGHUP, SIGHUP, SIGTERM}) ::raise(signal);
  reactor.run();
  EXPECT_EQ(hang_ups, 2U);
  EXPECT_EQ(noted, std::set<std::int64_t>{::getpid()});
}

}  // namespace
}  // namespace detent
