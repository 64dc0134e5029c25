// SPDX-License-Identifier: BSL-1.0
// What the documentation of Python's select module says of kqueue's timer filter (K13), on each
// poller: detent's timers are the same everywhere.
#include <gtest/gtest.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <vector>

#include "detent/timer_service.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using testing_support::be_busy_until;

class TimerFilter : public testing_support::TimersOnEveryPoller {};

DETENT_ON_EVERY_POLLER(TimerFilter);

template <class Time>
concept Delays = requires(TimerService& timers, Time time) {
  timers.after(time, [] {});
};
template <class Time>
concept Repeats = requires(TimerService& timers, Time time) {
  timers.every(time, [] {});
};
static_assert(!Delays<int> && !Delays<double> && !Repeats<int> && !Repeats<double>,
              "no unit is the default");
static_assert(Delays<std::chrono::microseconds> && Repeats<std::chrono::seconds>);

TEST_P(TimerFilter, K13_APeriodicTimerGoesOnAndAOneShotDoesNot) {
  int shots = 0;
  int ticks = 0;
  const Timer shot = timers_->after(1ms, [&] { ++shots; });
  const Timer tick = timers_->every(2ms, [&] {
    if (++ticks == 4) reactor_.stop();
  });
  reactor_.run();
  EXPECT_EQ(ticks, 4);
  EXPECT_EQ(shots, 1);
}

TEST_P(TimerFilter, K13_ATickCountsThePeriodsThatHavePassed) {
  std::vector<Tick> told;
  const Timer timer = timers_->every(2ms, [&](const Tick& tick) { told.push_back(tick); });
  be_busy_until(reactor_.now() + 11ms);
  run_callbacks(1);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_GE(told[0].expirations, 5U);
  EXPECT_EQ(told[0].expirations,
            static_cast<std::uint64_t>((told[0].now - told[0].scheduled) / 2ms) + 1);
}

TEST_P(TimerFilter, K13_AnAbsoluteTimeThatHasPassedIsDueAtOnce) {
  int calls = 0;
  const Timer past = timers_->at(kernel_clock().now() - 1h, [&] { ++calls; });
  const Timer origin = timers_->at(TimePoint(), [&] { ++calls; });
  run_callbacks(2);
  EXPECT_EQ(calls, 2);
}

TEST_P(TimerFilter, K13_ADelayIsInNanosecondsWhateverTheKernelCountsIn) {
  const TimePoint start = kernel_clock().now();
  Tick told = {};
  const Timer timer = timers_->after(1'500'001ns, [&](const Tick& tick) { told = tick; });
  run_callbacks(1);
  EXPECT_GE(told.now - start, 1'500'001ns);
  EXPECT_GE(told.scheduled - start, 1'500'001ns);
}

}  // namespace
}  // namespace detent
