// SPDX-License-Identifier: BSL-1.0
// TM8: slack is asked for, timer by timer; a tick comes within it, and wake-ups are shared.
#include "detent/timer_service.h"
#include "support/standard.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;

// What one call was told, in time since the test began.
struct Told {
  Duration scheduled;
  Duration now;
  std::uint64_t expirations;
  friend bool operator==(const Told&, const Told&) = default;
};
void PrintTo(const Told& told, std::ostream* out) {
  *out << told.scheduled / 1us << " us, called at " << told.now / 1us << " us, " << told.expirations
       << " times";
}

class TimerSlack : public testing_support::SimulatedTimers {
 protected:
  auto record() {
    return [this](const Tick& tick) {
      told_.push_back({tick.scheduled - start_, tick.now - start_, tick.expirations});
    };
  }
  // How often the service was woken while so much time passed.
  int wakeups_in(Duration d) {
    const int before = alarms_.alarm_calls();
    clock_.advance(d);
    return alarms_.alarm_calls() - before;
  }

  const TimePoint start_ = clock_.now();
  std::vector<Told> told_;
};

TEST_F(TimerSlack, TM8_WithoutSlackEveryTickIsExact) {
  const Timer with = timers_->every({.period = 10ms, .first = 9ms, .slack = 5ms}, [] {});
  const Timer exact = timers_->every(10ms, record());
  clock_.advance(30ms);
  EXPECT_EQ((std::vector<Told>{{10ms, 10ms, 1}, {20ms, 20ms, 1}, {30ms, 30ms, 1}}), told_);
}

TEST_F(TimerSlack, TM8_AloneATickComesAtTheEndOfItsSlackAndTheGridStays) {
  const Timer timer = timers_->every({.period = 10ms, .slack = 3ms}, record());
  clock_.advance(13ms - 1ns);
  EXPECT_TRUE(told_.empty());
  clock_.advance(1ns);
  clock_.advance(20ms);
  EXPECT_EQ((std::vector<Told>{{10ms, 13ms, 1}, {20ms, 23ms, 1}, {30ms, 33ms, 1}}), told_);
}

TEST_F(TimerSlack, TM8_ATickSharesTheWakeUpOfAnExactTimerWithinItsSlack) {
  const Timer timer = timers_->every({.period = 10ms, .slack = 3ms}, record());
  const Timer exact = timers_->every(11ms, [] {});
  EXPECT_EQ(1, wakeups_in(11ms));
  EXPECT_EQ((std::vector<Told>{{10ms, 11ms, 1}}), told_);
}

TEST_F(TimerSlack, TM8_ATickIsNotEarlyForTheSakeOfSharing) {
  const Timer timer = timers_->every({.period = 10ms, .slack = 3ms}, record());
  const Timer exact = timers_->after(10ms - 1ns, [] {});
  clock_.advance(10ms);
  EXPECT_TRUE(told_.empty());
  clock_.advance(3ms);
  EXPECT_EQ((std::vector<Told>{{10ms, 13ms, 1}}), told_);
}

TEST_F(TimerSlack, TM8_AHundredTimersThatAreCloseShareOneWakeUpAPeriod) {
  const auto wakeups_with = [this](Duration slack) {
    make();
    std::vector<Timer> timers;
    for (int i = 0; i < 100; ++i) {
      timers.push_back(
          timers_->every({.period = 1s, .first = 1s + i * 1ms, .slack = slack}, [] {}));
    }
    return wakeups_in(1500ms);
  };
  EXPECT_EQ(100, wakeups_with(0ns));
  EXPECT_EQ(10, wakeups_with(9ms));
  EXPECT_EQ(1, wakeups_with(100ms));
}

TEST_F(TimerSlack, TM8_OneThatHasToWaitForAnotherSharesThatOnesWakeUp) {
  // At 10 ms the second is the earliest, by the end of its slack, and has not begun.
  const Timer ringing = timers_->after(10ms, [] {});
  const Timer exact = timers_->after(12ms, [] {});
  const Timer timer = timers_->every({.period = 9ms, .slack = 4ms}, record());
  EXPECT_EQ(2, wakeups_in(12ms));
  EXPECT_EQ((std::vector<Told>{{9ms, 12ms, 1}}), told_);
}

TEST_F(TimerSlack, TM8_RandomTimersAreCalledWithinTheirSlackAndWakeTheLoopNoOftenerThanWithout) {
  std::mt19937_64 random(clock_.seed());
  const auto pick = [&random](std::uint64_t most) {
    return Duration(1ms) * static_cast<std::int64_t>(random() % most);
  };
  int wakeups[2] = {};
  for (const bool with_slack : {false, true}) {
    make();
    random.seed(clock_.seed());
    const TimePoint start = clock_.now();
    std::vector<Timer> timers;
    std::vector<std::int64_t> ticks(50);
    for (std::size_t i = 0; i < ticks.size(); ++i) {
      const Duration period = 20ms + pick(200);
      const Duration first = pick(300);
      const Duration drawn = pick(40);  // in both passes, so that they have the same timers
      const Duration slack = with_slack ? drawn : 0ns;
      timers.push_back(
          timers_->every({.period = period, .first = first, .missed = Missed::each, .slack = slack},
                         [&ticks, i, start, first, period, slack](const Tick& tick) {
                           EXPECT_EQ(start + first + ticks[i]++ * period, tick.scheduled);
                           EXPECT_LE(tick.scheduled, tick.now);
                           EXPECT_LE(tick.now, tick.scheduled + slack);
                         }));
    }
    wakeups[with_slack ? 1 : 0] = wakeups_in(10s);
  }
  EXPECT_LT(wakeups[1], wakeups[0] / 2);
}

TEST_F(TimerSlack, TM8_SlackBeyondThePeriodJoinsTicks) {
  const Timer timer = timers_->every({.period = 10ms, .slack = 25ms}, record());
  clock_.advance(75ms);
  EXPECT_EQ((std::vector<Told>{{10ms, 35ms, 3}, {40ms, 65ms, 3}}), told_);
}

TEST_F(TimerSlack, TM8_RearmingKeepsTheSlack) {
  Timer timer = timers_->every({.period = 10ms, .slack = 3ms}, record());
  timer.rearm(5ms);
  EXPECT_EQ(5ms, timer.remaining());
  clock_.advance(8ms);
  timer.rearm_at(start_ + 50ms);
  clock_.advance(45ms);
  EXPECT_EQ((std::vector<Told>{{5ms, 8ms, 1}, {50ms, 53ms, 1}}), told_);
  timer.rearm_at(TimePoint::min());
  EXPECT_EQ(1U, told_.size() - 1);
  turn();
  ASSERT_EQ(3U, told_.size()) << "its slack has passed as well";
}

TEST_F(TimerSlack, TM8_ANewPeriodKeepsTheSlack) {
  Timer timer = timers_->every({.period = 10ms, .slack = 3ms}, record());
  timer.set_period(20ms);
  clock_.advance(23ms);
  timer.disarm();
  timer.set_period(5ms);
  EXPECT_EQ(5ms, timer.remaining());
  clock_.advance(8ms);
  EXPECT_EQ((std::vector<Told>{{20ms, 23ms, 1}, {28ms, 31ms, 1}}), told_);
}

TEST_F(TimerSlack, TM8_ATimerArmedInThisTurnWaitsForTheNextWhateverItsSlack) {
  std::vector<Timer> timers;
  const Timer exact = timers_->after(10ms, [] {});
  reactor_->post([&] {
    timers.push_back(timers_->every({.period = 1s, .first = 0ns, .slack = 5ms}, record()));
  });
  clock_.pass(10ms);
  EXPECT_EQ(2U, turn());
  EXPECT_TRUE(told_.empty());
  clock_.advance(5ms);
  EXPECT_EQ(1U, told_.size());
}

TEST_F(TimerSlack, TM8_TheBudgetHoldsForWhatSharesAWakeUp) {
  make({.timers_per_turn = 3});
  std::vector<Timer> timers;
  for (int i = 0; i < 10; ++i) {
    timers.push_back(timers_->every({.period = 1s, .slack = 5ms}, record()));
  }
  const Timer exact = timers_->after(1s, [] {});
  clock_.pass(1s);
  EXPECT_EQ(3U, turn());
  EXPECT_EQ(0U, turn()) << "the others need not come yet";
  clock_.advance(5ms);
  EXPECT_EQ(10U, told_.size());
}

TEST_F(TimerSlack, TM8_CancellingWhatSharesAWakeUpIsHonoured) {
  Timer victim;
  const Timer exact = timers_->after(10ms, [&] { victim.cancel(); });
  victim = timers_->every({.period = 10ms, .slack = 5ms}, record());
  clock_.advance(1s);
  EXPECT_TRUE(told_.empty());
}

TEST_F(TimerSlack, TM8_NegativeSlackIsRefused) {
  EXPECT_THROW(static_cast<void>(timers_->every({.period = 1s, .slack = -1ns}, [] {})),
               std::invalid_argument);
}

TEST_F(TimerSlack, TM8_TM6_EndlessSlackSaturates) {
  const Timer timer = timers_->every({.period = 1s, .slack = Duration::max()}, record());
  clock_.advance(365 * 24h);
  EXPECT_TRUE(told_.empty()) << "nobody else woke the service";
  const Timer exact = timers_->after(1s, [] {});
  EXPECT_TRUE(timer.active());
}

TEST_F(TimerSlack, TM8_TM7_AWallTimerWithSlackIsNotEarlyAfterTheClockWasSetBack) {
  WallTimerService wall(*reactor_);
  const WallTime start = clock_.wall_now();
  std::vector<WallTick> ticks;
  const WallTimer thrower = wall.after(61s, [] { throw std::runtime_error("thrown"); });
  const WallTimer timer = wall.every({.period = 1min, .slack = 2s},
                                     [&](const WallTick& tick) { ticks.push_back(tick); });
  clock_.pass(61s);
  EXPECT_THROW(turn(), std::runtime_error);
  clock_.set_wall(start);
  clock_.advance(62s - 1ns);
  EXPECT_TRUE(ticks.empty());
  clock_.advance(1ns);
  ASSERT_EQ(1U, ticks.size());
  EXPECT_EQ(start + 1min, ticks[0].scheduled);
  EXPECT_EQ(start + 62s, ticks[0].now);
}

// ---- slack that ends later than the clock can count, on each clock

template <class Service>
class TimerEndlessSlack : public testing_support::SimulatedTimers {
 protected:
  using Time = typename Service::Time;
  auto record() {
    return [this](const typename Service::TickType& tick) {
      told_.push_back({tick.scheduled - start_, tick.now - start_, tick.expirations});
    };
  }

  Service service_{*reactor_};
  const Time start_ = service_.clock_now();
  const Duration most_ = Time::max() - start_;  // as far as the clock can count
  std::vector<Told> told_;
};
using EachService = testing::Types<TimerService, BootTimerService, WallTimerService>;
TYPED_TEST_SUITE(TimerEndlessSlack, EachService);

constexpr Duration kEndless[] = {Duration::max(), Duration::max() - 1ns, Duration::max() / 2 * 2};

TYPED_TEST(TimerEndlessSlack, TM8_TicksShareTheWakeUpsOfOthersAndNoneIsEarly) {
  const auto pulse = this->service_.every(7min, [] {});
  for (const Duration slack : kEndless) {
    this->told_.clear();
    const Duration begin = this->service_.clock_now() - this->start_;
    const auto timer = this->service_.every({.period = 70min, .slack = slack}, this->record());
    this->clock_.advance(70min - 1ns);
    EXPECT_TRUE(this->told_.empty()) << slack.count();
    this->clock_.advance(140min + 1ns);
    EXPECT_EQ((std::vector<Told>{{begin + 70min, begin + 70min, 1},
                                 {begin + 140min, begin + 140min, 1},
                                 {begin + 210min, begin + 210min, 1}}),
              this->told_)
        << slack.count();
  }
}

TYPED_TEST(TimerEndlessSlack, TM8_TheLongestFirstDelayIsNotCutByTheSlack) {
  const auto waker = this->service_.after(200 * 365 * 24h, [] {});
  const auto timer = this->service_.every(
      {.period = 1h, .first = Duration::max(), .slack = Duration::max()}, this->record());
  EXPECT_EQ(this->most_, timer.remaining());
  this->clock_.advance(200 * 365 * 24h);
  EXPECT_TRUE(this->told_.empty());
  EXPECT_EQ(this->most_ - 200 * 365 * 24h, timer.remaining());
}

TYPED_TEST(TimerEndlessSlack, TM8_RemainingIsTheTimeToTheTickHoweverItWasArmed) {
  auto timer = this->service_.every({.period = 1h, .first = 2h, .slack = Duration::max()}, [] {});
  EXPECT_EQ(2h, timer.remaining());
  timer.rearm(3h);
  EXPECT_EQ(3h, timer.remaining());
  timer.rearm_at(this->start_ + 4h);
  EXPECT_EQ(4h, timer.remaining());
  timer.set_period(30min);
  EXPECT_EQ(4h - 30min, timer.remaining());
  timer.rearm(Duration::max());
  EXPECT_EQ(this->most_, timer.remaining());
  timer.disarm();
  timer.set_period(5h);
  EXPECT_EQ(5h, timer.remaining());
}

TYPED_TEST(TimerEndlessSlack, TM8_ATickThatWasArmedAnewIsNotEarly) {
  const auto pulse = this->service_.every(1h, [] {});
  auto timer = this->service_.every({.period = 1h, .slack = Duration::max()}, this->record());
  timer.rearm(2h);
  this->clock_.advance(2h - 1ns);
  EXPECT_TRUE(this->told_.empty());
  timer.set_period(3h);  // 2 h were one hour after the grid's start
  this->clock_.advance(2h);
  EXPECT_TRUE(this->told_.empty());
  this->clock_.advance(1ns);
  EXPECT_EQ((std::vector<Told>{{4h, 4h, 1}}), this->told_);
}

TYPED_TEST(TimerEndlessSlack, TM3_TM6_APeriodThatEndsBeyondTheClockKeepsItsGrid) {
  auto timer = this->service_.every({.period = 1h, .slack = 1min}, this->record());
  this->clock_.advance(1h + 1min);
  for (const Duration longest : {Duration::max(), Duration::max() - 1h}) {
    timer.set_period(longest);
    EXPECT_EQ(this->most_ - 1h - 1min, timer.remaining());
    timer.set_period(1h);
    EXPECT_EQ(1h - 1min, timer.remaining()) << "an hour after the last tick";
  }
  auto endless = this->service_.every(Duration::max(), this->record());
  endless.set_period(2h);
  EXPECT_EQ(2h, endless.remaining()) << "two hours after the grid's start";
  endless.set_period(Duration::max());
  endless.rearm(5h);
  endless.set_period(1h);
  EXPECT_LE(endless.remaining(), 5h) << "an hour after a point of the new grid";
  auto once = this->service_.make([] {});
  once.set_period(Duration::max());
  once.set_period(3h);
  EXPECT_EQ(3h, once.remaining());
}

// ---- on every poller

class TimerSlackOnEveryPoller : public testing_support::TimersOnEveryPoller {};
DETENT_ON_EVERY_POLLER(TimerSlackOnEveryPoller);

TEST_P(TimerSlackOnEveryPoller, TM8_TicksAreNotEarlyAndShareWakeUps) {
  constexpr int kTimers = 20;
  int calls = 0;
  std::vector<Timer> handles;
  const int before = clock_.alarm_calls();
  for (int i = 0; i < kTimers; ++i) {
    handles.push_back(timers_->every({.period = 1h, .first = 20ms + i * 100us, .slack = 50ms},
                                     [&](const Tick& tick) {
                                       ++calls;
                                       EXPECT_GE(kernel_clock().now(), tick.scheduled);
                                     }));
  }
  while (calls < kTimers) static_cast<void>(reactor_.run_once());
  // Armed for the first of them and after it; once more for each time that a kernel woke early.
  EXPECT_LT(clock_.alarm_calls() - before, kTimers / 2);
}

}  // namespace
}  // namespace detent
