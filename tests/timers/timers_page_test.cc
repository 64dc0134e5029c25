// SPDX-License-Identifier: BSL-1.0
// What docs/timers.md shows, compiled and run.
#include "support/standard.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;

class TimersPage : public testing_support::SimulatedTimers {};

TEST_F(TimersPage, TM3_OneShotsTicksAndIdleDeadlines) {
  Reactor& reactor = *reactor_;
  TimerService& timers = *timers_;
  bool fired = false;
  bool hung_up = false;
  std::uint64_t ticks = 0;
  const detent::Timer once = timers.after(50ms, [&] { fired = true; });
  const detent::Timer tick =
      timers.every(20ms, [&](const detent::Tick& t) { ticks += t.expirations; });
  detent::Timer idle = timers.make([&] { hung_up = true; });
  idle.rearm_at(reactor.now() + 30s);  // for each byte of a connection: no system call
  clock_.advance(100ms);
  EXPECT_TRUE(fired);
  EXPECT_EQ(ticks, 5U);
  EXPECT_FALSE(hung_up);
  clock_.advance(30s);
  EXPECT_TRUE(hung_up);
}

TEST_F(TimersPage, TM4_TheDrawingOfLateTicks) {
  std::vector<Tick> coalesced;
  std::vector<Tick> each;
  const Timer one = timers_->every({.period = 100ms, .missed = Missed::coalesce},
                                   [&](const Tick& t) { coalesced.push_back(t); });
  const Timer two = timers_->every({.period = 100ms, .missed = Missed::each},
                                   [&](const Tick& t) { each.push_back(t); });
  const TimePoint start = clock_.now();
  clock_.advance(150ms);
  clock_.pass(280ms);
  clock_.advance(0ms);
  ASSERT_EQ(coalesced.size(), 2U);
  EXPECT_EQ(coalesced[1].scheduled, start + 200ms);
  EXPECT_EQ(coalesced[1].expirations, 3U);
  ASSERT_EQ(each.size(), 4U);
  EXPECT_EQ(each[3].scheduled, start + 400ms);
  EXPECT_EQ(each[3].expirations, 1U);
}

TEST_F(TimersPage, TM8_ATickWithSlack) {
  TimerService& timers = *timers_;
  int sweeps = 0;
  const auto remove_what_is_old = [&] { ++sweeps; };
  const detent::Timer sweep =
      timers.every({.period = 1s, .slack = 200ms}, [&] { remove_what_is_old(); });
  clock_.advance(1199ms);
  EXPECT_EQ(sweeps, 0);
  clock_.advance(1ms);
  EXPECT_EQ(sweeps, 1);
}

TEST_F(TimersPage, TM7_AClockThatIsSet) {
  WallTimerService wall_timers(*reactor_);
  Duration jumped = {};
  const detent::Handle watcher = wall_timers.on_clock_change(
      [&](const detent::ClockChange& change) { jumped = change.new_offset - change.old_offset; });
  clock_.set_wall(clock_.wall_now() + 1h);
  clock_.advance(0s);
  EXPECT_EQ(jumped, 1h);
}

}  // namespace
}  // namespace detent
