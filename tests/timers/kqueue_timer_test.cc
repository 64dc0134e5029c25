// SPDX-License-Identifier: BSL-1.0
// A kernel whose timers ring up to a tick of 10 ms early, as NetBSD's were seen to do, played by
// the double of kevent(): the clock decides, and the alarm is armed again for what is left.
#include "detent/timer_fd.h"
#include "detent/timer_service.h"
#include "support/kernel_double.h"
#include "support/standard.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;

class EarlyKernelTimer : public testing_support::TimersOnEveryPoller {
 protected:
  EarlyKernelTimer() { kqueue_double::set_timer_earliness(10ms); }
  ~EarlyKernelTimer() override { kqueue_double::set_timer_earliness(0ns); }

  // How often the loop woke up until `count` callbacks had run, for nothing too.
  int wake_ups_until(std::size_t count) {
    int wake_ups = 0;
    const Handle counter = reactor_.after_wait([&] { ++wake_ups; });
    run_callbacks(count);
    return wake_ups;
  }
};

DETENT_ON_EVERY_POLLER(EarlyKernelTimer);

TEST_P(EarlyKernelTimer, TM1_AOneShotIsNotEarlyAndTheLoopSleepsUntilThen) {
  for (const Duration delay :
       {Duration(1), Duration(30us), Duration(15ms), Duration(25'000'001ns)}) {
    Tick told = {};
    const TimePoint start = kernel_clock().now();
    const Timer timer = timers_->after(delay, [&](const Tick& tick) { told = tick; });
    // Each ring comes when half of what was left has passed, at worst: 25 halvings are less than a
    // nanosecond. It would be thousands if nobody armed it again.
    EXPECT_LE(wake_ups_until(1), 30);
    EXPECT_GE(kernel_clock().now() - start, delay);
    EXPECT_GE(told.now, told.scheduled);
    EXPECT_GE(told.scheduled - start, delay);
  }
}

TEST_P(EarlyKernelTimer, TM3_APeriodicTimerKeepsItsGridAndCountsNothingTwice) {
  std::vector<Tick> told;
  const Timer timer = timers_->every(4ms, [&](const Tick& tick) { told.push_back(tick); });
  run_callbacks(5);
  ASSERT_EQ(told.size(), 5U);
  std::uint64_t periods = 1;
  for (const Tick& tick : told) {
    EXPECT_GE(tick.now, tick.scheduled);
    EXPECT_EQ(tick.scheduled - told[0].scheduled, (periods - 1) * 4ms);
    periods += tick.expirations;
  }
}

TEST_P(EarlyKernelTimer, TM10_ATimerFdThatIsReadableTooEarlyHasNothingAndIsReadableLater) {
  TimerFd timer(ClockId::steady, TimerFd::Mode::non_blocking);
  const TimePoint start = kernel_clock().now();
  timer.arm(15ms);
  const Interest readable = {.readable = true};
  std::uint64_t expirations = 0;
  int looks = 0;
  const Watch watch = reactor_.watch(timer, readable, [&](Ready) {
    ++looks;
    expirations += timer.read();
  });
  while (expirations == 0) reactor_.run_once();
  EXPECT_GE(kernel_clock().now() - start, 15ms);
  EXPECT_EQ(expirations, 1U);
  EXPECT_LE(looks, 30);
}

TEST_P(EarlyKernelTimer, TM10_ABlockingReadIsNotEarly) {
  TimerFd timer(ClockId::steady, TimerFd::Mode::blocking);
  const TimePoint start = kernel_clock().now();
  timer.arm(15ms, 5ms);
  std::uint64_t periods = timer.read();
  EXPECT_GE(kernel_clock().now() - start, 15ms);
  periods += timer.read();
  EXPECT_GE(kernel_clock().now() - start, 15ms + (periods - 1) * 5ms);
}

}  // namespace
}  // namespace detent
