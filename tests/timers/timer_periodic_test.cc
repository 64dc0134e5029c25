// SPDX-License-Identifier: BSL-1.0
// Timers that tick: their grid, what becomes of missed ticks, and changes from inside a tick.
#include "detent/timer_fd.h"
#include "detent/timer_service.h"
#include "support/standard.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

// What one call was told, in time since the test began.
struct Told {
  Duration scheduled;
  Duration now;
  std::uint64_t expirations;
  friend bool operator==(const Told&, const Told&) = default;
};
void PrintTo(const Told& told, std::ostream* out) {
  *out << told.scheduled.count() << " ns, called at " << told.now.count() << " ns, "
       << told.expirations << " times";
}

class TimerPeriodic : public SimulatedTimers {
 protected:
  auto record() {
    return [this](const Tick& tick) {
      told_.push_back({tick.scheduled - start_, tick.now - start_, tick.expirations});
    };
  }
  // One more turn, in which this has to be what is called.
  void expect_turn(const std::vector<Told>& expected) {
    told_.clear();
    EXPECT_EQ(expected.size(), turn());
    EXPECT_EQ(expected, told_);
  }

  const TimePoint start_ = clock_.now();
  std::vector<Told> told_;
};

class TimerPeriodicOnEveryPoller : public TimersOnEveryPoller {};
DETENT_ON_EVERY_POLLER(TimerPeriodicOnEveryPoller);

// ---- TM3: the grid

TEST_F(TimerPeriodic, TM3_TicksOnePeriodFromNowAndThenAtEachFurtherPeriod) {
  const Timer timer = timers_->every(10ms, record());
  clock_.advance(35ms);
  EXPECT_EQ((std::vector<Told>{{10ms, 10ms, 1}, {20ms, 20ms, 1}, {30ms, 30ms, 1}}), told_);
  EXPECT_TRUE(timer.active());
}

TEST_F(TimerPeriodic, TM3_TheFirstTickMayComeAtAnotherTime) {
  const Timer timer = timers_->every({.period = 10ms, .first = 3ms}, record());
  clock_.advance(25ms);
  EXPECT_EQ((std::vector<Told>{{3ms, 3ms, 1}, {13ms, 13ms, 1}, {23ms, 23ms, 1}}), told_);
}

TEST_F(TimerPeriodic, TM3_TheFirstTickMayComeAtOnceOrLongAfterAPeriod) {
  const Timer zero = timers_->every({.period = 10ms, .first = 0ns}, record());
  const Timer negative = timers_->every({.period = 10ms, .first = -1s}, record());
  expect_turn({{0ns, 0ns, 1}, {0ns, 0ns, 1}});
  clock_.pass(10ms);
  expect_turn({{10ms, 10ms, 1}, {10ms, 10ms, 1}});
  make();
  told_.clear();
  const Timer late = timers_->every({.period = 1ms, .first = 100ms}, record());
  clock_.advance(101ms);
  EXPECT_EQ((std::vector<Told>{{110ms, 110ms, 1}, {111ms, 111ms, 1}}), told_);
}

TEST_F(TimerPeriodic, TM3_KeepsItsGridWhenLate) {
  const Timer timer = timers_->every(10ms, record());
  clock_.pass(34ms);
  expect_turn({{10ms, 34ms, 3}});
  clock_.pass(6ms - 1ns);
  expect_turn({});
  clock_.pass(1ns);
  expect_turn({{40ms, 40ms, 1}});
}

TEST_F(TimerPeriodic, TM3_CountsLikeATimerfdAtTheEdgesOfAPeriod) {
  const Timer timer = timers_->every(10ms, record());
  clock_.pass(30ms - 1ns);
  expect_turn({{10ms, 30ms - 1ns, 2}});
  clock_.pass(1ns);
  expect_turn({{30ms, 30ms, 1}});
  clock_.pass(20ms);
  expect_turn({{40ms, 50ms, 2}});
}

TEST_F(TimerPeriodic, TM3_AMillionTicksAreAllOnTheGridAndSoIsTheOneAfterAYearsPause) {
  constexpr Duration kPeriod = 7ms + 3ns;
  constexpr std::int64_t kTicks = 1'000'000;
  std::int64_t n = 0;
  std::int64_t off_the_grid = 0;
  Tick last;
  const Timer timer = timers_->every(kPeriod, [&](const Tick& tick) {
    n += static_cast<std::int64_t>(tick.expirations);
    const TimePoint expected = start_ + n * kPeriod;
    if (tick.expirations == 1 && (tick.scheduled != expected || tick.now != expected)) {
      ++off_the_grid;
    }
    last = tick;
  });
  clock_.advance(kTicks * kPeriod);
  EXPECT_EQ(kTicks, n);
  EXPECT_EQ(0, off_the_grid);

  constexpr Duration kYear = 365 * std::chrono::hours(24);
  clock_.pass(kYear);
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(kYear / kPeriod, static_cast<std::int64_t>(last.expirations));
  EXPECT_EQ(start_ + (kTicks + 1) * kPeriod, last.scheduled);

  const TimePoint next = start_ + (n + 1) * kPeriod;
  clock_.pass(next - clock_.now() - 1ns);
  EXPECT_EQ(0U, turn());
  clock_.pass(1ns);
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(next, last.scheduled);
  EXPECT_EQ(0, off_the_grid);
}

// Ten million where the build is optimised.
TEST_F(TimerPeriodic, TM3_AMillisecondsGridHoldsForMillionsOfTicksAndTheYearAfterThem) {
  constexpr std::uint64_t kTicks = DETENT_GRID_TICKS;
  std::uint64_t calls = 0;
  std::uint64_t expirations = 0;
  Tick last;
  const Timer timer = timers_->every(1ms, [&](const Tick& tick) {
    ++calls;
    expirations += tick.expirations;
    last = tick;
  });
  clock_.advance(kTicks * 1ms);
  EXPECT_EQ(kTicks, calls);
  EXPECT_EQ(kTicks, expirations);
  EXPECT_EQ(start_ + kTicks * 1ms, last.scheduled);

  clock_.pass(365 * std::chrono::hours(24));
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(kTicks + 31'536'000'000U, expirations);
  EXPECT_EQ(start_ + (kTicks + 1) * 1ms, last.scheduled);
  EXPECT_EQ(1ms, timer.remaining());
  clock_.pass(1ms - 1ns);
  EXPECT_EQ(0U, turn());
  clock_.pass(1ns);
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(start_ + (kTicks + 31'536'000'001U) * 1ms, last.scheduled);
}

TEST_F(TimerPeriodic, TM3_RandomLatenessNeverMovesTheGridNorLosesACount) {
  std::mt19937_64 random(clock_.seed());
  constexpr Duration kPeriod = 1'000ns;
  std::int64_t n = 0;
  const Timer timer = timers_->every(kPeriod, [&](const Tick& tick) {
    EXPECT_EQ(start_ + (n + 1) * kPeriod, tick.scheduled);
    n += static_cast<std::int64_t>(tick.expirations);
    EXPECT_EQ((tick.now - start_) / kPeriod, n) << "as many as have passed";
    clock_.pass(Duration(random() % 1'500));
  });
  for (int i = 0; i < 10'000; ++i) {
    clock_.pass(Duration(random() % 2'500));
    turn();
  }
  EXPECT_GT(n, 10'000);
}

TEST_F(TimerPeriodic, TM3_ASlowCallbackDoesNotDelayTheNextTick) {
  const Timer timer = timers_->every(10ms, [&](const Tick& tick) {
    record()(tick);
    clock_.pass(4ms);
  });
  clock_.advance(40ms);
  EXPECT_EQ((std::vector<Told>{{10ms, 10ms, 1}, {20ms, 20ms, 1}, {30ms, 30ms, 1}, {40ms, 40ms, 1}}),
            told_);
}

TEST_F(TimerPeriodic, TM3_ACallbackSlowerThanThePeriodCountsWhatItMissed) {
  const Timer timer = timers_->every(10ms, [&](const Tick& tick) {
    record()(tick);
    clock_.pass(95ms);
  });
  clock_.pass(10ms);
  turn();
  turn();
  turn();
  EXPECT_EQ((std::vector<Told>{{10ms, 10ms, 1}, {20ms, 105ms, 9}, {110ms, 200ms, 10}}), told_);
}

// The kernel's count for a timer that was set to the same grid and looked at in the same moment.
TEST_P(TimerPeriodicOnEveryPoller, TM3_CountsWhatAReadOfATimerfdReturnsInTheSameCircumstances) {
  constexpr Duration kPeriod = 10ms;
  int compared = 0;
  // A try proves nothing when a period ends between the turn's look at the clock and the read.
  for (int attempt = 0; attempt < 1'000 && compared < 12; ++attempt) {
    const TimePoint first = kernel_clock().now() + 2ms;
    TimerFd kernels(ClockId::steady, TimerFd::Mode::non_blocking);
    kernels.arm_at(first, kPeriod);
    std::optional<Tick> told;
    std::uint64_t counted = 0;
    TimePoint after_the_read;
    Timer timer = timers_->make([&](const Tick& tick) {
      counted = kernels.read();
      after_the_read = kernel_clock().now();
      told = tick;
    });
    timer.rearm_at(first);
    timer.set_period(kPeriod);
    be_busy_until(first + (attempt % 4) * kPeriod + kPeriod / 2);
    EXPECT_EQ(1U, reactor_.run_once());
    ASSERT_TRUE(told);
    EXPECT_EQ(first, told->scheduled);
    if ((told->now - first) / kPeriod != (after_the_read - first) / kPeriod) continue;
    EXPECT_EQ(counted, told->expirations);
    ++compared;
  }
  EXPECT_EQ(12, compared);
}

TEST_P(TimerPeriodicOnEveryPoller, TM3_KeepsItsGridInRealTime) {
  constexpr Duration kPeriod = 3ms;
  std::vector<Tick> told;
  const Timer timer = timers_->every(kPeriod, [&](const Tick& tick) {
    told.push_back(tick);
    if (told.size() % 7 == 0) be_busy_until(kernel_clock().now() + 10ms);
  });
  while (told.size() < 30) reactor_.run_once();
  const TimePoint first = told.front().scheduled;
  std::uint64_t n = 0;
  for (const Tick& tick : told) {
    EXPECT_EQ(first + static_cast<std::int64_t>(n) * kPeriod, tick.scheduled);
    EXPECT_GE(tick.now, tick.scheduled);
    n += tick.expirations;
    EXPECT_EQ(static_cast<std::uint64_t>((tick.now - first) / kPeriod) + 1, n);
  }
}

// ---- TM4: what becomes of missed ticks

TEST_F(TimerPeriodic, TM4_CoalesceIsTheDefaultAndOneCallWithTheCount) {
  const Timer by_default = timers_->every(10ms, record());
  const Timer by_name = timers_->every({.period = 10ms, .missed = Missed::coalesce}, record());
  clock_.pass(57ms);
  expect_turn({{10ms, 57ms, 5}, {10ms, 57ms, 5}});
  expect_turn({});
}

TEST_F(TimerPeriodic, TM4_EachIsOneCallATurnEachWithItsOwnInstant) {
  const Timer timer = timers_->every({.period = 10ms, .missed = Missed::each}, record());
  clock_.pass(35ms);
  expect_turn({{10ms, 35ms, 1}});
  expect_turn({{20ms, 35ms, 1}});
  expect_turn({{30ms, 35ms, 1}});
  expect_turn({});
  clock_.pass(5ms);
  expect_turn({{40ms, 40ms, 1}});
}

TEST_F(TimerPeriodic, TM4_EachLetsOthersRunBetweenItsCalls) {
  std::string calls;
  const Timer each =
      timers_->every({.period = 10ms, .missed = Missed::each}, [&] { calls += 'e'; });
  const Timer one = timers_->after(25ms, [&] { calls += '1'; });
  const Timer idle =
      timers_->every({.period = 30ms, .missed = Missed::each}, [&] { calls += 'i'; });
  clock_.pass(60ms);
  for (int i = 0; i < 6; ++i) {
    calls += '|';
    turn();
  }
  EXPECT_EQ("|e1i|ei|e|e|e|e", calls);
}

TEST_F(TimerPeriodic, TM4_EachDoesNotSleepUntilItHasCaughtUp) {
  const Timer timer = timers_->every({.period = 10ms, .missed = Missed::each}, record());
  clock_.pass(1s);
  // Nothing else is ready: a poller that had to sleep would throw here.
  for (int i = 0; i < 100; ++i) EXPECT_EQ(1U, reactor_->run_once());
  EXPECT_EQ(100U, told_.size());
  EXPECT_EQ(0U, turn());
}

TEST_F(TimerPeriodic, TM4_APeriodicTimerThatStartsLateDoesNotBurst) {
  Timer timer = timers_->make(record());
  timer.rearm_at(start_ - 1s);
  timer.set_period(10ms);
  expect_turn({{-1s, 0ns, 101}});
  expect_turn({});
  clock_.pass(10ms);
  expect_turn({{10ms, 10ms, 1}});
}

TEST_P(TimerPeriodicOnEveryPoller, TM5_WhatATickDoesToItsTimerTakesEffectAtOnce) {
  int cancelled_calls = 0;
  int destroyed_calls = 0;
  Timer cancelled;
  std::optional<Timer> destroyed;
  cancelled = timers_->every(1ms, [&] {
    EXPECT_TRUE(cancelled.active()) << "the next tick is in place";
    ++cancelled_calls;
    cancelled.cancel();
  });
  destroyed = timers_->every(1ms, [&] {
    ++destroyed_calls;
    destroyed.reset();
  });
  std::vector<Tick> ticks;
  Timer slower;
  slower = timers_->every(1ms, [&](const Tick& tick) {
    ticks.push_back(tick);
    slower.set_period(5ms);
  });
  while (ticks.size() < 3) static_cast<void>(reactor_.run_once());
  EXPECT_EQ(1, cancelled_calls);
  EXPECT_EQ(1, destroyed_calls);
  for (std::size_t i = 1; i < ticks.size(); ++i) {
    const auto skipped = static_cast<std::int64_t>(ticks[i - 1].expirations) - 1;
    const TimePoint last_told = ticks[i - 1].scheduled + skipped * (i == 1 ? 1ms : 5ms);
    EXPECT_EQ(last_told + 5ms, ticks[i].scheduled);
    EXPECT_GE(ticks[i].now, ticks[i].scheduled);
  }
}

TEST_P(TimerPeriodicOnEveryPoller, TM4_EachIsCalledForEveryPeriod) {
  std::vector<Tick> told;
  const Timer timer = timers_->every({.period = 1ms, .missed = Missed::each},
                                     [&](const Tick& tick) { told.push_back(tick); });
  be_busy_until(kernel_clock().now() + 20ms);
  while (told.size() < 20) EXPECT_EQ(1U, reactor_.run_once());
  for (std::size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[0].scheduled + static_cast<std::int64_t>(i) * 1ms, told[i].scheduled);
    EXPECT_GE(told[i].now, told[i].scheduled);
    EXPECT_EQ(1U, told[i].expirations);
  }
}

// ---- TM5: changes from inside a tick take effect at once

TEST_F(TimerPeriodic, TM5_TheNextTickIsInPlaceBeforeTheCall) {
  Timer timer = timers_->every(10ms, [&] {
    EXPECT_TRUE(timer.active());
    EXPECT_EQ(10ms, timer.remaining());
  });
  clock_.advance(10ms);
  timer.cancel();
  Timer late = timers_->every(10ms, [&] { EXPECT_EQ(6ms, late.remaining()); });
  clock_.pass(34ms);
  EXPECT_EQ(1U, turn());
}

TEST_F(TimerPeriodic, TM5_AOneShotIsNotActiveInItsCall) {
  Timer timer = timers_->after(10ms, [&] { EXPECT_FALSE(timer.active()); });
  clock_.pass(10ms);
  EXPECT_EQ(1U, turn());
}

TEST_F(TimerPeriodic, TM5_CancellingInATickEndsIt) {
  Timer timer = timers_->every(10ms, [&](const Tick& tick) {
    record()(tick);
    if (told_.size() == 2) timer.cancel();
  });
  clock_.advance(1s);
  EXPECT_EQ(2U, told_.size());
}

TEST_F(TimerPeriodic, TM5_DisarmingInATickStopsItUntilItIsArmed) {
  Timer timer = timers_->every(10ms, [&](const Tick& tick) {
    record()(tick);
    if (told_.size() == 2) timer.disarm();
  });
  clock_.advance(100ms);
  EXPECT_EQ(2U, told_.size());
  timer.rearm(1ms);
  clock_.advance(15ms);
  EXPECT_EQ(
      (std::vector<Told>{{10ms, 10ms, 1}, {20ms, 20ms, 1}, {101ms, 101ms, 1}, {111ms, 111ms, 1}}),
      told_);
}

TEST_F(TimerPeriodic, TM5_DestroyingItInATickEndsIt) {
  std::optional<Timer> timer;
  timer = timers_->every(10ms, [&](const Tick& tick) {
    record()(tick);
    timer.reset();
  });
  clock_.advance(1s);
  EXPECT_EQ(1U, told_.size());
}

TEST_F(TimerPeriodic, TM5_RearmingInATickMovesTheGrid) {
  Timer timer = timers_->every(10ms, [&](const Tick& tick) {
    record()(tick);
    if (told_.size() == 1) timer.rearm(3ms);
  });
  clock_.advance(25ms);
  EXPECT_EQ((std::vector<Told>{{10ms, 10ms, 1}, {13ms, 13ms, 1}, {23ms, 23ms, 1}}), told_);
}

TEST_F(TimerPeriodic, TM5_ANewPeriodCountsFromTheTickThatSetsIt) {
  for (const Duration period : {4ms, 25ms}) {
    SCOPED_TRACE(period.count());
    make();
    told_.clear();
    const Duration from = clock_.now() - start_;
    Timer timer = timers_->every(10ms, [&](const Tick& tick) {
      record()(tick);
      if (told_.size() == 2) timer.set_period(period);
    });
    clock_.advance(100ms);
    ASSERT_LE(4U, told_.size());
    EXPECT_EQ(from + 20ms + period, told_[2].scheduled);
    EXPECT_EQ(from + 20ms + 2 * period, told_[3].scheduled);
  }
}

TEST_F(TimerPeriodic, TM5_ANewPeriodBetweenTicksCountsFromTheLastTick) {
  Timer timer = timers_->every(10ms, record());
  clock_.advance(23ms);
  told_.clear();
  timer.set_period(25ms);
  EXPECT_EQ(22ms, timer.remaining());
  clock_.advance(50ms);
  EXPECT_EQ((std::vector<Told>{{45ms, 45ms, 1}, {70ms, 70ms, 1}}), told_);
}

TEST_F(TimerPeriodic, TM5_ANewPeriodBeforeTheFirstTickCountsFromTheStart) {
  Timer timer = timers_->every(10ms, record());
  clock_.advance(2ms);
  timer.set_period(5ms);
  clock_.advance(10ms);
  EXPECT_EQ((std::vector<Told>{{5ms, 5ms, 1}, {10ms, 10ms, 1}}), told_);
}

TEST_F(TimerPeriodic, TM5_AShorterPeriodWhoseInstantHasPassedTicksInTheNextTurn) {
  Timer timer = timers_->every(10ms, record());
  clock_.advance(19ms);
  told_.clear();
  timer.set_period(4ms);
  expect_turn({{14ms, 19ms, 2}});
  clock_.pass(3ms);
  expect_turn({{22ms, 22ms, 1}});
}

TEST_F(TimerPeriodic, TM5_APeriodMakesAOneShotPeriodic) {
  Timer armed = timers_->after(3ms, record());
  armed.set_period(10ms);
  clock_.advance(14ms);
  EXPECT_EQ((std::vector<Told>{{3ms, 3ms, 1}, {13ms, 13ms, 1}}), told_);
  armed.cancel();

  told_.clear();
  Timer unarmed = timers_->make(record());
  unarmed.set_period(10ms);
  clock_.advance(20ms);
  EXPECT_EQ((std::vector<Told>{{24ms, 24ms, 1}, {34ms, 34ms, 1}}), told_);
}

TEST_F(TimerPeriodic, TM5_AOneShotMayMakeItselfPeriodicInItsCall) {
  Timer timer = timers_->after(3ms, [&](const Tick& tick) {
    record()(tick);
    if (told_.size() == 1) timer.set_period(10ms);
  });
  clock_.advance(25ms);
  EXPECT_EQ((std::vector<Told>{{3ms, 3ms, 1}, {13ms, 13ms, 1}, {23ms, 23ms, 1}}), told_);
}

TEST_F(TimerPeriodic, TM5_ASiblingMayChangeThePeriodOfAMemberOfTheBatch) {
  Timer victim;
  const Timer first = timers_->after(10ms, [&] { victim.set_period(25ms); });
  victim = timers_->every(10ms, record());
  clock_.pass(10ms);
  EXPECT_EQ(1U, turn());
  EXPECT_TRUE(told_.empty()) << "its first tick is at 25 ms now";
  clock_.advance(50ms);
  EXPECT_EQ((std::vector<Told>{{25ms, 25ms, 1}, {50ms, 50ms, 1}}), told_);
}

TEST_F(TimerPeriodic, TM5_ManyPeriodicTimersKeepTheirOwnPeriods) {
  std::vector<int> calls(50);
  std::vector<Timer> handles(50);
  for (std::size_t round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < handles.size(); ++i) {
      // Each second one is replaced in each round, so that what it used is used again.
      if (round > 0 && i % 2 == 0) continue;
      handles[i] = timers_->every(Duration(i + 1), [&calls, i] { ++calls[i]; });
    }
  }
  clock_.advance(3'000ns);
  for (std::size_t i = 0; i < handles.size(); ++i) {
    EXPECT_EQ(3'000 / (static_cast<int>(i) + 1), calls[i]) << i;
  }
}

}  // namespace
}  // namespace detent
