// SPDX-License-Identifier: BSL-1.0
// While ReactorOptions::on_exception runs, the turn is not over.
#include "detent/reactor.h"
#include "detent/simulation.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

class HandlerInATurn : public testing::TestWithParam<std::string_view> {
 protected:
  HandlerInATurn()
      : reactor_({.poller = make_poller(GetParam()),
                  .on_exception = [this](std::exception_ptr, const Name&) { handle_(); }}) {}

  Callback<void()> handle_;
  Reactor reactor_;
};

TEST_P(HandlerInATurn, O5_RunningTheLoopInTheHandlerThrows) {
  bool refused = false;
  handle_ = [&] {
    try {
      reactor_.run_once(0ns);
    } catch (const std::logic_error&) {
      refused = true;
    }
  };
  reactor_.post([] { throw std::runtime_error("for the handler"); });
  reactor_.run_once(0ns);
  EXPECT_TRUE(refused);
}

TEST_P(HandlerInATurn, D7_PrepareForbidsASleepThatItsThrowingHookLeftUnprepared) {
  WatchedSocket socket;
  socket.send();
  int calls = 0;
  Watch watch = reactor_.watch(socket, {}, [&](Ready) { ++calls; });
  handle_ = [] {};
  Handle hook = reactor_.before_wait([&] {
    watch.set_interest({.readable = true});
    throw std::runtime_error("in the hook");
  });
  EXPECT_EQ(reactor_.prepare(), Duration::zero());
  hook.cancel();
  reactor_.dispatch();
  EXPECT_EQ(calls, 2) << "by the turn that was cut short, and by the next one, as nobody reads";
}

TEST_P(HandlerInATurn, O6_AHookThatAlwaysThrowsKeepsNoDescriptorWaiting) {
  WatchedSocket socket;
  socket.send();
  int calls = 0;
  const Watch watch = reactor_.watch(socket, {.readable = true}, [&](Ready) { ++calls; });
  handle_ = [] {};
  const Handle before = reactor_.before_wait([] { throw std::runtime_error("before"); });
  const Handle after = reactor_.after_wait([] { throw std::runtime_error("after"); });
  for (int turns = 0; turns < 10; ++turns) reactor_.dispatch();
  EXPECT_GE(calls, 1);
}

DETENT_ON_EVERY_POLLER(HandlerInATurn);

TEST(VirtualTimeOfAStoppedLoop, SIM1_AnAdvanceLeavesAPendingStopAlone) {
  Simulation clock;
  Reactor reactor({.poller = clock.make_poller(), .clock = &clock});
  const auto alarm = clock.make_alarm(ClockId::steady);
  std::optional<TimePoint> called;
  const Watch watch = reactor.watch(*alarm, {.readable = true}, [&](Ready) {
    called = clock.now();
    alarm->disarm();
  });
  const TimePoint due = clock.now() + 1s;
  alarm->arm(due);
  reactor.stop();
  clock.advance(1h);
  EXPECT_EQ(called, due);
  reactor.run();  // returns, for the stop is still there
}

}  // namespace
}  // namespace detent
