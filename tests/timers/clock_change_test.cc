// SPDX-License-Identifier: BSL-1.0
// TM7: timers on the wall clock when that is set, and who is told of it. What steady and boot
// timers make of it, and of a machine that was suspended.
#include "detent/poller.h"
#include "detent/simulation.h"
#include "detent/timer_service.h"
#include "support/kernel_double.h"
#include "support/kernel_view.h"
#include "support/machine_clock.h"
#include "support/shifted_clock.h"
#include "support/standard.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;

Duration change_of(const ClockChange& change) { return change.new_offset - change.old_offset; }

// What one call was told, in wall time since the test began.
struct Told {
  Duration scheduled;
  Duration now;
  std::uint64_t expirations;
  friend bool operator==(const Told&, const Told&) = default;
};
void PrintTo(const Told& told, std::ostream* out) {
  *out << told.scheduled / 1ms << " ms, called at " << told.now / 1ms << " ms, " << told.expirations
       << " times";
}

class ClockChangeSimulated : public testing_support::SimulatedTimers {
 protected:
  explicit ClockChangeSimulated(TimerServiceOptions options = {}) : SimulatedTimers(options) {}

  auto record() {
    return [this](const WallTick& tick) {
      told_.push_back({tick.scheduled - start_, tick.now - start_, tick.expirations});
    };
  }
  auto note() {
    return [this](const ClockChange& change) { changes_.push_back(change_of(change)); };
  }
  void set_clock_by(Duration d) { clock_.set_wall(clock_.wall_now() + d); }
  // A wait of the loop that ends by what has happened already.
  void settle() { clock_.advance(0ns); }

  const WallTime start_ = clock_.wall_now();
  std::vector<Told> told_;
  std::vector<Duration> changes_;
  std::optional<WallTimerService> wall_{std::in_place, *reactor_};
};

// ---- timers when the wall clock is set

TEST_F(ClockChangeSimulated, TM7_AWallTimerIsCalledAtItsInstantAndNotANanosecondBefore) {
  const WallTimer timer = wall_->at(start_ + 1h, record());
  clock_.advance(1h - 1ns);
  EXPECT_TRUE(told_.empty());
  clock_.advance(1ns);
  EXPECT_EQ((std::vector<Told>{{1h, 1h, 1}}), told_);
}

TEST_F(ClockChangeSimulated, TM7_AfterAForwardJumpAMissedInstantIsToldOnceAndLate) {
  const WallTimer timer = wall_->at(start_ + 1h, record());
  set_clock_by(3h);
  settle();
  EXPECT_EQ((std::vector<Told>{{1h, 3h, 1}}), told_);
  clock_.advance(24h);
  EXPECT_EQ(1U, told_.size());
}

TEST_F(ClockChangeSimulated, TM7_AForwardJumpThatDoesNotReachTheInstantBringsItNearer) {
  const WallTimer timer = wall_->at(start_ + 1h, record());
  set_clock_by(50min);
  clock_.advance(10min - 1ns);
  EXPECT_TRUE(told_.empty());
  clock_.advance(1ns);
  EXPECT_EQ((std::vector<Told>{{1h, 1h, 1}}), told_);
}

TEST_F(ClockChangeSimulated,
       TM7_AfterAForwardJumpAPeriodicTimerCountsWhatWasSkippedAndKeepsItsGrid) {
  const WallTimer timer = wall_->every(1min, record());
  clock_.advance(90s);
  set_clock_by(1h);
  settle();
  clock_.advance(1min);
  EXPECT_EQ((std::vector<Told>{{1min, 1min, 1}, {2min, 1h + 90s, 60}, {62min, 62min, 1}}), told_);
}

TEST_F(ClockChangeSimulated, TM7_AfterAForwardJumpEachSkippedInstantIsToldOnceIfAskedFor) {
  const WallTimer timer = wall_->every({.period = 1min, .missed = Missed::each}, record());
  set_clock_by(3min);
  settle();
  EXPECT_EQ((std::vector<Told>{{1min, 3min, 1}, {2min, 3min, 1}, {3min, 3min, 1}}), told_);
}

TEST_F(ClockChangeSimulated, TM7_AfterABackwardJumpNoInstantIsToldAgain) {
  const WallTimer once = wall_->at(start_ + 5min, record());
  const WallTimer timer = wall_->every(2min, record());
  clock_.advance(6min);
  const std::vector<Told> before = {
      {2min, 2min, 1}, {4min, 4min, 1}, {5min, 5min, 1}, {6min, 6min, 1}};
  EXPECT_EQ(before, told_);
  set_clock_by(-6min);
  clock_.advance(8min - 1ns);
  EXPECT_EQ(before, told_) << "silent until its next tick";
  clock_.advance(1ns);
  ASSERT_EQ(before.size() + 1, told_.size());
  EXPECT_EQ((Told{8min, 8min, 1}), told_.back()) << "on the same grid";
}

TEST_F(ClockChangeSimulated, TM7_ABackwardJumpPutsOffWhatHasNotBeenTold) {
  const WallTimer timer = wall_->at(start_ + 1h, record());
  clock_.advance(59min);
  set_clock_by(-24h);
  clock_.advance(24h + 1min - 1ns);
  EXPECT_TRUE(told_.empty());
  clock_.advance(1ns);
  EXPECT_EQ((std::vector<Told>{{1h, 1h, 1}}), told_);
}

TEST_F(ClockChangeSimulated, TM7_BackAndForthAndBackTellsEachInstantOnce) {
  const WallTimer timer = wall_->every({.period = 1s, .missed = Missed::each}, record());
  for (int i = 0; i < 20; ++i) {
    clock_.advance(1500ms);
    set_clock_by(i % 2 == 0 ? -7s : 7s);
    settle();
  }
  for (std::size_t i = 0; i < told_.size(); ++i) {
    EXPECT_EQ(static_cast<std::int64_t>(i + 1) * 1s, told_[i].scheduled);
    EXPECT_GE(told_[i].now, told_[i].scheduled);
  }
  EXPECT_GE(told_.size(), 20U);
}

// What was due when a throw ended the turn may not be any more in the next one.
TEST_F(ClockChangeSimulated,
       TM7_TM1_ABatchThatAThrowLeftOverIsLookedAtAgainWhenTheClockWasSetBack) {
  const WallTimer thrower = wall_->at(start_ + 1min, [] { throw std::runtime_error("thrown"); });
  const WallTimer once = wall_->at(start_ + 1min, record());
  const WallTimer timer = wall_->every(1min, record());
  clock_.pass(1min);
  EXPECT_THROW(turn(), std::runtime_error);
  set_clock_by(-1h);
  settle();
  EXPECT_TRUE(told_.empty());
  EXPECT_TRUE(once.active());
  clock_.advance(1h - 1ns);
  EXPECT_TRUE(told_.empty());
  clock_.advance(1ns);
  EXPECT_EQ((std::vector<Told>{{1min, 1min, 1}, {1min, 1min, 1}}), told_);
}

TEST_F(ClockChangeSimulated, TM7_OtherServicesDoNotSeeTheWallClock) {
  BootTimerService boot(*reactor_);
  int steady_calls = 0;
  int boot_calls = 0;
  const Timer steady_timer = timers_->every(1s, [&] { ++steady_calls; });
  const BootTimer boot_timer = boot.every(1s, [&] { ++boot_calls; });
  for (int i = 0; i < 10; ++i) {
    set_clock_by(i % 2 == 0 ? 24h : -48h);
    clock_.advance(1s);
  }
  EXPECT_EQ(10, steady_calls);
  EXPECT_EQ(10, boot_calls);
}

// ---- suspend

TEST_F(ClockChangeSimulated,
       TM7_BootAndWallTimersGoOnWhileTheMachineIsSuspendedAndSteadyOnesDoNot) {
  BootTimerService boot(*reactor_);
  std::vector<BootTick> boot_ticks;
  int steady_calls = 0;
  const BootTimer boot_timer =
      boot.every(10min, [&](const BootTick& tick) { boot_ticks.push_back(tick); });
  const Timer steady_timer = timers_->every(10min, [&] { ++steady_calls; });
  const WallTimer wall_timer = wall_->every(10min, record());
  const BootTime boot_start = clock_.boot_now();
  clock_.advance(5min);
  clock_.suspend(1h);
  settle();
  EXPECT_EQ(0, steady_calls);
  ASSERT_EQ(1U, boot_ticks.size());
  EXPECT_EQ(boot_start + 10min, boot_ticks[0].scheduled);
  EXPECT_EQ(boot_start + 65min, boot_ticks[0].now);
  EXPECT_EQ(6U, boot_ticks[0].expirations);
  EXPECT_EQ((std::vector<Told>{{10min, 65min, 6}}), told_);
  clock_.advance(5min);
  EXPECT_EQ(1, steady_calls);
  EXPECT_EQ(2U, boot_ticks.size());
  EXPECT_EQ((Told{70min, 70min, 1}), told_.back());
}

TEST_F(ClockChangeSimulated, TM7_ASuspendChangesTheOffsetToo) {
  const Handle handle = wall_->on_clock_change(note());
  clock_.suspend(8h);
  settle();
  EXPECT_EQ((std::vector<Duration>{8h}), changes_);
}

// ---- who is told

static_assert(requires(WallTimerService & timers) {
  timers.on_clock_change([](const ClockChange&) {});
});
template <class Service>
constexpr bool kTellsOfChanges = requires(Service& timers) {
  timers.on_clock_change([](const ClockChange&) {});
};
static_assert(kTellsOfChanges<WallTimerService> && !kTellsOfChanges<TimerService> &&
              !kTellsOfChanges<BootTimerService>);

TEST_F(ClockChangeSimulated, TM7_AChangeIsToldWithTheOffsetsBeforeAndAfter) {
  const auto offset = [this] {
    return clock_.wall_now().time_since_epoch() - clock_.now().time_since_epoch();
  };
  const Duration before = offset();
  std::vector<ClockChange> changes;
  const Handle handle =
      wall_->on_clock_change([&](const ClockChange& change) { changes.push_back(change); });
  clock_.advance(1h);
  set_clock_by(90min);
  settle();
  ASSERT_EQ(1U, changes.size());
  EXPECT_EQ(before, changes[0].old_offset);
  EXPECT_EQ(before + 90min, changes[0].new_offset);
  EXPECT_EQ(offset(), changes[0].new_offset);
  clock_.advance(1h);
  set_clock_by(-24h);
  settle();
  ASSERT_EQ(2U, changes.size());
  EXPECT_EQ(before + 90min, changes[1].old_offset);
  EXPECT_EQ(before + 90min - 24h, changes[1].new_offset);
}

TEST_F(ClockChangeSimulated, TM7_AChangeIsToldWithoutAnyTimer) {
  const Handle handle = wall_->on_clock_change(note());
  for (const Duration d : {Duration(1ns), Duration(-1ns), Duration(24h)}) {
    set_clock_by(d);
    EXPECT_EQ(1U, turn()) << "a call that counts";
    EXPECT_EQ(0U, turn());
  }
  EXPECT_EQ((std::vector<Duration>{1ns, -1ns, 24h}), changes_);
}

TEST_F(ClockChangeSimulated, TM7_AChangeIsToldBeforeTheTimersThatItMakesDue) {
  std::string order;
  const WallTimer timer = wall_->at(start_ + 1h, [&] { order += 't'; });
  WallTimer cancelled = wall_->at(start_ + 1h, [] { FAIL(); });
  const Handle handle = wall_->on_clock_change([&](const ClockChange&) {
    order += 'c';
    cancelled.cancel();
  });
  set_clock_by(2h);
  settle();
  EXPECT_EQ("ct", order);
}

TEST_F(ClockChangeSimulated, TM7_AllAreToldInTheOrderInWhichTheyAsked) {
  std::string order;
  const Handle a = wall_->on_clock_change([&](const ClockChange&) { order += 'a'; });
  const Handle b = wall_->on_clock_change([&](const ClockChange&) { order += 'b'; });
  const Handle c = wall_->on_clock_change([&](const ClockChange&) { order += 'c'; });
  set_clock_by(1s);
  EXPECT_EQ(3U, turn());
  EXPECT_EQ("abc", order);
}

TEST_F(ClockChangeSimulated, TM7_NothingIsToldOfTimeThatPasses) {
  const Handle handle = wall_->on_clock_change(note());
  const WallTimer timer = wall_->every(1s, [] {});
  clock_.advance(1h);
  clock_.pass(24h);
  settle();
  EXPECT_TRUE(changes_.empty());
}

TEST_F(ClockChangeSimulated, TM7_WhoAsksAfterAChangeIsNotToldOfIt) {
  const Handle first = wall_->on_clock_change(note());
  set_clock_by(1h);
  std::vector<Duration> later;
  const Handle second = wall_->on_clock_change(
      [&](const ClockChange& change) { later.push_back(change_of(change)); });
  settle();
  EXPECT_EQ((std::vector<Duration>{1h}), changes_);
  EXPECT_TRUE(later.empty());
  set_clock_by(1min);
  settle();
  EXPECT_EQ((std::vector<Duration>{1min}), later);
}

TEST_F(ClockChangeSimulated, TM7_WhoAsksInACallbackHearsOfTheNextChange) {
  std::vector<Handle> handles;
  int calls = 0;
  handles.push_back(wall_->on_clock_change([&](const ClockChange&) {
    if (handles.size() < 50)
      handles.push_back(wall_->on_clock_change([&](const ClockChange&) { ++calls; }));
  }));
  set_clock_by(1h);
  settle();
  EXPECT_EQ(0, calls);
  set_clock_by(1h);
  settle();
  EXPECT_EQ(1, calls);
}

// Arming takes back what an alarm had to tell, as timerfd_settime(2) does.
TEST_F(ClockChangeSimulated, TM7_ArmingTheAlarmDoesNotLoseAChange) {
  const Handle handle = wall_->on_clock_change(note());
  set_clock_by(-1h);
  const WallTimer timer = wall_->after(1h, [] {});
  settle();
  EXPECT_EQ((std::vector<Duration>{-1h}), changes_);
}

TEST_F(ClockChangeSimulated, TM7_NorDoesARunOfTimersInWhichTheClockIsSet) {
  const Handle handle = wall_->on_clock_change(note());
  const WallTimer setter = wall_->after(1s, [this] { set_clock_by(24h); });
  clock_.advance(1s);
  EXPECT_EQ((std::vector<Duration>{24h}), changes_);
}

TEST_F(ClockChangeSimulated, TM7_ACallbackMaySetTheClockAndIsToldInTheNextTurn) {
  const Handle handle = wall_->on_clock_change([this](const ClockChange& change) {
    changes_.push_back(change_of(change));
    if (changes_.size() < 3) set_clock_by(1min);
  });
  set_clock_by(1h);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(1U, turn());
  EXPECT_EQ(0U, turn());
  EXPECT_EQ((std::vector<Duration>{1h, 1min, 1min}), changes_);
}

// ---- a callback that throws

TEST_F(ClockChangeSimulated, TM7_O6_AThrowLosesNobodyAndNoTimer) {
  const Handle thrower =
      wall_->on_clock_change([](const ClockChange&) { throw std::runtime_error("thrown"); });
  const Handle other = wall_->on_clock_change(note());
  const WallTimer timer = wall_->at(start_ + 1h, record());
  set_clock_by(2h);
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_TRUE(changes_.empty());
  EXPECT_EQ(2U, reactor_->run_once());
  EXPECT_EQ((std::vector<Duration>{2h}), changes_);
  EXPECT_EQ((std::vector<Told>{{1h, 2h, 1}}), told_);
  EXPECT_EQ(0U, turn());
}

TEST_F(ClockChangeSimulated, TM7_O6_ChangesThatCameTogetherAreToldAsOne) {
  const Handle thrower =
      wall_->on_clock_change([](const ClockChange&) { throw std::runtime_error("thrown"); });
  const Handle other = wall_->on_clock_change(note());
  set_clock_by(2h);
  EXPECT_THROW(turn(), std::runtime_error);
  set_clock_by(1h);
  EXPECT_THROW(turn(), std::runtime_error);
  turn();
  EXPECT_EQ((std::vector<Duration>{3h}), changes_);
}

// ---- the alarm

TEST_F(ClockChangeSimulated, TM7_TM9_TheAlarmIsArmedWhileSomebodyListensAndOnlyThen) {
  const int before = alarms_.alarm_calls();
  Handle handle = wall_->on_clock_change(note());
  EXPECT_EQ(before + 1, alarms_.alarm_calls());
  EXPECT_EQ(Duration::max(), alarms_.deadline);
  handle.cancel();
  EXPECT_EQ(before + 1, alarms_.alarm_calls()) << "it may go on until it rings next";
  set_clock_by(1s);
  settle();
  EXPECT_EQ(std::nullopt, alarms_.deadline);
  EXPECT_TRUE(changes_.empty());
}

TEST_F(ClockChangeSimulated, TM7_ListeningLetsTheLoopSleep) {
  const Handle handle = wall_->on_clock_change(note());
  const std::uint64_t turns = reactor_->counters().turns;
  clock_.set_auto_advance(true);
  EXPECT_EQ(0U, reactor_->run_once(24h));
  EXPECT_EQ(1U, reactor_->counters().turns - turns);
}

TEST_F(ClockChangeSimulated, TM7_AnAlarmThatRingsForEverDoesNotKeepTheLoopAwake) {
  const WallTimer timer = wall_->every(10s, record());
  const Handle handle = wall_->on_clock_change(note());
  clock_.set_ready(alarms_.last_fd, {.readable = true});
  const std::uint64_t turns = reactor_->counters().turns;
  clock_.set_auto_advance(true);
  while (clock_.wall_now() < start_ + 1min) static_cast<void>(reactor_->run_once(1min));
  const std::uint64_t took = reactor_->counters().turns - turns;
  EXPECT_LE(took, 64U + 60U + 10U) << "then it is given up, and the clock looked at once a second";
  EXPECT_EQ(6U, told_.size());
  for (const Told& told : told_) EXPECT_EQ(told.scheduled, told.now) << "timers stay exact";
}

TEST_F(ClockChangeSimulated, TM7_WithoutTheKernelsHelpAChangeIsFoundWithinASecond) {
  const Handle handle = wall_->on_clock_change(note());
  clock_.set_ready(alarms_.last_fd, {.readable = true});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(0U, turn());
  const WallTimer timer = wall_->at(start_ + 2h, record());
  clock_.advance(10s);
  set_clock_by(1h);
  clock_.advance(1s);
  EXPECT_EQ((std::vector<Duration>{1h}), changes_);
  set_clock_by(24h);
  clock_.advance(1s);
  EXPECT_EQ((std::vector<Duration>{1h, 24h}), changes_);
  ASSERT_EQ(1U, told_.size());
  EXPECT_EQ(2h, told_[0].scheduled);
  set_clock_by(-24h);
  clock_.advance(1s);
  EXPECT_EQ((std::vector<Duration>{1h, 24h, -24h}), changes_);
  EXPECT_EQ(1U, told_.size());
}

TEST_F(ClockChangeSimulated, TM7_AClockAtTheEndOfTheRangeOverflowsNothing) {
  const WallTimer first = wall_->at(start_, record());
  turn();
  const WallTimer never = wall_->at(WallTime::max(), record());
  clock_.set_ready(alarms_.last_fd, {.readable = true});
  for (int i = 0; i < 100; ++i) turn();  // from here on the service looks for itself
  for (const WallTime far : {WallTime::min(), WallTime::max() - 1h, WallTime::min()}) {
    clock_.set_wall(far);
    clock_.advance(1s);
    if (far < start_) {
      EXPECT_EQ(Duration::max(), never.remaining());
    }
  }
  EXPECT_EQ(1U, told_.size());
}

TEST_F(ClockChangeSimulated, TM7_AnAlarmThatRingsEarlyNowAndThenIsKept) {
  const int made = alarms_.made;
  const WallTimer timer = wall_->at(start_ + 24h, record());
  const int fd = alarms_.last_fd;
  for (int i = 0; i < 1'000; ++i) {
    clock_.set_ready(fd, {.readable = true});
    turn();
    clock_.set_ready(fd, {});
    clock_.advance(50ms);
  }
  EXPECT_EQ(made, alarms_.made);
}

TEST_F(ClockChangeSimulated, TM7_AClockThatIsSetAllTheTimeIsNoReasonToGiveTheAlarmUp) {
  const int made = alarms_.made;
  const WallTimer timer = wall_->at(start_ + 24h, record());
  for (int i = 0; i < 1'000; ++i) {
    set_clock_by(i % 2 == 0 ? 1s : -1s);
    turn();
  }
  EXPECT_EQ(made, alarms_.made);
}

TEST_F(ClockChangeSimulated, TM7_O7_AnotherThreadIsRefused) {
  std::thread([this] {
    EXPECT_THROW(static_cast<void>(wall_->on_clock_change(note())), std::logic_error);
  }).join();
}

// ---- on every poller

class ClockChangeOnEveryPoller : public testing::TestWithParam<std::string_view> {};
DETENT_ON_EVERY_POLLER(ClockChangeOnEveryPoller);

TEST_P(ClockChangeOnEveryPoller, TM7_SIM1_AVirtualClockThatIsSetReachesTimersAndListeners) {
  Simulation clock;
  Reactor reactor({.poller = make_poller(GetParam()), .clock = &clock});
  WallTimerService wall(reactor);
  const WallTime start = clock.wall_now();
  std::vector<Duration> changes;
  std::vector<WallTick> ticks;
  const Handle handle = wall.on_clock_change(
      [&](const ClockChange& change) { changes.push_back(change_of(change)); });
  const WallTimer timer = wall.every(1min, [&](const WallTick& tick) { ticks.push_back(tick); });
  clock.set_wall(start + 1h);
  clock.advance(0ns);
  EXPECT_EQ((std::vector<Duration>{1h}), changes);
  ASSERT_EQ(1U, ticks.size());
  EXPECT_EQ(start + 1min, ticks[0].scheduled);
  EXPECT_EQ(start + 1h, ticks[0].now);
  EXPECT_EQ(60U, ticks[0].expirations);
  clock.set_wall(start);
  clock.advance(1h);
  EXPECT_EQ((std::vector<Duration>{1h, -1h}), changes);
  EXPECT_EQ(1U, ticks.size());
  clock.advance(1min);
  EXPECT_EQ(2U, ticks.size());
}

// The kernel's alarms and the kernel's time, but for a wall clock that the test moves.
TEST_P(ClockChangeOnEveryPoller, TM7_TheKernelsAlarmFollowsAClockThatIsSet) {
  testing_support::ShiftedClock clock;
  Reactor reactor({.poller = make_poller(GetParam()), .clock = &clock});
  WallTimerService wall(reactor);
  std::vector<Duration> changes;
  const Handle handle = wall.on_clock_change(
      [&](const ClockChange& change) { changes.push_back(change_of(change)); });
  const WallTime deadline = clock.wall_now() + 1h;
  std::vector<WallTick> ticks;
  const WallTimer timer = wall.at(deadline, [&](const WallTick& tick) { ticks.push_back(tick); });
  EXPECT_EQ(0U, reactor.dispatch());

  clock.shift(-24h);
  EXPECT_EQ(1U, reactor.run_once());
  ASSERT_EQ(1U, changes.size());
  EXPECT_LT(std::chrono::abs(changes[0] + 24h), 1h);
  EXPECT_TRUE(ticks.empty());

  clock.shift(25h + 1ms);
  EXPECT_EQ(2U, reactor.run_once());
  EXPECT_EQ(2U, changes.size());
  ASSERT_EQ(1U, ticks.size());
  EXPECT_EQ(deadline, ticks[0].scheduled);
  EXPECT_GT(ticks[0].now, deadline);
  EXPECT_EQ(0U, reactor.run_once(20ms));
}

TEST_P(ClockChangeOnEveryPoller, TM1_TM7_WallAndBootTimersAreNotEarly) {
  Reactor reactor(testing_support::on_poller(GetParam()));
  WallTimerService wall(reactor);
  BootTimerService boot(reactor);
  int left = 20;
  std::vector<WallTimer> wall_timers;
  std::vector<BootTimer> boot_timers;
  for (int i = 0; i < 10; ++i) {
    const Duration delay = i * 300us;
    wall_timers.push_back(wall.after(delay, [&](const WallTick& tick) {
      EXPECT_GE(wall.clock_now(), tick.scheduled);
      --left;
    }));
    boot_timers.push_back(boot.after(delay, [&](const BootTick& tick) {
      EXPECT_GE(boot.clock_now(), tick.scheduled);
      --left;
    }));
  }
  while (left > 0) static_cast<void>(reactor.run_once());
}

TEST_P(ClockChangeOnEveryPoller, TM7_EachServicesKernelTimerIsOnItsClock) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  testing_support::RecordingClock clock(kernel_clock());
  Reactor reactor({.poller = make_poller(GetParam()), .clock = &clock});
  WallTimerService wall(reactor);
  const WallTimer wall_timer = wall.after(1h, [] {});
  const std::string wall_info = testing_support::descriptor_info(clock.last_fd);
  EXPECT_NE(std::string::npos, wall_info.find("clockid: 0\n")) << wall_info;
  // TFD_TIMER_ABSTIME and TFD_TIMER_CANCEL_ON_SET, in octal.
  EXPECT_NE(std::string::npos, wall_info.find("settime flags: 03")) << wall_info;
  BootTimerService boot(reactor);
  const BootTimer boot_timer = boot.after(1h, [] {});
  const std::string boot_info = testing_support::descriptor_info(clock.last_fd);
  EXPECT_NE(std::string::npos, boot_info.find("clockid: 7\n")) << boot_info;
}

TEST_P(ClockChangeOnEveryPoller, TM7_AnAlarmThatRingsForEverDoesNotKeepTheLoopAwake) {
  testing_support::ShiftedClock clock;
  clock.ring_for_ever();
  Reactor reactor({.poller = make_poller(GetParam()), .clock = &clock});
  WallTimerService wall(reactor);
  int changes = 0;
  int ticks = 0;
  const Handle handle = wall.on_clock_change([&](const ClockChange&) { ++changes; });
  const WallTimer timer = wall.every(10ms, [&](const WallTick& tick) {
    ++ticks;
    EXPECT_GE(tick.now, tick.scheduled);
  });
  const std::uint64_t before = reactor.counters().turns;
  while (ticks < 10) static_cast<void>(reactor.run_once());
  EXPECT_LE(reactor.counters().turns - before, 64U + 40U);
  EXPECT_EQ(0, changes);
}

// One test for all pollers, so that it is asked for and said to be skipped once.
TEST(ClockChange, TM7_TheMachinesClockIsSetAndRestoredAtOnce) {
  DETENT_NEEDS_TO_SET_THE_CLOCK();
  DETENT_NEEDS_THE_REAL_KERNEL();  // where nobody tells, it would stay wrong for ten seconds
  for (const std::string_view poller : poller_names()) {
    SCOPED_TRACE(poller);
    Reactor reactor(testing_support::on_poller(poller));
    WallTimerService wall(reactor);
    TimerService steady(reactor);
    std::vector<Duration> changes;
    std::vector<WallTick> ticks;
    const Handle handle = wall.on_clock_change(
        [&](const ClockChange& change) { changes.push_back(change_of(change)); });
    const WallTimer skipped =
        wall.after(30min, [&](const WallTick& tick) { ticks.push_back(tick); });
    const WallTimer ahead = wall.after(2h, [] { FAIL(); });
    const Timer unconcerned = steady.after(30min, [] { FAIL(); });
    {
      const testing_support::MovedMachineClock moved(1h);
      EXPECT_EQ(2U, reactor.run_once(10s));
    }
    EXPECT_EQ(1U, reactor.run_once(10s));
    ASSERT_EQ(2U, changes.size());
    EXPECT_LT(std::chrono::abs(changes[0] - 1h), 1s);
    EXPECT_LT(std::chrono::abs(changes[1] + 1h), 1s);
    ASSERT_EQ(1U, ticks.size());
    EXPECT_GT(ticks[0].now - ticks[0].scheduled, 29min) << "late, and said to be";
    EXPECT_EQ(0U, reactor.run_once(10ms)) << "quiet again";
  }
}

}  // namespace
}  // namespace detent
