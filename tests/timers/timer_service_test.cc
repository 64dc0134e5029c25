// SPDX-License-Identifier: BSL-1.0
// One timer at a time: when it is called, with what, and what its handle can do.
#include "detent/timer_service.h"

#include "detent/timer_fd.h"
#include "detent/untyped_timers.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/processes.h"
#include "support/standard.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

static_assert(!std::is_copy_constructible_v<Timer> && !std::is_copy_assignable_v<Timer>);
static_assert(std::is_nothrow_move_constructible_v<Timer> &&
              std::is_nothrow_move_assignable_v<Timer>);
static_assert(!std::is_copy_constructible_v<TimerService>);
static_assert(std::is_same_v<Tick, TimerService::TickType>);
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

constexpr Duration kDay = std::chrono::hours(24);

class TimerServiceSimulated : public SimulatedTimers {};
class TimerServiceOnEveryPoller : public TimersOnEveryPoller {};
DETENT_ON_EVERY_POLLER(TimerServiceOnEveryPoller);

// ---- TM1: never early

TEST_P(TimerServiceOnEveryPoller,
       TM1_OfTenThousandOneShotsNoneIsEarlyByANanosecondAndAllAreInOrder) {
  constexpr std::size_t kTimers = 10'000;
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);

  std::vector<std::pair<TimePoint, std::size_t>> calls;  // when it was due, how many-th armed
  std::vector<Timer> handles;
  std::vector<TimePoint> not_before(kTimers);
  std::size_t early = 0;
  for (std::size_t i = 0; i < kTimers; ++i) {
    // Whole milliseconds for some, so that kernels which count coarser have something to round.
    auto delay = Duration(random() % 1'000'000'000);
    if (i % 4 == 0) delay = std::chrono::floor<std::chrono::milliseconds>(delay);
    not_before[i] = kernel_clock().now() + delay;
    handles.push_back(timers_->after(delay, [&, i](const Tick& tick) {
      const bool in_time = kernel_clock().now() >= tick.scheduled && tick.now >= tick.scheduled &&
                           tick.scheduled >= not_before[i] && tick.expirations == 1;
      if (!in_time) ++early;
      calls.emplace_back(tick.scheduled, i);
    }));
  }
  run_callbacks(kTimers);
  EXPECT_EQ(0U, early);
  ASSERT_EQ(kTimers, calls.size());
  EXPECT_TRUE(std::is_sorted(calls.begin(), calls.end())) << "by deadline, then by arming";
  for (const Timer& timer : handles) EXPECT_FALSE(timer.active());
}

TEST_P(TimerServiceOnEveryPoller, TM1_ATimerAtAnInstantIsNotEarly) {
  for (const Duration delay : {1ns, 999ns, 1'000ns, 999'999ns, 1'000'000ns, 3'999'999ns}) {
    const TimePoint deadline = kernel_clock().now() + delay;
    std::optional<Tick> told;
    const Timer timer = timers_->at(deadline, [&](const Tick& tick) { told = tick; });
    while (!told) reactor_.run_once();
    EXPECT_GE(kernel_clock().now(), deadline);
    EXPECT_EQ(deadline, told->scheduled);
    EXPECT_GE(told->now, deadline);
  }
}

TEST_F(TimerServiceSimulated, TM1_IsCalledExactlyAtItsDeadlineAndNotANanosecondBefore) {
  int calls = 0;
  const TimePoint start = clock_.now();
  const Timer timer = timers_->after(250ms, [&](const Tick& tick) {
    ++calls;
    EXPECT_EQ(start + 250ms, tick.scheduled);
    EXPECT_EQ(start + 250ms, tick.now);
    EXPECT_EQ(1U, tick.expirations);
  });
  clock_.advance(250ms - 1ns);
  EXPECT_EQ(0, calls);
  clock_.advance(1ns);
  EXPECT_EQ(1, calls);
  clock_.advance(kDay);
  EXPECT_EQ(1, calls) << "once is once";
}

TEST_F(TimerServiceSimulated, TM1_AMovedTimerIsNotCalledAtAnyEarlierDeadline) {
  std::vector<Duration> calls;
  const TimePoint start = clock_.now();
  Timer timer = timers_->after(10ms, [&] { calls.push_back(clock_.now() - start); });
  for (const Duration later : {20ms, 30ms, 40ms}) timer.rearm(later);
  clock_.advance(40ms - 1ns);
  EXPECT_TRUE(calls.empty());
  clock_.advance(1ns);
  EXPECT_EQ((std::vector<Duration>{40ms}), calls);
}

TEST_F(TimerServiceSimulated, TheTickOfALateCallTellsBothInstants) {
  std::optional<Tick> told;
  const TimePoint start = clock_.now();
  const Timer timer = timers_->after(10ms, [&](const Tick& tick) { told = tick; });
  clock_.pass(95ms);
  EXPECT_EQ(1U, turn());
  ASSERT_TRUE(told);
  EXPECT_EQ(start + 10ms, told->scheduled);
  EXPECT_EQ(start + 95ms, told->now);
  EXPECT_EQ(1U, told->expirations);
}

// ---- O3: what a delay counts from

TEST_F(TimerServiceSimulated, O3_ADelayCountsFromTheCallAndNotFromTheBeginningOfTheTurn) {
  const TimePoint start = clock_.now();
  std::optional<TimePoint> by_after;
  std::optional<TimePoint> by_rearm;
  std::optional<TimePoint> by_every;
  Timer after;
  Timer every;
  Timer rearmed = timers_->make([&] { by_rearm = clock_.now(); });
  const Timer slow = timers_->after(10ms, [&] {
    clock_.pass(200ms);
    EXPECT_EQ(start + 10ms, reactor_->now());
    after = timers_->after(100ms, [&] { by_after = clock_.now(); });
    every = timers_->every(100ms, [&] { by_every = by_every.value_or(clock_.now()); });
    rearmed.rearm(100ms);
  });
  clock_.advance(1s);
  EXPECT_EQ(start + 310ms, by_after);
  EXPECT_EQ(start + 310ms, by_rearm);
  EXPECT_EQ(start + 310ms, by_every);
}

TEST_F(TimerServiceSimulated, O3_AnInstantCountedFromTheTurnsTimeIsTakenAsItIs) {
  const TimePoint start = clock_.now();
  std::optional<TimePoint> called;
  Timer idle = timers_->make([&] { called = clock_.now(); });
  const Timer slow = timers_->after(10ms, [&] {
    clock_.pass(200ms);
    idle.rearm_at(reactor_->now() + 500ms);
  });
  clock_.advance(1s);
  EXPECT_EQ(start + 510ms, called);
}

TEST_F(TimerServiceSimulated, O3_RearmAtReadsNoClock) {
  Timer idle = timers_->after(30s, [] {});
  const int before = alarms_.reads;
  for (int i = 0; i < 100; ++i) idle.rearm_at(TimePoint(kDay * 2 + Duration(i)));
  EXPECT_EQ(before, alarms_.reads);
}

TEST_P(TimerServiceOnEveryPoller, O3_ASlowCallbackMakesNoTimerEarly) {
  std::optional<TimePoint> called;
  TimePoint armed_at;
  Timer timer;
  const Timer slow = timers_->after(1ms, [&] {
    static_cast<void>(reactor_.now());
    be_busy_until(kernel_clock().now() + 30ms);
    armed_at = kernel_clock().now();
    timer = timers_->after(20ms, [&] { called = kernel_clock().now(); });
  });
  while (!called) reactor_.run_once();
  EXPECT_GE(*called - armed_at, 20ms);
}

// ---- O4: what run_once counts

TEST_F(TimerServiceSimulated, O4_RunOnceCountsTimersAndNotTheWakeUpsOfTheAlarm) {
  std::vector<Timer> handles;
  for (int i = 0; i < 3; ++i) handles.push_back(timers_->after(10ms, [] {}));
  handles.push_back(timers_->after(20ms, [] {}));
  clock_.pass(10ms);
  EXPECT_EQ(3U, reactor_->run_once(0ns));
  EXPECT_EQ(0U, reactor_->run_once(0ns));
  clock_.pass(10ms);
  handles.back().cancel();
  EXPECT_EQ(0U, reactor_->run_once(0ns)) << "an alarm for a cancelled timer is no callback";
  EXPECT_EQ(3U, reactor_->counters().callbacks);
}

TEST_P(TimerServiceOnEveryPoller, O4_RunOnceIsNotEndedByAWakeUpForACancelledTimer) {
  bool called = false;
  Timer cancelled = timers_->after(1ms, [] { FAIL(); });
  const Timer timer = timers_->after(20ms, [&] { called = true; });
  cancelled.cancel();
  EXPECT_EQ(1U, reactor_.run_once());
  EXPECT_TRUE(called);
}

// ---- TM6: the ends of the range

TEST_F(TimerServiceSimulated, TM6_ANegativeDelayIsZero) {
  int calls = 0;
  const TimePoint start = clock_.now();
  const auto count = [&](const Tick& tick) {
    ++calls;
    EXPECT_EQ(start, tick.scheduled);
  };
  const Timer one = timers_->after(-1ns, count);
  const Timer two = timers_->after(Duration::min(), count);
  const Timer three = timers_->after(0ns, count);
  EXPECT_EQ(3U, turn());
  EXPECT_EQ(3, calls);
  Timer four = timers_->make(count);
  four.rearm(Duration::min());
  EXPECT_EQ(1U, turn());
}

TEST(TimerServiceRange, TM6_LongDelaysAreExact) {
  const Duration lengths[] = {25 * kDay, 49 * kDay + 16h + 48min, (1LL << 31) * 1ms,
                              (1LL << 32) * 1ms, 106'000 * kDay};
  for (const Duration length : lengths) {
    SCOPED_TRACE(length.count());
    int calls = 0;
    Simulation clock;
    Reactor reactor({.poller = clock.make_poller(), .clock = &clock});
    TimerService timers(reactor);
    const Timer timer = timers.after(length, [&] { ++calls; });
    clock.advance(length - 1ns);
    EXPECT_EQ(0, calls);
    clock.advance(1ns);
    EXPECT_EQ(1, calls);
  }
}

TEST_F(TimerServiceSimulated, TM6_ADelayBeyondTheEndOfTimeIsNeverReached) {
  int calls = 0;
  std::vector<Timer> handles;
  handles.push_back(timers_->after(Duration::max(), [&] { ++calls; }));
  handles.push_back(timers_->at(TimePoint::max(), [&] { ++calls; }));
  handles.push_back(timers_->every(Duration::max(), [&] { ++calls; }));
  handles.push_back(timers_->every({.period = 1ms, .first = Duration::max()}, [&] { ++calls; }));
  handles.push_back(timers_->make([&] { ++calls; }));
  handles.back().rearm(Duration::max());
  for (const Timer& timer : handles) EXPECT_TRUE(timer.active());
  clock_.advance(290 * 365 * kDay);
  EXPECT_EQ(0, calls);
  EXPECT_EQ(0U, turn());
  for (Timer& timer : handles) timer.rearm(1ms);
  handles[3].cancel();
  clock_.advance(1ms);
  EXPECT_EQ(4, calls) << "and they can be armed for something else";
}

TEST_F(TimerServiceSimulated, TM6_TheLastInstantsAreReachedInOrder) {
  std::string calls;
  const Timer last = timers_->at(TimePoint::max() - 1ns, [&] { calls += 'b'; });
  const Timer before_last = timers_->at(TimePoint::max() - 2ns, [&] { calls += 'a'; });
  clock_.pass(TimePoint::max() - clock_.now() - 3ns);
  EXPECT_EQ(0U, turn());
  clock_.pass(1ns);
  EXPECT_EQ(1U, turn());
  clock_.pass(1ns);
  EXPECT_EQ(1U, turn());
  EXPECT_EQ("ab", calls);
}

TEST_F(TimerServiceSimulated, TM6_APeriodicTimerAtTheEndOfTimeStops) {
  int calls = 0;
  const Timer timer = timers_->every(100 * 365 * kDay, [&] { ++calls; });
  clock_.advance(290 * 365 * kDay);
  EXPECT_EQ(2, calls);
  clock_.advance(Duration::max());
  EXPECT_EQ(2, calls);
}

TEST_F(TimerServiceSimulated, TM6_AnInstantBeforeTheBeginningOfTimeMeansTheNextTurn) {
  int calls = 0;
  const Timer one = timers_->at(TimePoint::min(), [&] { ++calls; });
  const Timer two = timers_->at(TimePoint(), [&] { ++calls; });
  Timer ticking = timers_->make([&] { ++calls; });
  ticking.rearm_at(TimePoint::min());
  ticking.set_period(1s);
  for (const Timer* timer : {&one, &two, static_cast<const Timer*>(&ticking)}) {
    EXPECT_EQ(0ns, timer->remaining());
  }
  EXPECT_EQ(3U, turn());
  EXPECT_EQ(0U, turn());
  EXPECT_EQ(3, calls);
  EXPECT_LE(ticking.remaining(), 1s);
  EXPECT_GT(ticking.remaining(), 0ns);
}

TEST_F(TimerServiceSimulated, TM6_APeriodThatIsNotPositiveIsRefused) {
  for (const Duration period : {0ns, -1ns, Duration::min()}) {
    EXPECT_THROW(static_cast<void>(timers_->every(period, [] {})), std::invalid_argument);
    EXPECT_THROW(static_cast<void>(timers_->every({.period = period, .first = 1s}, [] {})),
                 std::invalid_argument);
    Timer timer = timers_->every(1s, [] {});
    EXPECT_THROW(timer.set_period(period), std::invalid_argument);
    EXPECT_EQ(1s, timer.remaining()) << "nothing has changed";
  }
  int calls = 0;
  Timer timer = timers_->every(1s, [&] { ++calls; });
  EXPECT_THROW(timer.set_period(0ns), std::invalid_argument);
  clock_.advance(3s);
  EXPECT_EQ(3, calls);
}

TEST_P(TimerServiceOnEveryPoller, TM6_AnEndlessDelayNeitherFiresNorKeepsTheLoopAwake) {
  std::vector<Timer> handles;
  const auto fail = [] { FAIL(); };
  for (const Duration delay : {25 * kDay, 50 * kDay, 292 * 365 * kDay, Duration::max()}) {
    handles.push_back(timers_->after(delay, fail));
    handles.push_back(timers_->every(delay, fail));
  }
  handles.push_back(timers_->at(TimePoint::max(), fail));
  handles.push_back(timers_->at(TimePoint::max() - 1ns, fail));
  const std::uint64_t before = reactor_.counters().turns;
  EXPECT_EQ(0U, reactor_.run_once(50ms));
  EXPECT_LE(reactor_.counters().turns - before, 3U);
}

TEST_P(TimerServiceOnEveryPoller, TM6_AnAlarmFarAwayFromTheEpochIsNotEarly) {
  const Timer timer = timers_->at(TimePoint::max() - 1ns, [] { FAIL(); });
  const std::uint64_t before = reactor_.counters().turns;
  EXPECT_EQ(0U, reactor_.run_once(50ms));
  EXPECT_LE(reactor_.counters().turns - before, 3U);
}

TEST_P(TimerServiceOnEveryPoller, TM2_InstantsInThePastAreCalledInTheNextTurn) {
  std::string calls;
  const Timer b = timers_->at(TimePoint(1ns), [&] { calls += 'b'; });
  const Timer a = timers_->at(TimePoint::min(), [&] { calls += 'a'; });
  const Timer c = timers_->after(0ns, [&] { calls += 'c'; });
  EXPECT_EQ(3U, reactor_.run_once());
  EXPECT_EQ("abc", calls);
}

TEST_P(TimerServiceOnEveryPoller, T9_NoDescriptorLeaksWhenAnExceptionFlies) {
  const DescriptorsBefore before;
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

// ---- TM7: one engine for all clocks

TEST_F(TimerServiceSimulated, TM7_TheEngineCountsNanosecondsOfItsOwnClock) {
  clock_.suspend(1h);  // from here on no two clocks show the same
  for (const ClockId id : {ClockId::steady, ClockId::boot, ClockId::wall}) {
    const auto timers = UntypedTimers::make(*reactor_, id, 1);
    UntypedTick told = {};
    const auto note = [&told](const UntypedTick& tick) { told = tick; };
    const HandlerId timer = timers->add("a test", note, {});
    const Duration deadline = timers->deadline_after(10ms);
    timers->start(timer.slot, deadline);
    clock_.advance(30ms);
    EXPECT_EQ(deadline, told.scheduled);
    EXPECT_EQ(deadline + 20ms, timers->clock_now());
    EXPECT_EQ(1U, told.expirations);
    timers->end();
    EXPECT_EQ(HandlerId{}, timers->add("a test", note, {})) << "it drops what comes now";
  }
}

// ---- the handle

TEST_F(TimerServiceSimulated, AOneShotThatHasFiredCanBeArmedAgain) {
  std::vector<Duration> calls;
  const TimePoint start = clock_.now();
  Timer timer = timers_->after(10ms, [&] { calls.push_back(clock_.now() - start); });
  clock_.advance(20ms);
  EXPECT_FALSE(timer.active());
  timer.rearm(10ms);
  EXPECT_TRUE(timer.active());
  clock_.advance(20ms);
  timer.rearm_at(start + 50ms);
  clock_.advance(20ms);
  EXPECT_EQ((std::vector<Duration>{10ms, 30ms, 50ms}), calls);
}

TEST_F(TimerServiceSimulated, AMadeTimerWaitsToBeArmed) {
  int calls = 0;
  Timer timer = timers_->make([&] { ++calls; });
  EXPECT_FALSE(timer.active());
  clock_.advance(kDay);
  EXPECT_EQ(0, calls);
  timer.rearm(1ms);
  EXPECT_TRUE(timer.active());
  clock_.advance(1ms);
  EXPECT_EQ(1, calls);
}

TEST_F(TimerServiceSimulated, RearmingEarlierIsCalledEarlierAndOnlyOnce) {
  std::vector<Duration> calls;
  const TimePoint start = clock_.now();
  Timer timer = timers_->after(1s, [&] { calls.push_back(clock_.now() - start); });
  timer.rearm(10ms);
  clock_.advance(2s);
  EXPECT_EQ((std::vector<Duration>{10ms}), calls);
}

TEST_F(TimerServiceSimulated, ADisarmedTimerKeepsItsCallbackAndIsNotCalled) {
  int calls = 0;
  Timer timer = timers_->after(10ms, [&] { ++calls; });
  timer.disarm();
  EXPECT_FALSE(timer.active());
  EXPECT_EQ(0ns, timer.remaining());
  timer.disarm();
  clock_.advance(1s);
  EXPECT_EQ(0, calls);
  timer.rearm(10ms);
  clock_.advance(10ms);
  EXPECT_EQ(1, calls);
}

TEST_F(TimerServiceSimulated, RemainingCountsDownToZero) {
  Timer timer = timers_->after(10ms, [] {});
  EXPECT_EQ(10ms, timer.remaining());
  clock_.pass(4ms);
  EXPECT_EQ(6ms, timer.remaining());
  timer.rearm_at(clock_.now() + 1s);
  EXPECT_EQ(1s, timer.remaining());
  clock_.pass(2s);
  EXPECT_EQ(0ns, timer.remaining()) << "it is late";
  turn();
  EXPECT_EQ(0ns, timer.remaining()) << "it is not armed";
  EXPECT_EQ(0ns, Timer().remaining());
}

TEST_F(TimerServiceSimulated, MovingAHandleMovesTheTimer) {
  int calls = 0;
  Timer first = timers_->after(10ms, [&] { ++calls; });
  Timer second = std::move(first);
  EXPECT_FALSE(first.active());  // NOLINT(bugprone-use-after-move): that it is empty is the point
  EXPECT_TRUE(second);
  clock_.advance(10ms);
  EXPECT_EQ(1, calls);
  second.rearm(10ms);
  first = std::move(second);
  clock_.advance(10ms);
  EXPECT_EQ(2, calls);
}

TEST_F(TimerServiceSimulated, AnEmptyHandleHasNothingToChange) {
  Timer cancelled = timers_->after(10ms, [] { FAIL(); });
  cancelled.cancel();
  cancelled.cancel();
  Timer moved_from = timers_->after(10ms, [] {});
  const Timer moved_to = std::move(moved_from);
  Timer never;
  for (Timer* empty : {&cancelled, &moved_from, &never}) {
    EXPECT_FALSE(empty->active());
    EXPECT_THROW(empty->rearm(1ms), std::logic_error);
    EXPECT_THROW(empty->rearm_at(clock_.now()), std::logic_error);
    EXPECT_THROW(empty->set_period(1ms), std::logic_error);
    EXPECT_THROW(empty->disarm(), std::logic_error);
    EXPECT_EQ(0ns, empty->remaining());
    empty->cancel();
  }
  EXPECT_NE(std::string::npos,
            message_of<std::logic_error>([&] { never.rearm(1ms); }).find("Timer::rearm"));
  clock_.advance(1s);
}

TEST_F(TimerServiceSimulated, TakesCallablesWithAndWithoutATick) {
  int calls = 0;
  struct Owner {
    int& calls;
    std::unique_ptr<int> cannot_be_copied = std::make_unique<int>(1);
    void operator()() { calls += *cannot_be_copied; }
  };
  std::vector<Timer> handles;
  handles.push_back(timers_->after(1ms, Owner{calls}));
  handles.push_back(timers_->after(1ms, [&calls](Tick) { ++calls; }));
  handles.push_back(timers_->after(1ms, [&calls](const Tick&) mutable { return ++calls; }));
  auto named = [&calls] { ++calls; };
  handles.push_back(timers_->every(1ms, named, "a name"));
  clock_.advance(1ms);
  EXPECT_EQ(4, calls);
}

TEST_F(TimerServiceSimulated, TellsItsReactorAndItsClock) {
  EXPECT_EQ(reactor_.get(), &timers_->reactor());
  EXPECT_EQ(clock_.now(), timers_->clock_now());
}

TEST_F(TimerServiceSimulated, TwoServicesOfOneReactorAreIndependent) {
  std::string calls;
  TimerService other(*reactor_);
  const Timer b = timers_->after(2ms, [&] { calls += 'b'; });
  const Timer a = other.after(1ms, [&] { calls += 'a'; });
  const Timer c = other.after(3ms, [&] { calls += 'c'; });
  clock_.advance(10ms);
  EXPECT_EQ("abc", calls);
}

TEST_F(TimerServiceSimulated, SIM1_AdvanceRunsTimersThatTimersArmAtTheirInstants) {
  std::vector<Duration> calls;
  const TimePoint start = clock_.now();
  Timer chain = timers_->make([&] {
    calls.push_back(clock_.now() - start);
    if (calls.size() < 5) chain.rearm(calls.size() % 2 == 0 ? 0ns : 7ms);
  });
  chain.rearm(7ms);
  clock_.advance(1s);
  EXPECT_EQ((std::vector<Duration>{7ms, 14ms, 14ms, 21ms, 21ms}), calls);
}

// ---- the wrong thread, the wrong process

TEST_F(TimerServiceSimulated, O7_AnotherThreadIsRefused) {
  Timer timer = timers_->after(10ms, [] {});
  std::thread([&] {
    EXPECT_THROW(static_cast<void>(timers_->after(1ms, [] {})), std::logic_error);
    EXPECT_THROW(static_cast<void>(timers_->at(TimePoint(), [] {})), std::logic_error);
    EXPECT_THROW(static_cast<void>(timers_->every(1ms, [] {})), std::logic_error);
    EXPECT_THROW(static_cast<void>(timers_->make([] {})), std::logic_error);
    EXPECT_THROW(timer.rearm(1ms), std::logic_error);
    EXPECT_THROW(timer.rearm_at(TimePoint()), std::logic_error);
    EXPECT_THROW(timer.set_period(1ms), std::logic_error);
    EXPECT_THROW(timer.disarm(), std::logic_error);
    EXPECT_THROW(TimerService another(*reactor_), std::logic_error);
  }).join();
  EXPECT_EQ(10ms, timer.remaining());
}

struct OwnLoop {
  Reactor reactor;
  std::optional<TimerService> timers{std::in_place, reactor};
  std::optional<Timer> timer{timers->after(1s, [] {})};
};

TEST(TimerServiceDeathTest, O7_WhatMayNotThrowEndsTheProgramOnAnotherThread) {
  const auto on_another_thread = [](void (*act)(OwnLoop&)) {
    OwnLoop loop;
    std::thread(act, std::ref(loop)).join();
  };
  EXPECT_DEATH(on_another_thread([](OwnLoop& loop) { loop.timer->cancel(); }),
               "Handle::cancel.*another thread");
  EXPECT_DEATH(on_another_thread([](OwnLoop& loop) { static_cast<void>(loop.timer->remaining()); }),
               "Timer::remaining.*another thread");
  EXPECT_DEATH(on_another_thread([](OwnLoop& loop) { loop.timer.reset(); }), "another thread");
  EXPECT_DEATH(on_another_thread([](OwnLoop& loop) { loop.timers.reset(); }),
               "~TimerService.*another thread");
}

TEST_P(TimerServiceOnEveryPoller, O8_AForkedChildIsRefusedAndLeavesTheParentAlone) {
  int calls = 0;
  std::optional<Timer> timer = timers_->after(5ms, [&] { ++calls; });
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    EXPECT_THROW(static_cast<void>(timers_->after(1ms, [] {})), std::logic_error);
    EXPECT_THROW(timer->rearm(1h), std::logic_error);
    EXPECT_THROW(timer->disarm(), std::logic_error);
    EXPECT_LE(timer->remaining(), 5ms) << "which does no harm";
    timer.reset();
    timers_.reset();
  }));
  EXPECT_EQ(1U, reactor_.run_once());
  EXPECT_EQ(1, calls);
}

}  // namespace
}  // namespace detent
