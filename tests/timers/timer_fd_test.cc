// SPDX-License-Identifier: BSL-1.0
#include "detent/timer_fd.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

#include "detent/poller.h"
#include "detent/reactor.h"
#include "support/conformance.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/kernel_double.h"
#include "support/kernel_view.h"
#include "support/machine_clock.h"
#include "support/processes.h"
#include "support/reactor_fixtures.h"
#include "support/readiness.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;
using Mode = TimerFd::Mode;
using OnClockSet = TimerFd::OnClockSet;

constexpr ClockId kClocks[] = {ClockId::steady, ClockId::boot, ClockId::wall, ClockId::boot_alarm,
                               ClockId::wall_alarm};
constexpr const char* kClockNames[] = {"steady", "boot", "wall", "boot_alarm", "wall_alarm"};

bool is_alarm_clock(ClockId id) { return id == ClockId::boot_alarm || id == ClockId::wall_alarm; }

// ---- each clock

class TimerFdOnEveryClock : public testing::TestWithParam<ClockId> {
 protected:
  // The alarm clocks take a privilege, which the machine may withhold.
  static bool is_granted() {
    if (!is_alarm_clock(GetParam())) return true;
    const std::error_code error = error_of([] { TimerFd timer(GetParam()); });
    EXPECT_TRUE(!error || error == std::errc::operation_not_permitted ||
                error == std::errc::not_supported)
        << error;
    return !error;
  }

  static Duration now() {
    static const std::map<ClockId, clockid_t> kNative = {{ClockId::steady, CLOCK_MONOTONIC},
                                                         {ClockId::boot, CLOCK_BOOTTIME},
                                                         {ClockId::wall, CLOCK_REALTIME},
                                                         {ClockId::boot_alarm, CLOCK_BOOTTIME},
                                                         {ClockId::wall_alarm, CLOCK_REALTIME}};
    timespec t = {};
    ::clock_gettime(kNative.at(GetParam()), &t);
    return std::chrono::seconds(t.tv_sec) + Duration(t.tv_nsec);
  }
  static std::chrono::time_point<std::chrono::system_clock, Duration> instant(
      Duration since_epoch) {
    return WallTime(since_epoch);
  }
};
INSTANTIATE_TEST_SUITE_P(Clock, TimerFdOnEveryClock, testing::ValuesIn(kClocks),
                         [](const auto& param) {
                           return std::string(kClockNames[static_cast<std::size_t>(param.param)]);
                         });

TEST_P(TimerFdOnEveryClock, TM10_GoesByTheKernelsClockOfThatName) {
  DETENT_NEEDS_THE_REAL_KERNEL();  // timerfd's own ways
  if (!is_granted()) GTEST_SKIP() << "needs CAP_WAKE_ALARM, or a kernel with such a clock";
  // The numbers are the kernel's (clock_gettime(2)): 1 monotonic, 7 boot, 0 real, 9, 8 their
  // alarms.
  const std::map<ClockId, int> expected = {{ClockId::steady, CLOCK_MONOTONIC},
                                           {ClockId::boot, CLOCK_BOOTTIME},
                                           {ClockId::wall, CLOCK_REALTIME},
                                           {ClockId::boot_alarm, CLOCK_BOOTTIME_ALARM},
                                           {ClockId::wall_alarm, CLOCK_REALTIME_ALARM}};
  const TimerFd timer(GetParam());
  const std::string line = "clockid: " + std::to_string(expected.at(GetParam())) + "\n";
  EXPECT_NE(std::string::npos, descriptor_info(timer.fd()).find(line))
      << descriptor_info(timer.fd());
  EXPECT_TRUE(is_close_on_exec(timer.fd()));
}

TEST_P(TimerFdOnEveryClock, TM10_ARelativeTimerIsNotEarly) {
  if (!is_granted()) GTEST_SKIP() << "needs CAP_WAKE_ALARM, or a kernel with such a clock";
  TimerFd timer(GetParam());
  const TimePoint before = kernel_clock().now();
  timer.arm(5ms, 2ms);
  std::uint64_t count = 0;
  for (int reads = 0; reads < 3; ++reads) {
    count += timer.read();
    EXPECT_GE(kernel_clock().now() - before, 5ms + static_cast<std::int64_t>(count - 1) * 2ms);
  }
}

TEST_P(TimerFdOnEveryClock, TM10_AnAbsoluteTimerIsNotEarly) {
  if (!is_granted()) GTEST_SKIP() << "needs CAP_WAKE_ALARM, or a kernel with such a clock";
  TimerFd timer(GetParam());
  const Duration deadline = now() + 5ms;
  timer.arm_at(instant(deadline));
  EXPECT_EQ(1U, timer.read());
  EXPECT_GE(now(), deadline);
  EXPECT_EQ(0ns, timer.remaining());
}

TEST_P(TimerFdOnEveryClock, TM10_AnAbsoluteTimerWithAnIntervalTicksOn) {
  if (!is_granted()) GTEST_SKIP() << "needs CAP_WAKE_ALARM, or a kernel with such a clock";
  TimerFd timer(GetParam());
  const Duration first = now() + 2ms;
  timer.arm_at(instant(first), 1ms);
  std::uint64_t count = 0;
  while (count < 5) count += timer.read();
  EXPECT_GE(now(), first + 4ms);
}

TEST_P(TimerFdOnEveryClock, TM10_AnInstantInThePastExpiresAtOnce) {
  if (!is_granted()) GTEST_SKIP() << "needs CAP_WAKE_ALARM, or a kernel with such a clock";
  TimerFd timer(GetParam());
  for (const Duration past : {now() - 1s, Duration(1), Duration::zero(), Duration::min()}) {
    timer.arm_at(instant(past));
    EXPECT_EQ(1U, timer.read());
  }
}

// Drops the capability in a child, so that the answer does not depend on who runs the tests.
TEST_P(TimerFdOnEveryClock, TM10_AnAlarmClockWithoutItsCapabilityIsAPermissionError) {
  DETENT_NEEDS_THE_REAL_KERNEL();  // timerfd's own ways
  EXPECT_TRUE(holds_in_a_forked_child([] {
    __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> data = {};
    ASSERT_EQ(0, ::syscall(SYS_capget, &header, data.data()));
    constexpr unsigned kMask = 1U << (CAP_WAKE_ALARM - 32);
    data[1].effective &= ~kMask;
    ASSERT_EQ(0, ::syscall(SYS_capset, &header, data.data()));
    const std::error_code error = error_of([] { TimerFd timer(GetParam()); });
    if (is_alarm_clock(GetParam())) {
      EXPECT_EQ(std::errc::operation_not_permitted, error);
      const std::string message = message_of<std::system_error>([] { TimerFd timer(GetParam()); });
      EXPECT_NE(std::string::npos, message.find("timerfd_create")) << message;
    } else {
      EXPECT_FALSE(error) << error;
    }
  }));
}

// ---- what a read does

TEST(TimerFd, TM10_ABlockingReadWaitsForTheNextExpiry) {
  TimerFd timer;
  const TimePoint before = kernel_clock().now();
  timer.arm(20ms);
  EXPECT_EQ(1U, timer.read());
  EXPECT_GE(kernel_clock().now() - before, 20ms);
}

TEST(TimerFd, TM10_ANonBlockingReadWithNothingDueReturnsZero) {
  TimerFd timer(ClockId::steady, Mode::non_blocking);
  EXPECT_EQ(0U, timer.read()) << "disarmed";
  timer.arm(1h);
  EXPECT_EQ(0U, timer.read()) << "not due";
  timer.arm(1ms);
  wait_until_readable(timer.fd());
  EXPECT_EQ(1U, timer.read());
  EXPECT_EQ(0U, timer.read()) << "once";
}

TEST(TimerFd, TM10_BlockingAndSteadyAreTheDefaultAndModeIsTheDescriptors) {
  DETENT_NEEDS_THE_REAL_KERNEL();  // timerfd's own ways
  const auto blocks = [](const TimerFd& timer) {
    return (::fcntl(timer.fd(), F_GETFL) & O_NONBLOCK) == 0;
  };
  EXPECT_TRUE(blocks(TimerFd()));
  EXPECT_NE(std::string::npos, descriptor_info(TimerFd().fd()).find("clockid: 1\n"));
  EXPECT_TRUE(blocks(TimerFd(ClockId::wall)));
  EXPECT_FALSE(blocks(TimerFd(ClockId::wall, Mode::non_blocking)));
}

TEST(TimerFd, TM10_AReadReturnsAllExpirationsSinceTheLast) {
  TimerFd timer(ClockId::steady, Mode::non_blocking);
  const TimePoint first = kernel_clock().now() + 1ms;
  timer.arm_at(first, 1ms);
  std::uint64_t total = 0;
  while (kernel_clock().now() < first + 19ms) {
  }
  const TimePoint before = kernel_clock().now();
  total += timer.read();
  const TimePoint after = kernel_clock().now();
  EXPECT_GE(total, static_cast<std::uint64_t>((before - first) / 1ms) + 1);
  EXPECT_LE(total, static_cast<std::uint64_t>((after - first) / 1ms) + 1);
}

TEST(TimerFd, TM10_ArmingAnewTakesBackAnExpiryThatWasNotRead) {
  TimerFd timer(ClockId::steady, Mode::non_blocking);
  timer.arm(0ns);
  wait_until_readable(timer.fd());
  timer.arm(1h);
  EXPECT_FALSE(is_readable(timer.fd()));
  EXPECT_EQ(0U, timer.read());
  timer.arm(0ns);
  wait_until_readable(timer.fd());
  timer.disarm();
  EXPECT_FALSE(is_readable(timer.fd()));
  EXPECT_EQ(0U, timer.read());
}

TEST(TimerFd, TM10_ZeroAndNegativeInitialTimesExpireAtOnce) {
  for (const Duration initial : {0ns, -1ns, Duration::min()}) {
    TimerFd timer;
    timer.arm(initial);
    EXPECT_EQ(1U, timer.read());
  }
  TimerFd timer;
  timer.arm(0ns, 1ms);
  std::uint64_t count = 0;
  while (count < 3) count += timer.read();
}

TEST(TimerFd, TM10_ANegativeIntervalIsRefusedAndChangesNothing) {
  TimerFd timer;
  timer.arm(1h, 1s);
  EXPECT_THROW(timer.arm(1ms, -1ns), std::invalid_argument);
  EXPECT_THROW(timer.arm_at(kernel_clock().now(), -1ns), std::invalid_argument);
  EXPECT_EQ(1s, timer.setting().interval);
  EXPECT_GT(timer.remaining(), 30min);
}

void ignore_signal(int) {}

TEST(TimerFd, TM10_ASignalDoesNotEndABlockingRead) {
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = ignore_signal;  // without SA_RESTART: the kernel interrupts the read
  ASSERT_EQ(0, ::sigaction(SIGUSR1, &action, &before));
  TimerFd timer;
  timer.arm(1h);
  std::atomic<pid_t> reader_number = 0;
  std::uint64_t count = 0;
  std::thread reader([&] {
    reader_number = this_thread_number();
    count = timer.read();
  });
  while (reader_number == 0) std::this_thread::yield();
  for (int i = 0; i < 5; ++i) {
    wait_until_asleep(reader_number);
    ::pthread_kill(reader.native_handle(), SIGUSR1);
  }
  wait_until_asleep(reader_number);
  timer.arm(0ns);
  reader.join();
  EXPECT_EQ(1U, count);
  ::sigaction(SIGUSR1, &before, nullptr);
}

// ---- settings

TEST(TimerFd, TM10_ArmReturnsThePreviousSetting) {
  TimerFd timer;
  TimerFd::Setting before = timer.arm(1h, 3s);
  EXPECT_EQ(0ns, before.initial);
  EXPECT_EQ(0ns, before.interval);
  before = timer.arm(2h, 5s);
  EXPECT_LE(before.initial, 1h);
  EXPECT_GT(before.initial, 30min);
  EXPECT_EQ(3s, before.interval);
  before = timer.disarm();
  EXPECT_LE(before.initial, 2h);
  EXPECT_GT(before.initial, 90min);
  EXPECT_EQ(5s, before.interval);
  before = timer.disarm();
  EXPECT_EQ(0ns, before.initial);
  EXPECT_EQ(0ns, before.interval);
}

TEST(TimerFd, TM10_RemainingIsRelativeHoweverItWasArmedAndDecreases) {
  TimerFd timer;
  timer.arm_at(kernel_clock().now() + 1h);
  const Duration first = timer.remaining();
  EXPECT_LE(first, 1h);
  EXPECT_GT(first, 30min);
  while (timer.remaining() == first) {
  }
  EXPECT_LT(timer.remaining(), first);
}

TEST(TimerFd, TM10_IntervalsSurviveARoundTripToTheNanosecond) {
  TimerFd timer;
  for (const Duration interval :
       {1ns, 999'999'999ns, 1'000'000'000ns, 1'000'000'001ns, Duration((1LL << 53) + 1)}) {
    timer.arm(1h, interval);
    EXPECT_EQ(interval, timer.setting().interval);
  }
}

TEST(TimerFd, TM6_VeryLongTimesAreTakenAndDoNotExpire) {
  TimerFd timer(ClockId::steady, Mode::non_blocking);
  for (const Duration length : {25 * 24h + 0ns, 292 * 365 * 24h + 0ns, Duration::max()}) {
    timer.arm(length, length);
    EXPECT_EQ(0U, timer.read());
    EXPECT_GT(timer.remaining(), length - 24h);
    EXPECT_GT(timer.setting().interval, 24h);
  }
  timer.arm_at(TimePoint::max());
  EXPECT_EQ(0U, timer.read());
  EXPECT_GT(timer.remaining(), 24h);
}

TEST(TimerFd, TM10_ADisarmedTimerNeverExpires) {
  TimerFd timer(ClockId::steady, Mode::non_blocking);
  timer.arm(10ms, 1ms);
  timer.disarm();
  EXPECT_EQ(0, poll_one(timer.fd(), POLLIN, 30));
  EXPECT_EQ(0U, timer.read());
  EXPECT_EQ(0ns, timer.remaining());
}

TEST(TimerFd, TM10_MovesAndClosesOnce) {
  const DescriptorsBefore before;
  {
    TimerFd first;
    first.arm(1h);
    TimerFd second = std::move(first);
    EXPECT_GT(second.remaining(), 30min);
    second = TimerFd();
    EXPECT_EQ(0ns, second.remaining());
    EXPECT_EQ(1U, before.opened_since().size());
  }
  EXPECT_TRUE(before.opened_since().empty());
}

TEST(TimerFd, TM10_ErrorsNameTheCall) {
  DETENT_NEEDS_THE_REAL_KERNEL();  // timerfd's own ways
  // Looked at later: the sanitizers need a descriptor to look at an exception.
  std::exception_ptr refusal;
  {
    const NoFreeDescriptor none;
    try {
      TimerFd timer;
    } catch (...) {
      refusal = std::current_exception();
    }
  }
  ASSERT_TRUE(refusal);
  const auto rethrow = [&] { std::rethrow_exception(refusal); };
  EXPECT_EQ(std::errc::too_many_files_open, error_of(rethrow));
  const std::string message = message_of<std::system_error>(rethrow);
  EXPECT_NE(std::string::npos, message.find("timerfd_create")) << message;
}

TEST(TimerFd, TM10_UsingOneThatWasMovedFromIsAnErrorThatNamesTheCall) {
  DETENT_NEEDS_THE_REAL_KERNEL();  // timerfd's own ways
  TimerFd timer;
  const TimerFd taken = std::move(timer);
  // NOLINTBEGIN(bugprone-use-after-move): what it does then is the point
  EXPECT_EQ(std::errc::bad_file_descriptor, error_of([&] { timer.arm(1ms); }));
  EXPECT_NE(std::string::npos,
            message_of<std::system_error>([&] { timer.arm(1ms); }).find("timerfd_settime"));
  EXPECT_NE(std::string::npos, message_of<std::system_error>([&] {
                                 static_cast<void>(timer.remaining());
                               }).find("timerfd_gettime"));
  EXPECT_NE(std::string::npos, message_of<std::system_error>([&] { timer.read(); }).find("read"));
  // NOLINTEND(bugprone-use-after-move)
}

// ---- the wall clock being set

std::string settime_flags(const TimerFd& timer) {
  const std::string info = descriptor_info(timer.fd());
  const std::size_t at = info.find("settime flags: ");
  return at == std::string::npos ? info : info.substr(at + 15, info.find('\n', at) - at - 15);
}

TEST(TimerFd, TM10_CancelOnClockSetIsAskedOfTheKernelAndOnlyOnDemand) {
  DETENT_NEEDS_THE_REAL_KERNEL();  // timerfd's own ways
  TimerFd timer(ClockId::wall, Mode::non_blocking);
  const WallTime deadline = kernel_clock().wall_now() + 1h;
  timer.arm_at(deadline);
  EXPECT_EQ("01", settime_flags(timer));  // octal; 1 is TFD_TIMER_ABSTIME
  timer.arm_at(deadline, 0ns, OnClockSet::cancel);
  EXPECT_EQ("03", settime_flags(timer));  // 2 is TFD_TIMER_CANCEL_ON_SET
  timer.arm_at(deadline, 1s, OnClockSet::ignore);
  EXPECT_EQ("01", settime_flags(timer));
  timer.arm(1h);
  EXPECT_EQ("00", settime_flags(timer));
  timer.arm_at(deadline, 0ns, OnClockSet::cancel);
  EXPECT_EQ(0U, timer.read()) << "nobody has set the clock";
}

TEST(TimerFd, TM10_AReadAfterTheClockWasSetIsCancelled) {
  DETENT_NEEDS_TO_SET_THE_CLOCK();
  DETENT_NEEDS_THE_REAL_KERNEL();  // where nobody tells, a look every ten seconds finds it
  TimerFd cancelled(ClockId::wall, Mode::non_blocking);
  TimerFd ignorant(ClockId::wall, Mode::non_blocking);
  TimerFd steady(ClockId::steady, Mode::non_blocking);
  const WallTime deadline = kernel_clock().wall_now() + 1h;
  cancelled.arm_at(deadline, 0ns, OnClockSet::cancel);
  ignorant.arm_at(deadline);
  steady.arm_at(kernel_clock().now() + 1h);
  { const MovedMachineClock moved(1s); }

  EXPECT_TRUE(is_readable(cancelled.fd()));
  EXPECT_EQ(std::errc::operation_canceled, error_of([&] { cancelled.read(); }));
  EXPECT_EQ(0U, ignorant.read());
  EXPECT_EQ(0U, steady.read());
  EXPECT_LE(steady.remaining(), 1h);
}

// ---- in a loop

class TimerFdOnEveryPoller : public ReactorOnEveryPoller {};
DETENT_ON_EVERY_POLLER(TimerFdOnEveryPoller);

TEST_P(TimerFdOnEveryPoller, TM10_IsAnOrdinaryDescriptorToWatch) {
  TimerFd timer(ClockId::steady, Mode::non_blocking);
  std::uint64_t count = 0;
  const Watch watch = reactor_.watch(timer, {.readable = true}, [&](Ready ready) {
    EXPECT_TRUE(ready.readable);
    count += timer.read();
  });
  EXPECT_EQ(0U, turn());
  const TimePoint first = kernel_clock().now() + 2ms;
  timer.arm_at(first, 2ms);
  while (count < 5) EXPECT_EQ(1U, reactor_.run_once());
  EXPECT_GE(kernel_clock().now(), first + 8ms);
  timer.disarm();
  EXPECT_EQ(0U, reactor_.run_once(20ms));
}

// What the HOWTO's select example does with one list for reading, writing and exceptions.
class TimerFdAskedForMore : public TimerFdOnEveryPoller {
 protected:
  // Where a poller cannot wait for all, without that.
  void watch(Interest interest) {
    const auto start = [&](Interest in) {
      watch_ = reactor_.watch(timer_, in, [this](Ready ready) { told_ = ready; });
    };
    if (GetParam() == "kqueue") {  // kqueue(2): the timer is a kqueue, which takes readers alone
      EXPECT_DIFFERENCE(error_of([&] { start({.writable = true}); }) ==
                        std::errc::invalid_argument);
      interest.writable = false;
    }
    if (!capabilities_.priority) {
      EXPECT_UNSUPPORTED(start(interest));
      interest.priority = false;
    }
    start(interest);
  }

  TimerFd timer_{ClockId::steady, Mode::non_blocking};
  Watch watch_;
  Ready told_;
};
DETENT_ON_EVERY_POLLER(TimerFdAskedForMore);

TEST_P(TimerFdAskedForMore, T29_ItNeverBecomesWritableOrExceptional) {
  watch({.writable = true, .priority = true});
  timer_.arm(1ns);
  EXPECT_EQ(0U, reactor_.run_once(1ms)) << "though it has expired";
  EXPECT_EQ(1U, timer_.read());
}

TEST_P(TimerFdAskedForMore, T30_AskedForEverythingItReportsReadableAlone) {
  watch({.readable = true, .writable = true, .priority = true});
  EXPECT_EQ(0U, turn());
  timer_.arm(1ns);
  EXPECT_EQ(1U, reactor_.run_once(10s));
  EXPECT_EQ(told_, Ready{.readable = true});
  EXPECT_EQ(1U, timer_.read());
  EXPECT_EQ(0U, turn());
}

TEST_P(TimerFdOnEveryPoller, TM10_IsReadableUntilItIsReadOrArmedAnew) {
  TimerFd timer(ClockId::steady, Mode::non_blocking);
  int calls = 0;
  const Watch watch = reactor_.watch(timer, {.readable = true}, [&](Ready) { ++calls; });
  timer.arm(0ns);
  wait_until_readable(timer.fd());
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(1U, turn());
  timer.arm(1h);
  EXPECT_EQ(0U, turn());
  EXPECT_EQ(2, calls);
}

}  // namespace
}  // namespace detent
