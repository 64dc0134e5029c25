// SPDX-License-Identifier: BSL-1.0
// What Python's "timer file descriptor HOWTO" shows, statement by statement: its clocks, its calls
// and its three timers at a quarter, a half and three quarters of a second.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "detent/poller.h"
#include "detent/timer_fd.h"
#include "detent/timer_service.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/kernel_double.h"
#include "support/kernel_view.h"
#include "support/readiness.h"
#include "support/timer_fixtures.h"
#include "support/wait_into.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using testing_support::be_busy_until;
using testing_support::error_of;
using testing_support::wait_into;
using testing_support::wait_until_readable;
using Mode = TimerFd::Mode;

class HowtoTimerSimulated : public testing_support::SimulatedTimers {};
class HowtoTimerOnEveryPoller : public testing_support::TimersOnEveryPoller {};
DETENT_ON_EVERY_POLLER(HowtoTimerOnEveryPoller);

// ---- the first program: one timer, no loop

TEST(HowtoTimer, Howto_T1_ATimerIsMadeOnEachClockAndOwnsACloseOnExecDescriptor) {
  DETENT_NEEDS_THE_REAL_KERNEL();  // timerfd's own ways
  for (const ClockId id : {ClockId::wall, ClockId::steady, ClockId::boot}) {
    const TimerFd timer(id);
    EXPECT_TRUE(testing_support::is_close_on_exec(timer.fd()));
  }
  for (const ClockId id : {ClockId::wall_alarm, ClockId::boot_alarm}) {
    const std::error_code error = error_of([&] { TimerFd timer(id); });
    EXPECT_TRUE(!error || error == std::errc::operation_not_permitted) << error;
  }
}

TEST(HowtoTimer, Howto_T2_ANonBlockingReadWithNothingDueDoesNotHang) {
  DETENT_NEEDS_THE_REAL_KERNEL();  // timerfd's own ways
  TimerFd timer(ClockId::wall, Mode::non_blocking);
  timer.arm(1h);
  EXPECT_EQ(0U, timer.read());
  std::uint64_t count = 0;
  EXPECT_EQ(-1, ::read(timer.fd(), &count, sizeof count));
  EXPECT_EQ(EAGAIN, errno);
}

// "fd = timerfd_create(CLOCK_REALTIME); timerfd_settime(fd, initial=1, interval=0.5); 4 reads"
TEST(HowtoTimer, Howto_T3_FourBlockingReadsAreAtOneSecondAndThenTwiceASecond) {
  TimerFd timer(ClockId::wall);
  const TimePoint start = kernel_clock().now();
  timer.arm(1s, 500ms);
  std::uint64_t total = 0;
  for (int reads = 0; reads < 4; ++reads) {
    total += timer.read();
    EXPECT_GE(kernel_clock().now() - start, 1s + static_cast<std::int64_t>(total - 1) * 500ms);
    EXPECT_GE(total, static_cast<std::uint64_t>(reads) + 1);
  }
}

TEST(HowtoTimer, Howto_T4_WithoutAnIntervalItExpiresOnce) {
  TimerFd timer(ClockId::wall, Mode::non_blocking);
  timer.arm(1ms);
  wait_until_readable(timer.fd());
  EXPECT_EQ(1U, timer.read());
  EXPECT_EQ(0, testing_support::poll_one(timer.fd(), POLLIN, 20));
  EXPECT_EQ(0U, timer.read()) << "a second read would block";
}

TEST(HowtoTimer, Howto_T5_DisarmNeverExpiresAndZeroExpiresAtOnce) {
  TimerFd timer(ClockId::wall, Mode::non_blocking);
  timer.arm(1ms, 1ms);
  timer.disarm();
  EXPECT_EQ(0, testing_support::poll_one(timer.fd(), POLLIN, 20));
  timer.arm(0ns);
  wait_until_readable(timer.fd());
  EXPECT_EQ(1U, timer.read());
}

TEST_P(HowtoTimerOnEveryPoller, Howto_T5_AZeroDelayMeansNowAndNotNever) {
  int calls = 0;
  const Timer timer = timers_->after(0ns, [&] { ++calls; });
  EXPECT_EQ(1U, reactor_.run_once());
  EXPECT_EQ(1, calls);
}

TEST(HowtoTimer, Howto_T6_NanosecondsAreNotRounded) {
  TimerFd timer(ClockId::wall);
  for (const Duration length : {1ns, Duration((1LL << 53) + 1)}) {  // no double holds the second
    timer.arm(1h, length);
    EXPECT_EQ(length, timer.setting().interval);
  }
}

TEST_F(HowtoTimerSimulated, Howto_T6_NorAreThoseOfAService) {
  const Duration length((1LL << 53) + 1);
  Timer timer = timers_->after(length, [] {});
  EXPECT_EQ(length, timer.remaining());
  clock_.pass(length - 1ns);
  EXPECT_EQ(0U, turn());
  clock_.pass(1ns);
  EXPECT_EQ(1U, turn());
}

TEST(HowtoTimer, Howto_T7_ArmReturnsTheOldSettingAndRemainingDecreases) {
  TimerFd timer(ClockId::wall);
  timer.arm_at(kernel_clock().wall_now() + 1h, 2s);
  const Duration first = timer.remaining();
  EXPECT_LE(first, 1h + 1min);
  while (timer.remaining() == first) {
  }
  EXPECT_LT(timer.remaining(), first);
  const TimerFd::Setting old = timer.arm(5s, 7s);
  EXPECT_LT(old.initial, first);
  EXPECT_GT(old.initial, 30min);
  EXPECT_EQ(2s, old.interval);
}

TEST(HowtoTimer, Howto_T8_AnAbsoluteInstantInThePastExpiresAtOnce) {
  TimerFd timer(ClockId::wall);
  timer.arm_at(kernel_clock().wall_now() - 1h);
  EXPECT_EQ(1U, timer.read());
}

TEST(HowtoTimer, Howto_T8_AReportOfClockChangesIsAskedOfTheKernel) {
  DETENT_NEEDS_THE_REAL_KERNEL();  // timerfd's own ways
  TimerFd timer(ClockId::wall);
  timer.arm_at(kernel_clock().wall_now() + 1h, 0ns, TimerFd::OnClockSet::cancel);
  const std::string info = testing_support::descriptor_info(timer.fd());
  EXPECT_NE(std::string::npos, info.find("settime flags: 03")) << info;
}

TEST_P(HowtoTimerOnEveryPoller, Howto_T9_NoDescriptorLeaksWhenAnExceptionFlies) {
  const testing_support::DescriptorsBefore before;
  const auto use = [] {
    TimerFd timer(ClockId::wall);
    Reactor reactor({.poller = make_poller(GetParam())});
    TimerService timers(reactor);
    const Watch watch = reactor.watch(timer, {.readable = true},
                                      [](Ready) { throw std::runtime_error("in the program"); });
    const Timer tick = timers.every(1h, [] {});
    timer.arm(0ns);
    reactor.run();
  };
  EXPECT_THROW(use(), std::runtime_error);
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_P(HowtoTimerOnEveryPoller, Howto_T10_APollerWaitsForTimersWithReadInterest) {
  const std::unique_ptr<Poller> poller = make_poller(GetParam());
  TimerFd soon(ClockId::wall, Mode::non_blocking);
  TimerFd never(ClockId::wall, Mode::non_blocking);
  poller->add(soon.fd(), {.readable = true}, {.slot = 1, .generation = 1});
  poller->add(never.fd(), {.readable = true}, {.slot = 2, .generation = 1});
  std::vector<Event> events;
  wait_into(events, *poller, 0ns);
  EXPECT_TRUE(events.empty());
  soon.arm(2ms);
  never.arm(1h);
  wait_into(events, *poller, std::nullopt);
  ASSERT_EQ(1U, events.size());
  EXPECT_EQ(1U, events[0].id.slot);
  EXPECT_EQ(Ready{.readable = true}, events[0].ready);
  EXPECT_EQ(1U, soon.read());
  wait_into(events, *poller, 0ns);
  EXPECT_TRUE(events.empty()) << "read, so no more readable";
}

// ---- the second program: three timers, at i/4 s and then every i/4 s

constexpr Duration kQuarter = 250ms;

TEST_F(HowtoTimerSimulated, Howto_T11_ThreeTimersTickTwelveSixAndFourTimesInThreeSeconds) {
  std::array<std::uint64_t, 4> expired = {};
  std::vector<Timer> handles;
  for (std::size_t i = 1; i <= 3; ++i) {
    handles.push_back(
        timers_->every(static_cast<std::int64_t>(i) * kQuarter,
                       [&expired, i](const Tick& t) { expired[i] += t.expirations; }));
  }
  clock_.advance(3s - 1ns);
  EXPECT_EQ((std::array<std::uint64_t, 4>{0, 11, 5, 3}), expired);
  clock_.advance(1ns);
  EXPECT_EQ((std::array<std::uint64_t, 4>{0, 12, 6, 4}), expired);
}

// By deadline, then by arming: a periodic timer is armed for its next tick when it ticks, so the
// longer the period, the earlier it was armed for the instant that it shares.
TEST_F(HowtoTimerSimulated, Howto_T12_ExpiriesOfOneInstantAreOneBatchInTheOrderOfArming) {
  std::vector<std::string> batches;
  std::uint64_t turn_of_the_batch = 0;
  const TimePoint start = clock_.now();
  std::vector<Timer> handles;
  for (int i = 1; i <= 3; ++i) {
    handles.push_back(timers_->every(i * kQuarter, [&, i](const Tick& tick) {
      if (std::exchange(turn_of_the_batch, reactor_->counters().turns) !=
          reactor_->counters().turns) {
        batches.push_back(std::to_string((tick.scheduled - start) / 1ms) + ":");
      }
      EXPECT_EQ(tick.scheduled, tick.now);
      EXPECT_EQ(1U, tick.expirations);
      batches.back() += " " + std::to_string(i);
    }));
  }
  clock_.advance(3s);
  const std::vector<std::string> expected = {"250: 1",    "500: 2 1",    "750: 3 1", "1000: 2 1",
                                             "1250: 1",   "1500: 3 2 1", "1750: 1",  "2000: 2 1",
                                             "2250: 3 1", "2500: 2 1",   "2750: 1",  "3000: 3 2 1"};
  EXPECT_EQ(expected, batches);
}

// Sums of counts, bounded by what the clock says has passed: exact on any machine, however late.
TEST_P(HowtoTimerOnEveryPoller, Howto_T11_T12_T32_ThreeTimersInRealTimeTickAsOftenAsTheClockSays) {
  std::array<std::int64_t, 4> expired = {};
  std::vector<Timer> handles;
  const TimePoint before = kernel_clock().now();
  for (std::size_t i = 1; i <= 3; ++i) {
    handles.push_back(
        timers_->every(static_cast<std::int64_t>(i) * kQuarter, [&, i](const Tick& tick) {
          expired[i] += static_cast<std::int64_t>(tick.expirations);
          EXPECT_GE(kernel_clock().now(), tick.scheduled);
        }));
  }
  const TimePoint after = kernel_clock().now();
  while (kernel_clock().now() < after + 3s) {
    reactor_.run_once(after + 3s - kernel_clock().now());
  }
  const TimePoint last_look = kernel_clock().now();
  reactor_.dispatch();
  const TimePoint end = kernel_clock().now();
  const std::array<std::int64_t, 4> at_least = {0, 12, 6, 4};
  for (std::size_t i = 1; i <= 3; ++i) {
    const Duration period = static_cast<std::int64_t>(i) * kQuarter;
    EXPECT_GE(expired[i], at_least[i]);
    EXPECT_GE(expired[i], (last_look - after) / period);
    EXPECT_LE(expired[i], (end - before) / period);
  }
}

TEST_F(HowtoTimerSimulated, Howto_T13_AQuarterSecondTimerThatIsHeldUpReportsFourInOneCall) {
  std::vector<std::uint64_t> calls;
  const Timer timer =
      timers_->every(kQuarter, [&](const Tick& t) { calls.push_back(t.expirations); });
  reactor_->post([this] { clock_.pass(1100ms); });
  turn();
  turn();
  EXPECT_EQ((std::vector<std::uint64_t>{4}), calls);
}

TEST_P(HowtoTimerOnEveryPoller, Howto_T13_T32_AQuarterSecondTimerThatIsHeldUpReportsFourInOneCall) {
  std::vector<Tick> calls;
  const Timer timer = timers_->every(kQuarter, [&](const Tick& tick) { calls.push_back(tick); });
  const TimePoint armed = kernel_clock().now();
  reactor_.post([=] { be_busy_until(armed + 1100ms); });
  while (calls.empty()) reactor_.run_once();
  ASSERT_EQ(1U, calls.size());
  const Tick& tick = calls[0];
  const TimePoint start = tick.scheduled - kQuarter;
  EXPECT_EQ(static_cast<std::uint64_t>((tick.now - start) / kQuarter), tick.expirations);
  EXPECT_GE(tick.expirations, 4U);
  if (tick.now - start < 1250ms) {  // or this machine has held it up for longer than we did
    EXPECT_EQ(4U, tick.expirations);
  }
}

TEST(HowtoTimer, Howto_T14_ACountIsEightBytesInTheOrderOfTheHost) {
  DETENT_NEEDS_THE_REAL_KERNEL();  // timerfd's own ways
  TimerFd timer(ClockId::wall, Mode::non_blocking);
  timer.arm(0ns);
  wait_until_readable(timer.fd());
  std::array<unsigned char, 16> bytes = {};
  EXPECT_EQ(-1, ::read(timer.fd(), bytes.data(), 7));
  EXPECT_EQ(EINVAL, errno);
  EXPECT_EQ(8, ::read(timer.fd(), bytes.data(), bytes.size())) << "however much there is room";
  std::uint64_t count = 0;
  std::memcpy(&count, bytes.data(), sizeof count);
  EXPECT_EQ(1U, count);
  EXPECT_EQ(1, bytes[std::endian::native == std::endian::little ? 0 : 7]);
}

TEST_P(HowtoTimerOnEveryPoller, Howto_T15_AWaitOfThreeSecondsWithNothingReadyReturnsZeroThen) {
  const Timer later = timers_->after(1h, [] { FAIL(); });
  const TimePoint before = kernel_clock().now();
  const std::uint64_t turns = reactor_.counters().turns;
  EXPECT_EQ(0U, reactor_.run_once(3s));
  EXPECT_GE(kernel_clock().now() - before, 3s);
  EXPECT_LE(reactor_.counters().turns - turns, 3U);
}

TEST_F(HowtoTimerSimulated, Howto_T15_AWaitOfThreeSecondsEndsExactlyThenOrWithTheFirstTimer) {
  clock_.set_auto_advance(true);
  const TimePoint start = clock_.now();
  EXPECT_EQ(0U, reactor_->run_once(3s));
  EXPECT_EQ(start + 3s, clock_.now());
  const Timer timer = timers_->after(1s, [] {});
  EXPECT_EQ(1U, reactor_->run_once(3s));
  EXPECT_EQ(start + 4s, clock_.now());
}

// A program that has nothing but a poller, and lets the slot be the descriptor, gets its pairs.
TEST_P(HowtoTimerOnEveryPoller, Howto_T16_APollerAloneYieldsPairsOfDescriptorAndEvent) {
  const std::unique_ptr<Poller> poller = make_poller(GetParam());
  std::vector<TimerFd> fds;
  for (std::int64_t i = 1; i <= 3; ++i) {
    TimerFd& timer = fds.emplace_back(ClockId::wall, Mode::non_blocking);
    const auto slot = static_cast<std::uint32_t>(timer.fd());
    poller->add(timer.fd(), {.readable = true}, {.slot = slot, .generation = 1});
    timer.arm(i * 2ms, i * 2ms);
  }
  std::set<std::string> seen;
  std::array<std::uint64_t, 3> expired = {};
  std::vector<Event> events;
  while (seen.size() < 3) {
    wait_into(events, *poller, 3s);
    ASSERT_FALSE(events.empty());
    for (const Event& event : events) {
      std::ostringstream pair;
      pair << "(" << event.id.slot << ", " << (event.ready.readable ? "readable" : "?") << ")";
      seen.insert(pair.str());
      for (std::size_t i = 0; i < fds.size(); ++i) {
        if (static_cast<std::uint32_t>(fds[i].fd()) == event.id.slot) expired[i] += fds[i].read();
      }
    }
  }
  for (std::size_t i = 0; i < fds.size(); ++i) {
    EXPECT_TRUE(seen.contains("(" + std::to_string(fds[i].fd()) + ", readable)"));
    EXPECT_GE(expired[i], 1U);
  }
  for (const TimerFd& timer : fds) poller->remove(timer.fd());
}

// ---- the document's trap: the real-time clock where elapsed time is wanted

TEST_F(HowtoTimerSimulated, Howto_T33_SettingTheWallClockChangesNoCount) {
  std::array<std::uint64_t, 4> expired = {};
  std::vector<Timer> handles;
  for (std::size_t i = 1; i <= 3; ++i) {
    handles.push_back(
        timers_->every(static_cast<std::int64_t>(i) * kQuarter,
                       [&expired, i](const Tick& t) { expired[i] += t.expirations; }));
  }
  clock_.advance(1s + 100ms);
  clock_.set_wall(clock_.wall_now() + 1h);
  clock_.advance(1s);
  clock_.set_wall(clock_.wall_now() - 5h);
  EXPECT_EQ(0U, turn());
  clock_.advance(900ms);
  EXPECT_EQ((std::array<std::uint64_t, 4>{0, 12, 6, 4}), expired);
}

TEST_P(HowtoTimerOnEveryPoller, Howto_T33_TheDefaultIsTheMonotonicClock) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  const std::string service = testing_support::descriptor_info(clock_.last_fd);
  EXPECT_NE(std::string::npos, service.find("clockid: 1\n")) << service;
  const std::string alone = testing_support::descriptor_info(TimerFd().fd());
  EXPECT_NE(std::string::npos, alone.find("clockid: 1\n")) << alone;
}

}  // namespace
}  // namespace detent
