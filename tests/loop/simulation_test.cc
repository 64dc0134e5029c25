// SPDX-License-Identifier: BSL-1.0
#include "detent/simulation.h"

#include "support/errors.h"
#include "support/printing.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "support/wait_into.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

constexpr Interest kRead = {.readable = true};
constexpr Ready kReadable = {.readable = true};

HandlerId id_of(int fd) { return {.slot = static_cast<std::uint32_t>(fd), .generation = 1}; }

// The smallest loop: its callbacks are alarms', each with the descriptor's number as its name.
class AlarmLoop {
 public:
  explicit AlarmLoop(Simulation& clock, std::optional<std::uint64_t> seed = std::nullopt)
      : clock_(clock),
        poller_(clock.make_poller(seed)),
        attached_(clock.attach([this] { return turn(); })) {}

  using OnExpiry = Callback<void(Alarm&)>;
  Alarm& add(OnExpiry on_expiry, ClockId id = ClockId::steady) {
    rows_.push_back({clock_.make_alarm(id), std::move(on_expiry)});
    const int fd = rows_.back().alarm->fd();
    poller_->add(fd, kRead, {static_cast<std::uint32_t>(rows_.size() - 1), 1});
    return *rows_.back().alarm;
  }

 private:
  struct Row {
    std::unique_ptr<Alarm> alarm;
    OnExpiry on_expiry;
  };

  std::size_t turn() {
    wait_into(events_, *poller_, Duration::zero());
    for (const Event& event : events_) {
      Row& row = rows_[event.id.slot];
      row.alarm->disarm();
      row.on_expiry(*row.alarm);
    }
    return events_.size();
  }

  Simulation& clock_;
  std::unique_ptr<Poller> poller_;
  std::vector<Row> rows_;
  std::vector<Event> events_;
  Handle attached_;
};

class VirtualTime : public testing::Test {
 protected:
  Simulation clock_;
  const TimePoint start_ = clock_.now();
  const WallTime wall_start_ = clock_.wall_now();
  const BootTime boot_start_ = clock_.boot_now();
};

TEST_F(VirtualTime, StandsStillAndStartsAtTheSameInstantEachTime) {
  EXPECT_EQ(clock_.now(), start_);
  EXPECT_EQ(Simulation().now(), start_);
  EXPECT_EQ(Simulation().wall_now(), wall_start_);
}

TEST_F(VirtualTime, AdvancingMovesAllThreeClocks) {
  clock_.advance(3s);
  EXPECT_EQ(clock_.now(), start_ + 3s);
  EXPECT_EQ(clock_.wall_now(), wall_start_ + 3s);
  EXPECT_EQ(clock_.boot_now(), boot_start_ + 3s);
}

TEST_F(VirtualTime, SIM1_AdvanceRunsEachDeadlineInOrderWithNowExactlyThere) {
  AlarmLoop loop(clock_);
  std::vector<Duration> seen;
  const auto note = [&](Alarm&) { seen.push_back(clock_.now() - start_); };
  for (const Duration delay : {Duration(3s), Duration(1ns), Duration(2s), Duration(5s)}) {
    loop.add(note).arm(start_ + delay);
  }
  clock_.advance(4s);
  EXPECT_EQ(seen, (std::vector<Duration>{1ns, 2s, 3s}));
  EXPECT_EQ(clock_.now(), start_ + 4s);
  clock_.advance(1s);
  EXPECT_EQ(seen.back(), 5s) << "a deadline at the very end belongs to the advance";
}

TEST_F(VirtualTime, SIM1_WhatIsArmedOnTheWayIsRunOnTheWay) {
  AlarmLoop loop(clock_);
  std::vector<Duration> seen;
  Alarm& periodic = loop.add([&](Alarm& alarm) {
    seen.push_back(clock_.now() - start_);
    alarm.arm(clock_.now() + 1s);
  });
  periodic.arm(start_ + 1s);
  clock_.advance(1h);
  EXPECT_EQ(seen.size(), 3600U);
  EXPECT_EQ(seen.back(), 1h);
}

TEST_F(VirtualTime, SIM1_AnOverdueAlarmRunsBeforeTimeGoesOn) {
  AlarmLoop loop(clock_);
  std::optional<TimePoint> seen;
  loop.add([&](Alarm&) { seen = clock_.now(); }).arm(start_);
  clock_.advance(1s);
  EXPECT_EQ(seen, start_);
}

TEST_F(VirtualTime, ADisarmedAlarmIsNotRun) {
  AlarmLoop loop(clock_);
  int calls = 0;
  Alarm& alarm = loop.add([&](Alarm&) { ++calls; });
  alarm.arm(start_ + 1s);
  alarm.disarm();
  clock_.advance(1h);
  EXPECT_EQ(calls, 0);
}

TEST_F(VirtualTime, AnAlarmThatIsGoneIsNoDeadline) {
  int turns = 0;
  const Handle attached = clock_.attach([&]() -> std::size_t {
    ++turns;
    return 0;
  });
  const auto turns_of_a_second = [&] {
    turns = 0;
    clock_.advance(1s);
    return turns;
  };
  const int without = turns_of_a_second();
  clock_.make_alarm(ClockId::steady)->arm(clock_.now() + 1ms);
  EXPECT_EQ(turns_of_a_second(), without);
}

TEST_F(VirtualTime, AllLoopsOfAClockRunAtEachDeadline) {
  AlarmLoop first(clock_);
  AlarmLoop second(clock_);
  std::string seen;
  first.add([&](Alarm&) { seen += 'a'; }).arm(start_ + 2s);
  second.add([&](Alarm&) { seen += 'b'; }).arm(start_ + 1s);
  first.add([&](Alarm&) { seen += 'c'; }).arm(start_ + 3s);
  clock_.advance(3s);
  EXPECT_EQ(seen, "bac");
}

TEST_F(VirtualTime, ALoopThatIsGoneIsNotRun) {
  std::optional<AlarmLoop> loop(std::in_place, clock_);
  int calls = 0;
  loop->add([&](Alarm&) { ++calls; }).arm(start_ + 1s);
  loop.reset();
  clock_.advance(1h);
  EXPECT_EQ(calls, 0);
}

TEST_F(VirtualTime, PassLetsNothingRun) {
  AlarmLoop loop(clock_);
  std::vector<Duration> seen;
  loop.add([&](Alarm&) { seen.push_back(clock_.now() - start_); }).arm(start_ + 1s);
  clock_.pass(10s);
  EXPECT_EQ(clock_.now(), start_ + 10s);
  EXPECT_TRUE(seen.empty());
  clock_.advance(0s);
  EXPECT_EQ(seen, std::vector<Duration>{10s}) << "late, as after a callback that blocked";
}

TEST_F(VirtualTime, PassInACallbackMakesTheRestLate) {
  AlarmLoop loop(clock_);
  std::optional<TimePoint> seen;
  loop.add([&](Alarm&) { clock_.pass(5s); }).arm(start_ + 1s);
  loop.add([&](Alarm&) { seen = clock_.now(); }).arm(start_ + 2s);
  clock_.advance(1s);
  EXPECT_EQ(seen, start_ + 6s);
}

TEST_F(VirtualTime, AnAdvanceThatACallbackOvertookDoesNotTurnTimeBack) {
  AlarmLoop loop(clock_);
  loop.add([&](Alarm&) { clock_.pass(5s); }).arm(start_ + 1s);
  clock_.advance(2s);
  EXPECT_EQ(clock_.now(), start_ + 6s);
}

TEST_F(VirtualTime, WhatACallbackThrowsLeavesAdvanceWithTimeStandingThere) {
  AlarmLoop loop(clock_);
  loop.add([](Alarm&) { throw std::runtime_error("thrown"); }).arm(start_ + 2s);
  EXPECT_THROW(clock_.advance(1h), std::runtime_error);
  EXPECT_EQ(clock_.now(), start_ + 2s);
  EXPECT_NO_THROW(clock_.advance(1s));
  EXPECT_EQ(clock_.now(), start_ + 3s);
}

TEST_F(VirtualTime, AdvancingInACallbackIsALogicError) {
  AlarmLoop loop(clock_);
  std::string message;
  loop.add([&](Alarm&) { message = message_of<std::logic_error>([&] { clock_.advance(1s); }); })
      .arm(start_ + 1s);
  clock_.advance(1s);
  EXPECT_NE(message.find("advance"), std::string::npos) << message;
  EXPECT_EQ(clock_.now(), start_ + 1s);
}

TEST_F(VirtualTime, CallbacksThatScheduleEachOtherForNowWithoutEndAreALogicError) {
  const Handle endless = clock_.attach([] { return std::size_t{1}; });
  EXPECT_THROW(clock_.advance(1s), std::logic_error);
  EXPECT_EQ(clock_.now(), start_);
}

TEST_F(VirtualTime, NegativeDurationsAreInvalidArguments) {
  EXPECT_THROW(clock_.advance(-1ns), std::invalid_argument);
  EXPECT_THROW(clock_.pass(-1ns), std::invalid_argument);
  EXPECT_THROW(clock_.suspend(-1ns), std::invalid_argument);
  EXPECT_EQ(clock_.now(), start_);
}

TEST_F(VirtualTime, SIM1_SuspendMovesBootAndWallTimeOnly) {
  AlarmLoop loop(clock_);
  std::string seen;
  loop.add([&](Alarm&) { seen += 's'; }, ClockId::steady).arm(start_ + 1h);
  loop.add([&](Alarm&) { seen += 'b'; }, ClockId::boot).arm(boot_start_ + 1h);
  clock_.suspend(1h);
  EXPECT_EQ(clock_.now(), start_);
  EXPECT_EQ(clock_.boot_now(), boot_start_ + 1h);
  EXPECT_EQ(clock_.wall_now(), wall_start_ + 1h);
  clock_.advance(0s);
  EXPECT_EQ(seen, "b");
  clock_.advance(1h);
  EXPECT_EQ(seen, "bs");
}

TEST_F(VirtualTime, SIM1_ABootDeadlineIsMetAfterASuspendWithinIt) {
  AlarmLoop loop(clock_);
  std::optional<TimePoint> seen;
  loop.add([&](Alarm&) { seen = clock_.now(); }, ClockId::boot).arm(boot_start_ + 1h);
  clock_.suspend(20min);
  clock_.advance(1h);
  EXPECT_EQ(seen, start_ + 40min);
}

TEST_F(VirtualTime, SIM1_SettingTheWallClockMovesWallTimeOnlyAndWakesWallAlarms) {
  AlarmLoop loop(clock_);
  std::string seen;
  loop.add([&](Alarm&) { seen += 's'; }, ClockId::steady).arm(start_ + 1h);
  loop.add([&](Alarm&) { seen += 'b'; }, ClockId::boot).arm(boot_start_ + 1h);
  loop.add([&](Alarm&) { seen += 'w'; }, ClockId::wall).arm(wall_start_ + 1h);
  clock_.set_wall(wall_start_ - 24h);
  EXPECT_EQ(clock_.wall_now(), wall_start_ - 24h);
  EXPECT_EQ(clock_.now(), start_);
  EXPECT_EQ(clock_.boot_now(), boot_start_);
  clock_.advance(0s);
  EXPECT_EQ(seen, "w") << "as the kernel's alarm wakes when the clock is set";
}

TEST_F(VirtualTime, SIM1_ASuspendWakesWallAlarmsAsTheKernelDoes) {
  AlarmLoop loop(clock_);
  int calls = 0;
  loop.add([&](Alarm& alarm) { ++calls, alarm.disarm(); }, ClockId::wall).arm(wall_start_ + 24h);
  clock_.suspend(0s);
  clock_.advance(0s);
  EXPECT_EQ(calls, 0);
  clock_.suspend(1h);
  clock_.advance(0s);
  EXPECT_EQ(calls, 1);
}

TEST_F(VirtualTime, SIM1_AWallDeadlineFollowsTheWallClock) {
  AlarmLoop loop(clock_);
  std::vector<WallTime> seen;
  const WallTime deadline = wall_start_ + 1h;
  loop.add(
          [&](Alarm& alarm) {
            seen.push_back(clock_.wall_now());
            if (clock_.wall_now() < deadline) alarm.arm(deadline);
          },
          ClockId::wall)
      .arm(deadline);
  clock_.set_wall(wall_start_ + 50min);
  clock_.advance(9min);
  EXPECT_EQ(seen.size(), 1U) << "woken by the jump alone";
  clock_.advance(1min);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen.back(), deadline);
  EXPECT_EQ(clock_.now(), start_ + 10min);
}

TEST_F(VirtualTime, TM6_TheEndsOfTimeAreLegal) {
  for (const ClockId id : {ClockId::steady, ClockId::boot, ClockId::wall}) {
    const auto alarm = clock_.make_alarm(id);
    alarm->arm(TimePoint::max());
    clock_.advance(1s);
    EXPECT_FALSE(is_readable(alarm->fd()));
    alarm->arm(TimePoint::min());
    clock_.advance(1s);
    EXPECT_TRUE(is_readable(alarm->fd()));
  }
}

TEST_F(VirtualTime, TM6_TheWallClockMayBeSetFromEachEndOfTimeToTheOther) {
  const auto alarm = clock_.make_alarm(ClockId::wall);
  for (const WallTime t : {WallTime::max(), WallTime::min(), WallTime(), WallTime::min(),
                           WallTime::max(), wall_start_}) {
    clock_.set_wall(t);
    EXPECT_EQ(clock_.wall_now(), t);
    alarm->arm(t);
    EXPECT_TRUE(is_readable(alarm->fd()));
    alarm->disarm();
  }
  clock_.set_wall(WallTime::max());
  clock_.suspend(Duration::max());
  clock_.advance(Duration::max());
  EXPECT_EQ(clock_.wall_now(), WallTime::max());
}

TEST_F(VirtualTime, TM6_AWallDeadlineThatLiesBeyondTheEndOfTimeIsNeverDue) {
  clock_.set_wall(WallTime::min());
  const auto alarm = clock_.make_alarm(ClockId::wall);
  alarm->arm(WallTime::max() - 1ns);
  clock_.advance(1s);
  EXPECT_FALSE(is_readable(alarm->fd()));
  clock_.advance(Duration::max());
  EXPECT_FALSE(is_readable(alarm->fd()));
}

TEST_F(VirtualTime, TM6_AdvancingByTheLongestDurationStopsAtTheEndOfTime) {
  clock_.advance(Duration::max());
  EXPECT_EQ(clock_.now(), TimePoint::max());
  EXPECT_GE(clock_.wall_now(), wall_start_);
  clock_.advance(1s);
  EXPECT_EQ(clock_.now(), TimePoint::max());
}

class VirtualAlarmOnEachPoller : public testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(OnEveryPoller, VirtualAlarmOnEachPoller, testing::ValuesIn(poller_names()),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(VirtualAlarmOnEachPoller, SIM1_IsADescriptorThatARealPollerSees) {
  Simulation clock;
  const auto alarm = clock.make_alarm(ClockId::steady);
  const auto poller = make_poller(GetParam());
  poller->add(alarm->fd(), kRead, id_of(1));
  std::vector<Event> events;
  const auto count = [&] {
    wait_into(events, *poller, Duration::zero());
    return events.size();
  };
  alarm->arm(clock.now() + 1h);
  clock.advance(1h - 1ns);
  EXPECT_EQ(count(), 0U) << "not a nanosecond early";
  clock.advance(1ns);
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(count(), 1U) << "until it is armed or disarmed";
  alarm->arm(clock.now() + 1h);
  EXPECT_EQ(count(), 0U);
  alarm->arm(clock.now());
  EXPECT_EQ(count(), 1U);
  alarm->disarm();
  EXPECT_EQ(count(), 0U);
}

// --- The poller

class SimulatedReadiness : public testing::Test {
 protected:
  std::vector<Event>& poll() {
    wait_into(events_, *poller_, Duration::zero());
    return events_;
  }
  Ready poll_one() {
    poll();
    EXPECT_LE(events_.size(), 1U);
    return events_.empty() ? Ready{} : events_[0].ready;
  }

  Simulation clock_;
  std::unique_ptr<Poller> poller_ = clock_.make_poller();
  std::vector<Event> events_;
};

TEST_F(SimulatedReadiness, IsWhatTheTestSays) {
  poller_->add(3, {.readable = true, .writable = true, .priority = true}, id_of(3));
  const Ready all = {
      .readable = true, .writable = true, .priority = true, .read_closed = true, .error = true};
  clock_.set_ready(3, all);
  EXPECT_EQ(poll_one(), all);
  EXPECT_EQ(events_[0].id, id_of(3));
  clock_.set_ready(3, {});
  EXPECT_TRUE(poll().empty());
}

TEST_F(SimulatedReadiness, MayBeSetBeforeTheDescriptorIsAdded) {
  clock_.set_ready(3, kReadable);
  EXPECT_TRUE(poll().empty());
  poller_->add(3, kRead, id_of(3));
  EXPECT_EQ(poll_one(), kReadable);
}

TEST_F(SimulatedReadiness, TellsOnlyWhatWasAskedAndWhatComesUnasked) {
  const Ready all = {.readable = true,
                     .writable = true,
                     .priority = true,
                     .read_closed = true,
                     .hangup = true,
                     .error = true};
  clock_.set_ready(3, all);
  poller_->add(3, {.writable = true}, id_of(3));
  EXPECT_EQ(poll_one(), (Ready{.readable = true, .writable = true, .hangup = true, .error = true}));
  poller_->modify(3, {.priority = true}, id_of(3));
  EXPECT_EQ(poll_one(), (Ready{.readable = true, .priority = true, .hangup = true, .error = true}));
}

TEST_F(SimulatedReadiness, D2_HangUpImpliesReadable) {
  clock_.set_ready(3, {.hangup = true});
  poller_->add(3, {.writable = true}, id_of(3));
  EXPECT_EQ(poll_one(), (Ready{.readable = true, .hangup = true}));
}

TEST_F(SimulatedReadiness, L6_InvalidIsReportedOnceAndEndsTheRegistration) {
  poller_->add(3, kRead, id_of(3));
  clock_.set_ready(3, {.invalid = true});
  EXPECT_EQ(poll_one(), Ready{.invalid = true});
  EXPECT_TRUE(poll().empty());
  EXPECT_EQ(error_of([&] { poller_->remove(3); }), std::errc::no_such_file_or_directory);
}

TEST_F(SimulatedReadiness, SIM1_AnInjectedEventComesOnceAsItIs) {
  const Event stale = {.id = {.slot = 77, .generation = 5}, .ready = {.error = true}};
  const Event nobody = {.id = {}, .ready = {}};
  clock_.inject(stale);
  clock_.inject(nobody);
  ASSERT_EQ(poll().size(), 2U);
  EXPECT_EQ(events_[0].id, stale.id);
  EXPECT_EQ(events_[0].ready, stale.ready);
  EXPECT_EQ(events_[1].id, nobody.id);
  EXPECT_TRUE(poll().empty());
}

TEST_F(SimulatedReadiness, SIM1_InjectedEventsComeBesideReadyOnes) {
  poller_->add(3, kRead, id_of(3));
  clock_.set_ready(3, kReadable);
  clock_.inject({.id = id_of(3), .ready = {.writable = true}});
  ASSERT_EQ(poll().size(), 2U);
  EXPECT_EQ(events_[0].ready, Ready{.writable = true}) << "spurious, and before the true one";
  EXPECT_EQ(events_[1].ready, kReadable);
}

TEST_F(SimulatedReadiness, D5_InjectedEventsKeepToTheBatchToo) {
  events_.reserve(2);
  for (std::uint32_t i = 1; i <= 3; ++i) clock_.inject({.id = {i, 1}, .ready = kReadable});
  EXPECT_EQ(poll().size(), 2U);
  EXPECT_EQ(poll().size(), 1U);
  EXPECT_EQ(events_[0].id.slot, 3U);
  EXPECT_TRUE(poll().empty());
}

TEST_F(SimulatedReadiness, D3_AnEdgeThatGainsABitIsReported) {
  poller_->add(3, {.readable = true, .writable = true, .trigger = Trigger::edge}, id_of(3));
  clock_.set_ready(3, {.writable = true});
  EXPECT_EQ(poll_one(), Ready{.writable = true});
  EXPECT_TRUE(poll().empty());
  clock_.set_ready(3, {.readable = true, .writable = true});
  EXPECT_EQ(poll_one(), (Ready{.readable = true, .writable = true}));
  EXPECT_TRUE(poll().empty());
}

TEST_F(SimulatedReadiness, D3_AnAlarmIsAnEdgeEachTimeItExpires) {
  const auto alarm = clock_.make_alarm(ClockId::steady);
  poller_->add(alarm->fd(), {.readable = true, .trigger = Trigger::edge}, id_of(3));
  for (int round = 0; round < 3; ++round) {
    alarm->arm(clock_.now() + 1s);
    clock_.pass(1s);
    EXPECT_EQ(poll_one(), kReadable);
    EXPECT_TRUE(poll().empty());
  }
}

TEST_F(SimulatedReadiness, SIM1_AWaitWithNothingToComeIsALogicError) {
  poller_->add(3, kRead, id_of(3));
  const TimePoint start = clock_.now();
  EXPECT_THROW(wait_into(events_, *poller_, 1s), std::logic_error);
  EXPECT_THROW(wait_into(events_, *poller_, std::nullopt), std::logic_error);
  EXPECT_EQ(clock_.now(), start) << "auto-advance is off by default";
}

TEST_F(SimulatedReadiness, SIM1_AutoAdvanceGoesToTheNextDeadline) {
  clock_.set_auto_advance(true);
  const TimePoint start = clock_.now();
  const auto near = clock_.make_alarm(ClockId::steady);
  const auto far = clock_.make_alarm(ClockId::steady);
  poller_->add(near->fd(), kRead, id_of(1));
  poller_->add(far->fd(), kRead, id_of(2));
  near->arm(start + 1s);
  far->arm(start + 2s);
  wait_into(events_, *poller_, std::nullopt);
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].id, id_of(1));
  EXPECT_EQ(clock_.now(), start + 1s);
  near->disarm();
  wait_into(events_, *poller_, std::nullopt);
  EXPECT_EQ(events_[0].id, id_of(2));
  EXPECT_EQ(clock_.now(), start + 2s);
}

TEST_F(SimulatedReadiness, SIM1_AutoAdvanceGoesToTheEndOfTheWaitAndNotFurther) {
  clock_.set_auto_advance(true);
  const TimePoint start = clock_.now();
  const auto alarm = clock_.make_alarm(ClockId::steady);
  poller_->add(alarm->fd(), kRead, id_of(1));
  alarm->arm(start + 2s);
  wait_into(events_, *poller_, 1s);
  EXPECT_TRUE(events_.empty());
  EXPECT_EQ(clock_.now(), start + 1s);
}

// Which a wall timer service has when nobody but a listener needs its alarm.
TEST_F(SimulatedReadiness, SIM1_AutoAdvanceDoesNotGoToTheEndOfTime) {
  clock_.set_auto_advance(true);
  const auto alarm = clock_.make_alarm(ClockId::wall);
  poller_->add(alarm->fd(), {.readable = true}, id_of(1));
  alarm->arm(WallTime::max());
  EXPECT_THROW(wait_into(events_, *poller_, std::nullopt), std::logic_error);
}

TEST_F(SimulatedReadiness, SIM1_AutoAdvanceWithNothingToComeIsALogicErrorToo) {
  clock_.set_auto_advance(true);
  EXPECT_THROW(wait_into(events_, *poller_, std::nullopt), std::logic_error);
}

TEST_F(SimulatedReadiness, WhatIsReadyDoesNotWaitForTime) {
  clock_.set_auto_advance(true);
  const TimePoint start = clock_.now();
  poller_->add(3, kRead, id_of(3));
  clock_.set_ready(3, kReadable);
  wait_into(events_, *poller_, 1h);
  EXPECT_EQ(events_.size(), 1U);
  EXPECT_EQ(clock_.now(), start);
}

// The orders in which ten that are ready at once are reported, over some waits.
std::vector<std::uint32_t> orders(std::uint64_t seed) {
  Simulation simulation(seed);
  const auto poller = simulation.make_poller();
  for (int fd = 1; fd <= 10; ++fd) {
    poller->add(fd, kRead, id_of(fd));
    simulation.set_ready(fd, kReadable);
  }
  std::vector<std::uint32_t> all;
  std::vector<Event> events;
  for (int wait = 0; wait < 5; ++wait) {
    wait_into(events, *poller, Duration::zero());
    EXPECT_EQ(events.size(), 10U);
    for (const Event& event : events) all.push_back(event.id.slot);
  }
  return all;
}

TEST(SimulatedSeed, SIM1_TheSameSeedReplaysTheSameOrder) {
  EXPECT_EQ(Simulation(42).seed(), 42U);
  EXPECT_EQ(orders(42), orders(42));
  EXPECT_NE(orders(42), orders(43));
}

TEST(SimulatedSeed, SIM1_TiesAreShuffledDifferentlyAtEachWait) {
  const auto all = orders(42);
  EXPECT_FALSE(std::equal(all.begin(), all.begin() + 10, all.begin() + 10));
}

TEST(SimulatedSeed, SIM1_ItsOrderIsTheSameWithEveryStandardLibrary) {
  const auto all = orders(42);
  EXPECT_EQ(std::vector(all.begin(), all.begin() + 10),
            (std::vector<std::uint32_t>{2, 8, 10, 1, 4, 9, 5, 3, 6, 7}));
}

TEST(SimulatedSeed, SIM1_AlarmsOfOneInstantAreShuffledToo) {
  const auto order_with = [](std::uint64_t seed) {
    Simulation clock;
    AlarmLoop loop(clock, seed);
    std::string seen;
    for (const char name : std::string("abcdefgh")) {
      loop.add([&seen, name](Alarm&) { seen += name; }).arm(clock.now() + 1s);
    }
    clock.advance(1s);
    EXPECT_EQ(seen.size(), 8U);
    return seen;
  };
  EXPECT_EQ(order_with(1), order_with(1));
  EXPECT_NE(order_with(1), order_with(2));
}

TEST(SimulatedSeed, SIM1_TheEnvironmentsSeedIsUsedUnlessOneIsGiven) {
  const char* const before = std::getenv("DETENT_SEED");
  const std::optional<std::string> restore =
      before == nullptr ? std::nullopt : std::optional<std::string>(before);
  ::setenv("DETENT_SEED", "18446744073709551615", 1);
  EXPECT_EQ(Simulation().seed(), UINT64_MAX);
  EXPECT_EQ(Simulation(7).seed(), 7U);
  ::unsetenv("DETENT_SEED");
  EXPECT_NE(Simulation().seed(), Simulation().seed());
  if (restore) ::setenv("DETENT_SEED", restore->c_str(), 1);
}

}  // namespace
}  // namespace detent
