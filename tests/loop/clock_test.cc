// SPDX-License-Identifier: BSL-1.0
#include "detent/clock.h"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

#include <limits>

#include "detent/time.h"
#include "support/allocations.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/failing_calls.h"
#include "support/kernel_double.h"
#include "support/machine_clock.h"
#include "support/processes.h"
#include "support/readiness.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;
__extension__ using Wide = __int128;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

TEST(Clock, TM6_AddingAndSubtractingSaturate) {
  const std::uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::int64_t corners[] = {kLeast, kLeast + 1, -1, 0, 1, kMost - 1, kMost};
  const auto any = [&] {
    if (random() % 4 == 0) return corners[random() % std::size(corners)];
    const auto magnitude = static_cast<std::int64_t>(random() >> random() % 64);
    return random() % 2 == 0 ? magnitude : -(magnitude == kLeast ? kMost : magnitude);
  };
  for (int i = 0; i < 200'000; ++i) {
    const std::int64_t a = any();
    const std::int64_t b = any();
    const Wide sum = std::clamp<Wide>(Wide{a} + b, kLeast, kMost);
    const auto expected = static_cast<std::int64_t>(sum);
    ASSERT_EQ(saturating_add(Duration(a), Duration(b)).count(), expected) << a << " + " << b;
    ASSERT_EQ(saturating_add(TimePoint(Duration(a)), Duration(b)).time_since_epoch().count(),
              expected);
    const auto difference = static_cast<std::int64_t>(std::clamp<Wide>(Wide{a} - b, kLeast, kMost));
    ASSERT_EQ(saturating_subtract(Duration(a), Duration(b)).count(), difference) << a << " - " << b;
    ASSERT_EQ(saturating_subtract(TimePoint(Duration(a)), TimePoint(Duration(b))).count(),
              difference);
  }
}

TEST(Clock, TimesOfDifferentClocksDoNotMix) {
  static_assert(!std::is_convertible_v<TimePoint, WallTime>);
  static_assert(!std::is_convertible_v<TimePoint, BootTime>);
  static_assert(!std::is_convertible_v<BootTime, WallTime>);
  static_assert(std::is_same_v<TimePoint::duration, Duration>);
  static_assert(std::is_same_v<WallTime::duration, Duration>);
  static_assert(std::is_same_v<Duration::rep, std::int64_t> ||
                sizeof(Duration::rep) == sizeof(std::int64_t));
}

Duration kernel_time(clockid_t id) {
  timespec t = {};
  ::clock_gettime(id, &t);
  return std::chrono::seconds(t.tv_sec) + Duration(t.tv_nsec);
}

TEST(KernelClock, TellsTheKernelsThreeTimes) {
  Clock& clock = kernel_clock();
  const auto check = [](clockid_t id, auto now) {
    const Duration before = kernel_time(id);
    const Duration told = now().time_since_epoch();
    EXPECT_LE(before, told);
    EXPECT_LE(told, kernel_time(id));
  };
  check(CLOCK_MONOTONIC, [&] { return clock.now(); });
  check(CLOCK_BOOTTIME, [&] { return clock.boot_now(); });
  check(CLOCK_REALTIME, [&] { return clock.wall_now(); });
}

TEST(KernelClock, IsOneForTheWholeProgram) { EXPECT_EQ(&kernel_clock(), &kernel_clock()); }

TEST(KernelClock, HasNoUseForAttachedLoops) {
  int calls = 0;
  const Handle handle = kernel_clock().attach([&] { return static_cast<std::size_t>(++calls); });
  EXPECT_FALSE(handle.active());
  EXPECT_EQ(calls, 0);
}

class AlarmOfEachClock : public testing::TestWithParam<ClockId> {
 protected:
  void SetUp() override {
    const std::error_code failure =
        error_of([&] { alarm_ = kernel_clock().make_alarm(GetParam()); });
    if (failure == std::errc::operation_not_permitted) GTEST_SKIP() << "needs CAP_WAKE_ALARM";
    if (failure == std::errc::not_supported) GTEST_SKIP() << "nothing here wakes a machine";
    ASSERT_FALSE(failure) << failure.message();
  }

  static Duration now() {
    switch (GetParam()) {
      case ClockId::steady:
        return kernel_clock().now().time_since_epoch();
      case ClockId::boot:
      case ClockId::boot_alarm:
        return kernel_clock().boot_now().time_since_epoch();
      case ClockId::wall:
      case ClockId::wall_alarm:
        break;
    }
    return kernel_clock().wall_now().time_since_epoch();
  }

  // Any clock will do: what counts is the time since the epoch.
  void arm(Duration since_epoch) { alarm_->arm(TimePoint(since_epoch)); }
  void arm_in(Duration delay) { arm(now() + delay); }

  std::unique_ptr<Alarm> alarm_;
};

constexpr std::pair<ClockId, const char*> kClocks[] = {{ClockId::steady, "steady"},
                                                       {ClockId::boot, "boot"},
                                                       {ClockId::wall, "wall"},
                                                       {ClockId::boot_alarm, "boot_alarm"},
                                                       {ClockId::wall_alarm, "wall_alarm"}};
INSTANTIATE_TEST_SUITE_P(, AlarmOfEachClock,
                         testing::Values(ClockId::steady, ClockId::boot, ClockId::wall,
                                         ClockId::boot_alarm, ClockId::wall_alarm),
                         [](const auto& param) {
                           return std::string(
                               kClocks[static_cast<std::size_t>(param.param)].second);
                         });

TEST_P(AlarmOfEachClock, TM1_IsReadableAtItsDeadlineAndNotBefore) {
  for (const Duration delay : {Duration(1), Duration(777'777), Duration(3ms)}) {
    const Duration deadline = now() + delay;
    arm(deadline);
    wait_until_readable(alarm_->fd());
    EXPECT_GE(now(), deadline);
  }
}

TEST_P(AlarmOfEachClock, IsNotReadableBeforeItIsArmed) { EXPECT_FALSE(is_readable(alarm_->fd())); }

TEST_P(AlarmOfEachClock, IsReadableAtOnceForADeadlineThatHasPassed) {
  for (const Duration past :
       {now() - 1s, now(), Duration(1), Duration(0), Duration(-1), Duration::min()}) {
    alarm_->disarm();
    arm(past);
    EXPECT_TRUE(is_readable(alarm_->fd())) << past.count();
  }
}

TEST_P(AlarmOfEachClock, TM6_TheLastDeadlineOfAllIsFarAway) {
  arm(Duration::max());
  EXPECT_FALSE(is_readable(alarm_->fd()));
}

TEST_P(AlarmOfEachClock, TM9_StaysReadableUntilArmedOrDisarmed) {
  arm_in(-1s);
  EXPECT_TRUE(is_readable(alarm_->fd()));
  EXPECT_TRUE(is_readable(alarm_->fd()));
  arm_in(1h);
  EXPECT_FALSE(is_readable(alarm_->fd())) << "armed for later";
  arm_in(-1s);
  EXPECT_TRUE(is_readable(alarm_->fd()));
  alarm_->disarm();
  EXPECT_FALSE(is_readable(alarm_->fd())) << "disarmed";
}

TEST_P(AlarmOfEachClock, TM9_ArmingTakesReadinessBackFromEpollToo) {
  const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event = {};
  event.events = EPOLLIN;
  ASSERT_EQ(::epoll_ctl(epoll.fd(), EPOLL_CTL_ADD, alarm_->fd(), &event), 0);
  const auto count = [&] { return ::epoll_wait(epoll.fd(), &event, 1, 0); };
  for (int round = 0; round < 3; ++round) {
    arm_in(-1s);
    EXPECT_EQ(count(), 1);
    EXPECT_EQ(count(), 1) << "it is a level, and nobody reads it";
    arm_in(1h);
    EXPECT_EQ(count(), 0) << "armed for later";
    arm_in(-1s);
    EXPECT_EQ(count(), 1);
    alarm_->disarm();
    EXPECT_EQ(count(), 0) << "disarmed";
  }
}

TEST_P(AlarmOfEachClock, O8_IsOneDescriptorThatIsClosedOnExec) {
  const DescriptorsBefore before;
  const auto another = kernel_clock().make_alarm(GetParam());
  EXPECT_EQ(before.opened_since(), std::set{another->fd()});
  EXPECT_TRUE(is_close_on_exec(another->fd()));
}

TEST_P(AlarmOfEachClock, ArmingAllocatesNothing) {
  EXPECT_EQ(allocations_in([&] {
              for (int i = 0; i < 1000; ++i) arm_in(1h);
              alarm_->disarm();
            }),
            0U);
}

TEST(KernelClock, AnAlarmAtTheDescriptorLimitIsASystemErrorThatNamesTheCall) {
  const std::string message = message_of<std::system_error>([] {
    const NoFreeDescriptor limit;
    std::ignore = kernel_clock().make_alarm(ClockId::steady);
  });
  EXPECT_TRUE(message.starts_with("timerfd_create: ") || message.starts_with("kqueue: "))
      << message;
}

// Where the clock was set since the last settime, the kernel arms the timer and says ECANCELED.
TEST(KernelClock, TM7_ArmingAWallAlarmAfterTheClockWasSetIsNoError) {
  EXPECT_TRUE(holds_in_a_forked_child([] {
    const auto alarm = kernel_clock().make_alarm(ClockId::wall);
    ASSERT_TRUE(let_call_fail(SYS_timerfd_settime, ECANCELED));
    EXPECT_NO_THROW(alarm->arm(kernel_clock().wall_now() + 1h));
  }));
}

TEST(KernelClock, TM7_AWallAlarmWakesWhenTheClockIsSetAndCanBeArmedAgain) {
  DETENT_NEEDS_TO_SET_THE_CLOCK();
  DETENT_NEEDS_THE_REAL_KERNEL();  // where nobody tells, it wakes every ten seconds
  const auto alarm = kernel_clock().make_alarm(ClockId::wall);
  alarm->arm(kernel_clock().wall_now() + 1h);
  EXPECT_FALSE(is_readable(alarm->fd()));
  { const MovedMachineClock moved(1s); }
  wait_until_readable(alarm->fd());

  EXPECT_NO_THROW(alarm->arm(kernel_clock().wall_now() + 1h));
  EXPECT_FALSE(is_readable(alarm->fd()));
  EXPECT_NO_THROW(alarm->arm(kernel_clock().wall_now() + 1ms));
  wait_until_readable(alarm->fd());
}

}  // namespace
}  // namespace detent
