// SPDX-License-Identifier: BSL-1.0
#include "wall_offset.h"

#include "detent/simulation.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;

// Answers each reading of a clock with the next of a list, and from then on with its last.
class ScriptedClock final : public Clock {
 public:
  ScriptedClock(std::vector<Duration> steady, std::vector<Duration> wall, Duration drift = {})
      : steady_(std::move(steady)), wall_(std::move(wall)), drift_(drift) {}

  [[nodiscard]] TimePoint now() const noexcept override {
    return TimePoint(next(steady_, next_steady_));
  }
  [[nodiscard]] BootTime boot_now() const noexcept override { return {}; }
  [[nodiscard]] WallTime wall_now() const noexcept override {
    return WallTime(next(wall_, next_wall_));
  }
  [[nodiscard]] Duration wall_drift(Duration passed) const noexcept override {
    return drift_ + passed / 200;
  }
  [[nodiscard]] std::unique_ptr<Alarm> make_alarm(ClockId id) override {
    return kernel_clock().make_alarm(id);
  }

  [[nodiscard]] std::size_t readings() const { return next_wall_; }

 private:
  static Duration next(const std::vector<Duration>& list, std::size_t& place) {
    return list[std::min(place++, list.size() - 1)];
  }

  std::vector<Duration> steady_;
  std::vector<Duration> wall_;
  Duration drift_;
  mutable std::size_t next_steady_ = 0;
  mutable std::size_t next_wall_ = 0;
};

TEST(WallOffset, TM7_IsWallTimeMinusSteadyTime) {
  Simulation clock;
  const WallOffset offset(clock);
  EXPECT_EQ(clock.wall_now().time_since_epoch() - clock.now().time_since_epoch(), offset.value());
}

TEST(WallOffset, TM7_TellsAChangeOnceAndToTheNanosecond) {
  Simulation clock;
  WallOffset offset(clock);
  EXPECT_FALSE(offset.measure());
  clock.pass(1h);
  EXPECT_FALSE(offset.measure()) << "time that passes is no change";
  const Duration before = offset.value();
  for (const Duration jump : {Duration(1ns), Duration(-1ns), Duration(24h), Duration(-24h)}) {
    const Duration old = offset.value();
    clock.set_wall(clock.wall_now() + jump);
    const std::optional<ClockChange> change = offset.measure();
    ASSERT_TRUE(change);
    EXPECT_EQ(old, change->old_offset);
    EXPECT_EQ(old + jump, change->new_offset);
    EXPECT_FALSE(offset.measure());
  }
  EXPECT_EQ(before, offset.value());
}

TEST(WallOffset, TM7_ASuspendIsAChange) {
  Simulation clock;
  WallOffset offset(clock);
  clock.suspend(8h);
  const std::optional<ClockChange> change = offset.measure();
  ASSERT_TRUE(change);
  EXPECT_EQ(8h, change->new_offset - change->old_offset);
}

TEST(WallOffset, TM6_AJumpFromOneEndOfTimeToTheOtherIsAChangeAndOverflowsNothing) {
  Simulation clock;
  WallOffset offset(clock);
  for (const WallTime t : {WallTime::min(), WallTime::max(), WallTime::min(), WallTime()}) {
    const Duration old = offset.value();
    clock.set_wall(t);
    const std::optional<ClockChange> change = offset.measure();
    ASSERT_TRUE(change);
    EXPECT_EQ(old, change->old_offset);
    EXPECT_EQ(saturating_subtract(t.time_since_epoch(), clock.now().time_since_epoch()),
              change->new_offset);
    EXPECT_FALSE(offset.measure());
  }
}

// One reading takes two of the steady clock with one of the wall clock between.
TEST(WallOffset, TM7_AThreadThatIsHeldUpBetweenTwoReadingsTriesAgain) {
  const ScriptedClock clock({0s, 0s, 0s, 1s, 1s, 1s}, {100s, 101s, 101s});
  WallOffset offset(clock);
  EXPECT_FALSE(offset.measure());
  EXPECT_EQ(3U, clock.readings()) << "one, then another after the one that took a second";
  EXPECT_EQ(100s, offset.value());
}

TEST(WallOffset, TM7_WhatTheReadingLeavesInDoubtIsNoChange) {
  // Held up by two seconds each time: the offset is known to a second.
  const ScriptedClock clock({0s, 0s, 10s, 12s, 20s, 22s, 30s, 32s, 40s, 42s},
                            {100s, 110s, 120s, 130s, 140s});
  WallOffset offset(clock);
  EXPECT_FALSE(offset.measure());
}

TEST(WallOffset, TM7_WhatTheClocksMayComeApartByThemselvesIsNoChange) {
  const ScriptedClock slow({0s, 0s, 1'000s}, {100s, 1'105s}, 100ms);
  WallOffset offset(slow);
  EXPECT_FALSE(offset.measure());
  EXPECT_EQ(105s, offset.value()) << "where the next measurement starts from";
  const ScriptedClock set({0s, 0s, 1'000s}, {100s, 1'106s}, 100ms);
  WallOffset other(set);
  EXPECT_TRUE(other.measure());
}

TEST(WallOffset, TM7_TheKernelsClocksDoNotChangeWhileNobodySetsThem) {
  WallOffset offset(kernel_clock());
  for (int i = 0; i < 10'000; ++i) ASSERT_FALSE(offset.measure());
}

}  // namespace
}  // namespace detent
