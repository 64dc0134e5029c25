// SPDX-License-Identifier: BSL-1.0
// The rows of the table of lifetimes that timer services have, and what only they have.
#include "detent/timer_service.h"
#include "support/lifetime_table.h"
#include "support/standard.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

constexpr Duration kDelay = 10ms;

// ---- the actors

// Plays what is registered with a service of its own.
template <class Service>
class ServiceActor : public Actor {
 public:
  explicit ServiceActor(std::string_view poller) : Actor(poller) { make_owner(); }
  void make_owner() final { timers_.make(reactor()); }
  void end_owner() final { timers_.end(); }
  void ask_the_going_owner() final {
    ToRefuse to_refuse([this] { EXPECT_FALSE(timers_->make(never())); });
    EXPECT_FALSE(timers_->after(kDelay, to_refuse()));
    EXPECT_FALSE(timers_->at({}, to_refuse()));
    EXPECT_FALSE(timers_->every(kDelay, to_refuse()));
    EXPECT_FALSE(timers_->make(to_refuse()));
    if constexpr (std::is_same_v<Service, WallTimerService>) {
      EXPECT_FALSE(timers_->on_clock_change([call = to_refuse()](const ClockChange&) { call(); }));
    }
    EXPECT_EQ(&timers_->reactor(), &reactor());
    EXPECT_GT(timers_->clock_now(), typename Service::Time());
  }

 protected:
  Owned<Service> timers_;
};

// Of a one-shot, and of a periodic one.
template <class Service>
constexpr std::array kNames = {"Timer", "PeriodicTimer"};
template <>
constexpr std::array kNames<BootTimerService> = {"BootTimer", "PeriodicBootTimer"};
template <>
constexpr std::array kNames<WallTimerService> = {"WallTimer", "PeriodicWallTimer"};

template <class Service, bool kIsPeriodic>
class TimerActor final : public ServiceActor<Service> {
 public:
  static constexpr const char* kName = kNames<Service>[kIsPeriodic];
  static constexpr std::array kWays = {Way::destroyed, Way::cancelled, Way::silenced};
  using ServiceActor<Service>::ServiceActor;

  std::unique_ptr<Held> add(Callback<void()> call) override {
    if (kIsPeriodic) return hold(this->timers_->every(kDelay, std::move(call)));
    return hold(this->timers_->after(kDelay, std::move(call)));
  }
  void make_due() override { this->clock_.pass(kDelay); }
};

class ClockChangeActor final : public ServiceActor<WallTimerService> {
 public:
  static constexpr const char* kName = "ClockChange";
  using ServiceActor::ServiceActor;

  std::unique_ptr<Held> add(Callback<void()> call) override {
    return hold(
        timers_->on_clock_change([call = std::move(call)](const ClockChange&) mutable { call(); }));
  }
  void make_due() override { clock_.set_wall(clock_.wall_now() + 1h); }
};

using OfServices =
    testing::Types<TimerActor<TimerService, false>, TimerActor<TimerService, true>,
                   TimerActor<BootTimerService, false>, TimerActor<BootTimerService, true>,
                   TimerActor<WallTimerService, false>, TimerActor<WallTimerService, true>,
                   ClockChangeActor>;
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, Lifetimes, OfServices, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfCaptures, OfServices, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfOwners, OfServices, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfServices, OfServices, ActorNames);

// ---- what only they have

class TimerLifetime : public SimulatedTimers {};

TEST_F(TimerLifetime, L3_AOneShotThatFiredKeepsItsCapturesUntilItsHandleGoes) {
  auto captured = std::make_shared<int>(1);
  const std::weak_ptr<int> captures = captured;
  Timer timer = timers_->after(kDelay, [captured = std::move(captured)] {});
  clock_.advance(kDelay);
  EXPECT_FALSE(captures.expired());
  timer = Timer();
  EXPECT_TRUE(captures.expired());
}

TEST_F(TimerLifetime, L2_ACallbackMayMoveTheHandleItBelongsTo) {
  int calls = 0;
  Timer first;
  Timer second;
  first = timers_->every(kDelay, [&] {
    ++calls;
    if (first) {
      second = std::move(first);
    } else {
      first = std::move(second);
    }
  });
  clock_.advance(4 * kDelay);
  EXPECT_EQ(4, calls);
  EXPECT_TRUE(first.active());
  EXPECT_FALSE(second.active());
}

TEST_F(TimerLifetime, L5_ATimerThatOutlivedItsServiceIgnoresChanges) {
  Timer timer = timers_->after(kDelay, [] { FAIL(); });
  timers_.reset();
  const auto change = [&] {
    timer.rearm(1ms);
    timer.rearm_at(clock_.now());
    timer.set_period(1ms);
    timer.disarm();
  };
  change();
  std::thread(change).join();
  EXPECT_EQ(0ns, timer.remaining());
  EXPECT_FALSE(timer.active());
  clock_.advance(kDelay);
}

// The alarm is replaced in its own callback, and whoever is told next may end all of it.
TEST_F(TimerLifetime, L2_AWallServiceMayBeDestroyedAfterItGaveUpItsAlarm) {
  auto wall = std::make_unique<WallTimerService>(*reactor_);
  const Handle handle = wall->on_clock_change([&wall](const ClockChange&) { wall.reset(); });
  clock_.set_ready(alarms_.last_fd, {.readable = true});
  for (int i = 0; i < 100; ++i) turn();
  clock_.set_wall(clock_.wall_now() + 1h);
  clock_.advance(1s);
  EXPECT_EQ(nullptr, wall);
}

// ---- the end of the program

// Called in a process of its own. What captures ask of a service then is refused.
void exit_in_a_callback(bool is_of_a_timer) {
  static Timer outlives_them;
  static Reactor reactor;
  static TimerService timers(reactor);
  static WallTimerService wall(reactor);
  static const Handle change = wall.on_clock_change([](const ClockChange&) {});
  auto asks = at_the_end([] {
    if (timers.after(0ns, never())) std::abort();
    reactor.post(never());
  });
  outlives_them = timers.after(1h, [asks = std::move(asks)] {});
  static const Timer timer = timers.every(1ns, [is_of_a_timer] {
    if (is_of_a_timer) std::exit(7);
  });
  if (!is_of_a_timer) reactor.post([] { std::exit(7); });
  reactor.run();
}

TEST(TimerLifetimeDeathTest, L7_ExitInACallbackWithServicesOfStaticStorageEndsTheProgramAsItSays) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(exit_in_a_callback(true), testing::ExitedWithCode(7), "^$");
  EXPECT_EXIT(exit_in_a_callback(false), testing::ExitedWithCode(7), "^$");
}

}  // namespace
}  // namespace detent
