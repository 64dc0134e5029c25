// SPDX-License-Identifier: BSL-1.0
// The one kernel timer of a service: when it is set, what its wake-ups mean, that it goes quiet.
#include "detent/timer_service.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/kernel_view.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

class TimerAlarm : public SimulatedTimers {
 protected:
  [[nodiscard]] Duration after_start(Duration d) const { return start_.time_since_epoch() + d; }

  const TimePoint start_ = clock_.now();
};

class TimerAlarmOnEveryPoller : public TimersOnEveryPoller {};
DETENT_ON_EVERY_POLLER(TimerAlarmOnEveryPoller);

// ---- TM9: when the alarm is set

TEST_F(TimerAlarm, TM9_AServiceMakesOneAlarmHoweverManyTimersItHas) {
  std::vector<Timer> handles;
  for (int i = 0; i < 1'000; ++i) handles.push_back(timers_->every(Duration(i + 1), [] {}));
  EXPECT_EQ(1, alarms_.made);
}

TEST_F(TimerAlarm, TM9_AServiceWithoutTimersNeverSetsIt) {
  for (int i = 0; i < 10; ++i) turn();
  const Timer unarmed = timers_->make([] {});
  const Timer endless = timers_->at(TimePoint::max(), [] {});
  turn();
  EXPECT_EQ(0, alarms_.alarm_calls());
}

TEST_F(TimerAlarm, TM9_IsSetOnlyWhenTheEarliestDeadlineGetsEarlier) {
  const Timer first = timers_->after(50ms, [] {});
  EXPECT_EQ(1, alarms_.arms);
  EXPECT_EQ(after_start(50ms), alarms_.deadline);
  std::vector<Timer> later;
  for (int i = 0; i < 100; ++i) later.push_back(timers_->after(50ms + i * 1ms, [] {}));
  later.push_back(timers_->every(60ms, [] {}));
  EXPECT_EQ(1, alarms_.arms);
  const Timer earlier = timers_->after(40ms, [] {});
  EXPECT_EQ(2, alarms_.arms);
  EXPECT_EQ(after_start(40ms), alarms_.deadline);
  EXPECT_EQ(0, alarms_.disarms);
}

TEST_F(TimerAlarm, TM9_RearmingToLaterCancellingAndDisarmingMakeNoCall) {
  Timer a = timers_->after(10ms, [] {});
  Timer b = timers_->after(10ms, [] {});
  Timer c = timers_->after(10ms, [] {});
  const int before = alarms_.alarm_calls();
  for (int i = 0; i < 1'000; ++i) a.rearm_at(start_ + 20ms + i * 1ms);
  b.disarm();
  c.cancel();
  EXPECT_EQ(before, alarms_.alarm_calls());
}

TEST_F(TimerAlarm, TM9_AnIdleDeadlineThatKeepsMovingWakesTheLoopOnceADelayAndNotOnceAMove) {
  int calls = 0;
  Timer idle = timers_->after(100ms, [&] { ++calls; });
  const int before = alarms_.alarm_calls();
  for (int i = 0; i < 1'000; ++i) {
    clock_.advance(1ms);
    idle.rearm_at(clock_.now() + 100ms);
  }
  EXPECT_EQ(0, calls);
  // The alarm is set once a wake-up, for the deadline as it stands then: 99 ms or 100 ms on.
  EXPECT_GE(alarms_.alarm_calls() - before, 9);
  EXPECT_LE(alarms_.alarm_calls() - before, 11);
}

TEST_F(TimerAlarm, TM9_IsSetOnceAWakeUp) {
  std::vector<Timer> handles;
  for (int i = 0; i < 10; ++i) handles.push_back(timers_->every(10ms, [] {}));
  const int before = alarms_.alarm_calls();
  clock_.advance(1s);
  EXPECT_EQ(100, alarms_.alarm_calls() - before) << "1,000 ticks at 100 instants";
}

TEST_F(TimerAlarm, TM9_IsDisarmedWhenNothingIsLeft) {
  const Timer timer = timers_->after(10ms, [] {});
  clock_.advance(10ms);
  EXPECT_EQ(1, alarms_.disarms);
  EXPECT_EQ(std::nullopt, alarms_.deadline);
  const Timer next = timers_->after(10ms, [] {});
  EXPECT_EQ(after_start(20ms), alarms_.deadline) << "and set again for what comes";
}

TEST_F(TimerAlarm, TM9_TimersArmedInCallbacksAreSetTogetherAfterThem) {
  std::vector<Timer> handles;
  const Timer timer = timers_->after(10ms, [&] {
    for (int i = 9; i > 0; --i) handles.push_back(timers_->after(i * 1ms, [] {}));
    handles.push_back(timers_->at(start_, [] {}));
    handles.back().rearm(5ms);
  });
  const int before = alarms_.alarm_calls();
  clock_.pass(10ms);
  turn();
  EXPECT_EQ(1, alarms_.alarm_calls() - before);
  EXPECT_EQ(after_start(11ms), alarms_.deadline);
}

TEST_F(TimerAlarm, TM9_AfterAThrowItRingsForTheRest) {
  const Timer a = timers_->after(10ms, [] { throw std::runtime_error("thrown by a timer"); });
  int calls = 0;
  const Timer b = timers_->after(10ms, [&] { ++calls; });
  clock_.pass(10ms);
  EXPECT_THROW(turn(), std::runtime_error);
  ASSERT_TRUE(alarms_.deadline);
  EXPECT_LE(*alarms_.deadline, clock_.now().time_since_epoch());
  EXPECT_EQ(1U, reactor_->run_once());
  EXPECT_EQ(1, calls);
  EXPECT_EQ(std::nullopt, alarms_.deadline);
}

TEST_F(TimerAlarm, TM9_AfterAThrowOfTheLastTheNextTurnSetsItForTheNextDeadline) {
  const Timer a = timers_->after(10ms, [] { throw std::runtime_error("thrown by a timer"); });
  const Timer b = timers_->after(30ms, [] {});
  clock_.pass(10ms);
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_EQ(0U, turn());
  EXPECT_EQ(after_start(30ms), alarms_.deadline);
}

TEST_F(TimerAlarm, TM9_WithTheBudgetSpentItRingsForTheRest) {
  make({.timers_per_turn = 2});
  std::vector<Timer> handles;
  for (int i = 0; i < 5; ++i) handles.push_back(timers_->after(10ms, [] {}));
  clock_.pass(10ms);
  const int before = alarms_.alarm_calls();
  EXPECT_EQ(2U, turn());
  ASSERT_TRUE(alarms_.deadline);
  EXPECT_LE(*alarms_.deadline, clock_.now().time_since_epoch());
  EXPECT_EQ(2U, turn());
  EXPECT_EQ(before, alarms_.alarm_calls()) << "it rings anyway";
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(std::nullopt, alarms_.deadline);
}

TEST_F(TimerAlarm, TM9_ItIsLeftRingingForWhatHasPassedWhileCallbacksRan) {
  int calls = 0;
  const Timer slow = timers_->after(10ms, [&] { clock_.pass(5ms); });
  const Timer passed = timers_->after(10ms + 500us, [&] { ++calls; });
  const Timer next = timers_->after(30ms, [&] { ++calls; });
  clock_.pass(10ms);
  const int before = alarms_.alarm_calls();
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(before, alarms_.alarm_calls());
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(1, calls);
  EXPECT_EQ(after_start(30ms), alarms_.deadline) << "and set again for what comes";
}

TEST_F(TimerAlarm, TM9_WhoArmsATimerWhileItRingsOnIsHeard) {
  make({.timers_per_turn = 1});
  std::vector<Timer> handles;
  for (int i = 0; i < 2; ++i) handles.push_back(timers_->after(10ms, [] {}));
  clock_.pass(10ms);
  EXPECT_EQ(1U, turn());
  handles.clear();
  int calls = 0;
  const Timer soon = timers_->after(1ms, [&] { ++calls; });
  EXPECT_EQ(0U, turn()) << "rings for one that has gone";
  EXPECT_EQ(after_start(11ms), alarms_.deadline);
  clock_.pass(1ms);
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(1, calls);
}

TEST_F(TimerAlarm, TM9_AServiceWhoseTimersAreAllCancelledGoesQuiet) {
  std::vector<Timer> handles;
  for (int i = 1; i <= 100; ++i) handles.push_back(timers_->after(i * 1ms, [] { FAIL(); }));
  handles.clear();
  clock_.pass(1s);
  EXPECT_EQ(0U, turn());
  EXPECT_EQ(std::nullopt, alarms_.deadline);
  const int before = alarms_.alarm_calls();
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_EQ(before, alarms_.alarm_calls());
}

TEST_F(TimerAlarm, AnAlarmThatCannotBeSetIsAnErrorAndLeavesNothingBehind) {
  int calls = 0;
  Timer old = timers_->after(1s, [&] { ++calls; });
  alarms_.next_arm_fails = true;
  EXPECT_EQ(std::errc::not_enough_memory,
            error_of([&] { static_cast<void>(timers_->after(1ms, [] { FAIL(); })); }));
  clock_.advance(1s);
  EXPECT_EQ(1, calls);
  const Timer next = timers_->after(1ms, [&] { ++calls; });
  clock_.advance(1ms);
  EXPECT_EQ(2, calls);
}

// ---- TM1: a wake-up proves nothing

TEST_F(TimerAlarm, TM1_AnAlarmThatRingsEarlyCallsNobodyAndIsSetAgain) {
  int calls = 0;
  const Timer timer = timers_->after(10ms, [&] { ++calls; });
  clock_.pass(10ms - 1ns);
  const int before = alarms_.arms;
  clock_.set_ready(alarms_.last_fd, {.readable = true});
  EXPECT_EQ(0U, turn());
  EXPECT_EQ(0U, turn());
  EXPECT_EQ(0, calls);
  EXPECT_EQ(before + 2, alarms_.arms);
  EXPECT_EQ(after_start(10ms), alarms_.deadline);
  clock_.set_ready(alarms_.last_fd, {});
  clock_.pass(1ns);
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(1, calls);
}

TEST_F(TimerAlarm, TM1_TM8_AnAlarmThatRingsEarlyForATickWithSlackIsSetForWhatThatTickArms) {
  int calls = 0;
  Timer at_once = timers_->make([&] { ++calls; });
  const Timer tick = timers_->every({.period = 10ms, .slack = 5ms}, [&] { at_once.rearm(0ms); });
  clock_.pass(10ms);
  clock_.set_ready(alarms_.last_fd, {.readable = true});
  EXPECT_EQ(1U, turn()) << "the tick, within its slack";
  clock_.set_ready(alarms_.last_fd, {});
  EXPECT_EQ(1U, turn()) << "what it armed, though the alarm had not been due";
  EXPECT_EQ(1, calls);
}

TEST_F(TimerAlarm, TM1_AnAlarmThatRingsForNothingStaysDisarmed) {
  const Timer timer = timers_->make([] { FAIL(); });
  clock_.set_ready(alarms_.last_fd, {.readable = true});
  EXPECT_EQ(0U, turn());
  EXPECT_EQ(std::nullopt, alarms_.deadline);
}

TEST_F(TimerAlarm, TM1_AnAlarmForADeadlineThatWasMovedLaterIsSetForTheNewOne) {
  int calls = 0;
  Timer timer = timers_->after(10ms, [&] { ++calls; });
  timer.rearm(30ms);
  clock_.pass(10ms);
  EXPECT_EQ(0U, turn());
  EXPECT_EQ(after_start(30ms), alarms_.deadline);
  clock_.pass(20ms - 1ns);
  EXPECT_EQ(0U, turn());
  clock_.pass(1ns);
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(1, calls);
}

TEST_F(TimerAlarm, TM1_ALateAlarmDoesNotHideTimersThatAreDueByNow) {
  int calls = 0;
  std::vector<Timer> handles;
  for (int i = 1; i <= 20; ++i) handles.push_back(timers_->after(i * 1ms, [&] { ++calls; }));
  clock_.pass(15ms);
  EXPECT_EQ(15U, turn());
  EXPECT_EQ(15, calls);
  EXPECT_EQ(after_start(16ms), alarms_.deadline);
}

// ---- on the kernel

std::set<int> timer_descriptors(const std::set<int>& of) {
  std::set<int> timers;
  for (const int fd : of) {
    const std::string kind = kind_of_descriptor(fd);
    if (kind.find("timerfd") != std::string::npos) timers.insert(fd);
  }
  return timers;
}

TEST_P(TimerAlarmOnEveryPoller, TM9_AServiceHasOneTimerDescriptorHoweverManyTimersItHas) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  const DescriptorsBefore before;
  {
    Reactor reactor({.poller = make_poller(GetParam())});
    EXPECT_EQ(0U, timer_descriptors(before.opened_since()).size()) << "without a service, none";
    const DescriptorsBefore before_the_service;
    TimerService timers(reactor);
    std::vector<Timer> handles;
    for (int i = 0; i < 1'000; ++i) handles.push_back(timers.every(1s + i * 1ms, [] {}));
    EXPECT_EQ(1U, before_the_service.opened_since().size());
    EXPECT_EQ(1U, timer_descriptors(before_the_service.opened_since()).size());
    const int fd = *before_the_service.opened_since().begin();
    EXPECT_TRUE(is_close_on_exec(fd));
  }
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_P(TimerAlarmOnEveryPoller, TM9_TheDescriptorIsUnreadableAfterEachWakeUpWithoutBeingRead) {
  const int alarm = clock_.last_fd;
  for (const bool with_another : {false, true}) {
    Timer far;
    if (with_another) far = timers_->after(1h, [] {});
    const Timer timer = timers_->after(1ms, [] {});
    wait_until_readable(alarm);
    EXPECT_EQ(1U, reactor_.run_once());
    EXPECT_FALSE(is_readable(alarm));
    EXPECT_EQ(0U, reactor_.dispatch());
  }
}

TEST_P(TimerAlarmOnEveryPoller, TM9_CancelledTimersLeaveTheLoopAsleep) {
  std::vector<Timer> handles;
  for (int i = 0; i < 100; ++i) handles.push_back(timers_->after(i * 100us, [] { FAIL(); }));
  handles.clear();
  const std::uint64_t before = reactor_.counters().turns;
  EXPECT_EQ(0U, reactor_.run_once(100ms));
  EXPECT_LE(reactor_.counters().turns - before, 3U);
}

TEST_P(TimerAlarmOnEveryPoller, TM9_AThrowingTimerLeavesTheLoopAsleepOnceAllIsDone) {
  const Timer a = timers_->after(1ms, [] { throw std::runtime_error("thrown by a timer"); });
  const Timer b = timers_->after(1h, [] { FAIL(); });
  EXPECT_THROW(static_cast<void>(reactor_.run_once()), std::runtime_error);
  const std::uint64_t before = reactor_.counters().turns;
  EXPECT_EQ(0U, reactor_.run_once(50ms));
  EXPECT_LE(reactor_.counters().turns - before, 3U);
}

TEST_P(TimerAlarmOnEveryPoller, TM9_APeriodicTimerTakesAsManyTurnsAsItHasTicks) {
  int calls = 0;
  const Timer timer = timers_->every(2ms, [&] { ++calls; });
  const std::uint64_t before = reactor_.counters().turns;
  const int alarm_calls = clock_.alarm_calls();
  while (calls < 50) EXPECT_LE(reactor_.run_once(), 1U);
  // A kernel that wakes a little early costs a turn more; it would have to do so each time.
  EXPECT_LE(reactor_.counters().turns - before, 2U * 50U);
  EXPECT_LE(clock_.alarm_calls() - alarm_calls, 2 * 50);
}

TEST_P(TimerAlarmOnEveryPoller, AServiceThatGetsNoDescriptorIsAnErrorThatNamesTheCall) {
  // The sanitizers need a descriptor to look at an object of a type that they have not seen yet: so
  // all is done once before, and the exception is looked at later.
  { const TimerService allowed(reactor_); }
  std::exception_ptr refusal;
  {
    const NoFreeDescriptor none;
    try {
      TimerService refused(reactor_);
    } catch (...) {
      refusal = std::current_exception();
    }
  }
  ASSERT_TRUE(refusal);
  const std::string message =
      message_of<std::system_error>([&] { std::rethrow_exception(refusal); });
  EXPECT_TRUE(message.starts_with("timerfd_create: ") || message.starts_with("kqueue: "))
      << message;
  int calls = 0;
  TimerService timers(reactor_);
  const Timer timer = timers.after(1ms, [&] { ++calls; });
  EXPECT_EQ(1U, reactor_.run_once());
  EXPECT_EQ(1, calls);
}

TEST_P(TimerAlarmOnEveryPoller, TM7_TheSteadyServicesKernelTimerIsOnTheMonotonicClock) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  const Timer timer = timers_->after(1h, [] {});
  const std::string info = descriptor_info(clock_.last_fd);
  EXPECT_NE(std::string::npos, info.find("clockid: 1\n")) << info;
}

// Real descriptors with a time that a test moves.
TEST_P(TimerAlarmOnEveryPoller, SIM1_TheVirtualClockRingsOnRealPollersToo) {
  Simulation clock;
  Reactor reactor({.poller = make_poller(GetParam()), .clock = &clock});
  TimerService timers(reactor);
  std::vector<Duration> calls;
  const TimePoint start = clock.now();
  const Timer a = timers.every(10ms, [&] { calls.push_back(clock.now() - start); });
  const Timer b = timers.after(25ms, [&] { calls.push_back(clock.now() - start); });
  clock.advance(30ms);
  EXPECT_EQ((std::vector<Duration>{10ms, 20ms, 25ms, 30ms}), calls);
  EXPECT_EQ(0U, reactor.run_once(0ns));
}

}  // namespace
}  // namespace detent
