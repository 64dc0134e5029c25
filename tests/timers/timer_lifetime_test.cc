// SPDX-License-Identifier: BSL-1.0
// The table of lifetimes: a timer is {destroyed, cancelled, disarmed, moved, replaced} at every
// moment at which that can happen, one-shots and periodic ones.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "detent/timer_service.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;

constexpr Duration kDelay = 10ms;

enum class How : std::uint8_t { destroyed, cancelled, disarmed, moved, replaced };
constexpr How kHows[] = {How::destroyed, How::cancelled, How::disarmed, How::moved, How::replaced};
constexpr const char* kHowNames[] = {"destroyed", "cancelled", "disarmed", "moved", "replaced"};

struct Thrown : std::runtime_error {
  Thrown() : runtime_error("thrown by a timer") {}
};

// For captures: what calls `function` when it is destroyed, once, wherever it has moved to.
struct AtTheEnd {
  void operator()(Callback<void()>* function) const {
    (*function)();
    delete function;
  }
};
std::unique_ptr<Callback<void()>, AtTheEnd> at_the_end(Callback<void()> function) {
  return std::unique_ptr<Callback<void()>, AtTheEnd>(new Callback<void()>(std::move(function)));
}

// One timer, the victim, and what is done to it.
class TimerLifetime : public testing_support::SimulatedTimers,
                      public testing::WithParamInterface<std::tuple<How, bool>> {
 protected:
  [[nodiscard]] static How how() { return std::get<0>(GetParam()); }
  [[nodiscard]] static bool periodic() { return std::get<1>(GetParam()); }
  // What is left is a registration, for all that has been done to the handle.
  [[nodiscard]] static bool registration_ends() {
    return how() != How::disarmed && how() != How::moved;
  }

  void arm_victim() {
    auto captured = std::make_shared<int>(1);
    captures_ = captured;
    auto on_expiry = [this, captured = std::move(captured)] {
      ++calls_;
      if (auto once = std::move(in_its_callback_)) once();
      EXPECT_EQ(1, *captured) << "the captures live until the call is over";
    };
    if (periodic()) {
      handle_ = timers_->every(kDelay, std::move(on_expiry));
    } else {
      handle_ = timers_->after(kDelay, std::move(on_expiry));
    }
  }

  void strike() {
    switch (how()) {
      case How::destroyed:
        handle_.reset();
        break;
      case How::cancelled:
        handle_->cancel();
        break;
      case How::disarmed:
        handle_->disarm();
        break;
      case How::moved:
        moved_to_ = std::move(*handle_);
        break;
      case How::replaced:
        handle_ = timers_->after(kDelay, [this] { ++calls_of_the_other_; });
        break;
    }
  }

  // The state after the strike, outside of all callbacks, the victim having been called so often.
  void expect_settled(int calls) {
    EXPECT_EQ(calls, calls_);
    EXPECT_EQ(registration_ends(), captures_.expired());
    clock_.advance(kDelay);
    const bool called_again = how() == How::moved && (periodic() || calls == 0);
    EXPECT_EQ(calls + (called_again ? 1 : 0), calls_);
    clock_.advance(10 * kDelay);
    EXPECT_EQ(how() == How::replaced ? 1 : 0, calls_of_the_other_);
    if (how() == How::moved) {
      EXPECT_EQ(periodic() ? calls + 11 : 1, calls_);
      moved_to_.cancel();
    }
    if (how() == How::disarmed) expect_usable_again();
    handle_.reset();
    EXPECT_TRUE(captures_.expired());
    const int final_calls = calls_;
    clock_.advance(10 * kDelay);
    EXPECT_EQ(final_calls, calls_);
  }

  void expect_usable_again() {
    const int before = calls_;
    in_its_callback_ = nullptr;
    EXPECT_FALSE(handle_->active());
    handle_->rearm(kDelay);
    clock_.advance(kDelay);
    EXPECT_EQ(before + 1, calls_);
  }

  std::optional<Timer> handle_;
  Timer moved_to_;
  std::weak_ptr<int> captures_;
  Callback<void()> in_its_callback_;
  int calls_ = 0;
  int calls_of_the_other_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Table, TimerLifetime,
                         testing::Combine(testing::ValuesIn(kHows), testing::Bool()),
                         [](const auto& param) {
                           return std::string(std::get<1>(param.param) ? "periodic_"
                                                                       : "one_shot_") +
                                  kHowNames[static_cast<std::size_t>(std::get<0>(param.param))];
                         });

TEST_P(TimerLifetime, L1_BeforeTheFirstTurn) {
  arm_victim();
  strike();
  expect_settled(0);
}

TEST_P(TimerLifetime, L1_WhenDueAndNotYetCalled) {
  arm_victim();
  clock_.pass(kDelay);
  strike();
  if (how() == How::moved) {
    EXPECT_EQ(1U, turn());
    return expect_settled(1);
  }
  EXPECT_EQ(0U, turn());
  expect_settled(0);
}

TEST_P(TimerLifetime, L2_L3_InItsOwnCallback) {
  arm_victim();
  in_its_callback_ = [this] {
    strike();
    EXPECT_FALSE(captures_.expired()) << "not while it runs";
  };
  clock_.pass(kDelay);
  EXPECT_EQ(1U, turn());
  expect_settled(1);
}

TEST_P(TimerLifetime, L1_InASiblingsCallbackBeforeItsOwn) {
  const Timer sibling = timers_->after(kDelay, [this] {
    strike();
    EXPECT_EQ(registration_ends(), captures_.expired()) << "at once";
  });
  arm_victim();
  clock_.pass(kDelay);
  const bool called = how() == How::moved;
  EXPECT_EQ(called ? 2U : 1U, turn());
  expect_settled(called ? 1 : 0);
}

TEST_P(TimerLifetime, L1_InASiblingsCallbackAfterItsOwn) {
  arm_victim();
  const Timer sibling = timers_->after(kDelay, [this] {
    strike();
    EXPECT_EQ(registration_ends(), captures_.expired()) << "at once";
  });
  clock_.pass(kDelay);
  EXPECT_EQ(2U, turn());
  expect_settled(1);
}

TEST_P(TimerLifetime, L2_ByTheCapturesOfASiblingThatGoes) {
  std::optional<Timer> sibling;
  sibling = timers_->after(
      kDelay, [&sibling, strikes = at_the_end([this] { strike(); })] { sibling.reset(); });
  arm_victim();
  clock_.pass(kDelay);
  const bool called = how() == How::moved;
  EXPECT_EQ(called ? 2U : 1U, turn());
  expect_settled(called ? 1 : 0);
}

TEST_P(TimerLifetime, O6_L3_InItsOwnCallbackWhichThenThrows) {
  arm_victim();
  in_its_callback_ = [this] {
    strike();
    throw Thrown();
  };
  const Timer sibling = timers_->after(kDelay, [] {});
  clock_.pass(kDelay);
  EXPECT_THROW(turn(), Thrown);
  EXPECT_EQ(registration_ends(), captures_.expired()) << "as soon as it has thrown";
  EXPECT_EQ(1U, turn());
  expect_settled(1);
}

TEST_P(TimerLifetime, O6_AfterItThrew) {
  arm_victim();
  in_its_callback_ = [] { throw Thrown(); };
  clock_.pass(kDelay);
  EXPECT_THROW(turn(), Thrown);
  EXPECT_FALSE(captures_.expired());
  strike();
  expect_settled(1);
}

TEST_P(TimerLifetime, O6_AfterASiblingsThrowWhileItWaitsForTheNextTurn) {
  const Timer sibling = timers_->after(kDelay, [] { throw Thrown(); });
  arm_victim();
  clock_.pass(kDelay);
  EXPECT_THROW(turn(), Thrown);
  strike();
  const bool called = how() == How::moved;
  EXPECT_EQ(called ? 1U : 0U, turn());
  expect_settled(called ? 1 : 0);
}

TEST_P(TimerLifetime, L4_WithItsPlaceTakenByAnotherWithinTheBatch) {
  std::vector<Timer> successors;
  const Timer sibling = timers_->after(kDelay, [&] {
    strike();
    for (int i = 0; i < 100; ++i) {
      successors.push_back(timers_->after(kDelay, [this] { ++calls_of_the_other_; }));
    }
  });
  arm_victim();
  clock_.pass(kDelay);
  turn();
  EXPECT_EQ(0, calls_of_the_other_) << "a successor got the victim's call";
  EXPECT_EQ(how() == How::moved ? 1 : 0, calls_);
  successors.clear();
  expect_settled(calls_);
}

TEST_P(TimerLifetime, L2_FromADescriptorInTheTurnInWhichItIsDue) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    make({}, seed);
    calls_ = calls_of_the_other_ = 0;
    arm_victim();
    poller_->set_ready(1'000'000, {.readable = true});
    Watch watch = reactor_->watch(1'000'000, {.readable = true}, [&](Ready) {
      strike();
      watch.cancel();
    });
    clock_.pass(kDelay);
    turn();
    expect_settled(calls_);
  }
}

TEST_P(TimerLifetime, L5_AfterTheServicesEnd) {
  arm_victim();
  const Timer unarmed = timers_->make([] {});
  timers_.reset();
  EXPECT_TRUE(captures_.expired());
  EXPECT_FALSE(handle_->active());
  EXPECT_FALSE(unarmed.active());
  EXPECT_EQ(0ns, handle_->remaining());
  handle_->rearm(1ms);
  handle_->rearm_at(clock_.now());
  handle_->set_period(1ms);
  handle_->disarm();
  timers_ = std::make_unique<TimerService>(*reactor_);
  strike();
  clock_.advance(10 * kDelay);
  EXPECT_EQ(0, calls_);
  EXPECT_EQ(how() == How::replaced ? 1 : 0, calls_of_the_other_);
}

TEST_P(TimerLifetime, L5_AfterTheLoopsEnd) {
  arm_victim();
  timers_.reset();
  reactor_.reset();
  handle_->rearm(1ms);
  if (how() != How::replaced) strike();
  clock_.advance(10 * kDelay);
  EXPECT_EQ(0, calls_);
}

TEST_P(TimerLifetime, L5_OnAnotherThreadAfterTheServicesEnd) {
  arm_victim();
  std::optional<Timer> other = timers_->make([] {});
  timers_.reset();
  std::thread thread([&] {
    handle_->disarm();
    handle_->rearm(1ms);
    if (how() != How::replaced) strike();
    handle_.reset();
    moved_to_ = Timer();
  });
  other.reset();  // shares with the victim what tells both that the service is gone
  thread.join();
  EXPECT_EQ(0, calls_);
}

// ---- the service and its owners

class TimerServiceLifetime : public testing_support::SimulatedTimers {};

TEST_F(TimerServiceLifetime, L2_TheServiceMayBeDestroyedInOneOfItsCallbacks) {
  std::string calls;
  std::weak_ptr<int> captures;
  std::vector<Timer> handles;
  handles.push_back(timers_->after(kDelay, [&] { calls += 'a'; }));
  {
    auto captured = std::make_shared<int>(1);
    captures = captured;
    handles.push_back(timers_->every(kDelay, [&, captured] {
      calls += 'b';
      timers_.reset();
      EXPECT_EQ(1, *captured) << "this callable still runs";
    }));
  }
  handles.push_back(timers_->after(kDelay, [&] { calls += 'c'; }));
  handles.push_back(timers_->after(kDelay, [&] { calls += 'd'; }));
  clock_.pass(kDelay);
  EXPECT_EQ(2U, turn());
  EXPECT_EQ("ab", calls) << "no one else of the batch";
  EXPECT_TRUE(captures.expired());
  EXPECT_EQ(0U, turn());
  for (const Timer& timer : handles) EXPECT_FALSE(timer.active());
}

TEST_F(TimerServiceLifetime, L2_TheServiceMayBeDestroyedInACallbackThatThrows) {
  const Timer a = timers_->after(kDelay, [&] {
    timers_.reset();
    throw Thrown();
  });
  const Timer b = timers_->after(kDelay, [] { FAIL(); });
  clock_.pass(kDelay);
  EXPECT_THROW(turn(), Thrown);
  EXPECT_EQ(0U, turn());
}

TEST_F(TimerServiceLifetime, L2_TheServiceMayBeDestroyedBetweenAThrowAndTheNextTurn) {
  const Timer a = timers_->after(kDelay, [] { throw Thrown(); });
  const Timer b = timers_->after(kDelay, [] { FAIL(); });
  clock_.pass(kDelay);
  EXPECT_THROW(turn(), Thrown);
  timers_.reset();
  EXPECT_EQ(0U, turn());
}

TEST_F(TimerServiceLifetime, L2_TheServiceMayBeReplacedInOneOfItsCallbacks) {
  std::string calls;
  Timer next;
  const Timer a = timers_->after(kDelay, [&] {
    calls += 'a';
    timers_.reset();
    timers_ = std::make_unique<TimerService>(*reactor_);
    next = timers_->after(0ns, [&] { calls += 'n'; });
  });
  const Timer b = timers_->after(kDelay, [] { FAIL(); });
  clock_.pass(kDelay);
  turn();
  turn();
  EXPECT_EQ("an", calls);
}

TEST_F(TimerServiceLifetime, L2_TheServiceMayBeDestroyedInADescriptorsCallbackWhileItsAlarmRings) {
  for (std::uint64_t seed = 0; seed < 16; ++seed) {
    make({}, seed);
    int calls = 0;
    const Timer timer = timers_->after(kDelay, [&] { ++calls; });
    poller_->set_ready(1'000'000, {.readable = true});
    Watch watch = reactor_->watch(1'000'000, {.readable = true}, [&](Ready) {
      timers_.reset();
      watch.cancel();
    });
    clock_.pass(kDelay);
    const std::uint64_t stale = reactor_->counters().stale_events;
    turn();
    EXPECT_EQ(1U, static_cast<std::uint64_t>(calls) + reactor_->counters().stale_events - stale);
  }
}

// An object with a service and timers of its own, as an application's is.
struct Owner {
  Owner(Reactor& reactor, int& count) : timers(reactor), calls(count) {}
  TimerService timers;
  Timer first;
  Timer second;
  int& calls;
};

TEST_F(TimerServiceLifetime, L2_TheObjectThatOwnsServiceAndTimersMayGoInACallback) {
  int calls = 0;
  auto owner = std::make_unique<Owner>(*reactor_, calls);
  owner->first = owner->timers.after(kDelay, [&owner] {
    ++owner->calls;
    owner.reset();
  });
  owner->second = owner->timers.after(kDelay, [] { FAIL(); });
  clock_.pass(kDelay);
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(1, calls);
  EXPECT_EQ(nullptr, owner);
}

TEST_F(TimerServiceLifetime, EX08_ACallbackMayHoldTheLastReferenceToItsOwnOwner) {
  int calls = 0;
  auto owner = std::make_shared<Owner>(*reactor_, calls);
  const std::weak_ptr<Owner> watched = owner;
  Owner& alias = *owner;
  alias.first = alias.timers.every(kDelay, [self = std::move(owner)] {
    ++self->calls;
    self->first.cancel();
  });
  EXPECT_FALSE(watched.expired());
  clock_.pass(kDelay);
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(1, calls);
  EXPECT_TRUE(watched.expired());
}

TEST_F(TimerServiceLifetime, L3_CancellingATimerWhoseCapturesOwnTheServiceDestroysIt) {
  auto service = std::make_shared<TimerService>(*reactor_);
  const std::weak_ptr<TimerService> watched = service;
  Timer timer = service->after(kDelay, [service] {});
  service.reset();
  EXPECT_FALSE(watched.expired());
  timer.cancel();
  EXPECT_TRUE(watched.expired());
  clock_.pass(kDelay);
  EXPECT_EQ(0U, turn());
}

TEST_F(TimerServiceLifetime, L3_ATimerMayOwnItsOwnHandle) {
  int calls = 0;
  std::weak_ptr<Timer> watched;
  {
    auto handle = std::make_shared<Timer>();
    watched = handle;
    Timer& alias = *handle;
    alias = timers_->every(kDelay, [&calls, handle = std::move(handle)] {
      if (++calls == 3) handle->cancel();
    });
  }
  clock_.advance(2 * kDelay);
  EXPECT_FALSE(watched.expired());
  clock_.advance(10 * kDelay);
  EXPECT_EQ(3, calls);
  EXPECT_TRUE(watched.expired());
}

TEST_F(TimerServiceLifetime, L3_AnUnfiredTimersCapturesGoWithTheServiceAndItIsNotCalled) {
  auto captured = std::make_shared<int>(1);
  const std::weak_ptr<int> captures = captured;
  Timer timer = timers_->after(kDelay, [captured = std::move(captured)] { FAIL(); });
  timers_.reset();
  EXPECT_TRUE(captures.expired());
}

TEST_F(TimerServiceLifetime, L3_AOneShotThatFiredKeepsItsCapturesUntilItsHandleGoes) {
  auto captured = std::make_shared<int>(1);
  const std::weak_ptr<int> captures = captured;
  Timer timer = timers_->after(kDelay, [captured = std::move(captured)] {});
  clock_.advance(kDelay);
  EXPECT_FALSE(captures.expired());
  timer = Timer();
  EXPECT_TRUE(captures.expired());
}

TEST_F(TimerServiceLifetime, L3_TheCapturesOfACancelledTimerMayUseTheService) {
  int calls = 0;
  Timer next;
  auto arms_another = at_the_end([&] { next = timers_->after(kDelay, [&calls] { ++calls; }); });
  Timer timer = timers_->after(1h, [arms_another = std::move(arms_another)] { FAIL(); });
  timer.cancel();
  clock_.advance(kDelay);
  EXPECT_EQ(1, calls);
}

TEST_F(TimerServiceLifetime, L2_ACallbackMayMoveTheHandleItBelongsTo) {
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

TEST_F(TimerServiceLifetime, L2_ATimerMayReplaceItselfEachTime) {
  std::vector<Duration> calls;
  const TimePoint start = clock_.now();
  struct Chain {
    TimerService& timers;
    std::vector<Duration>& calls;
    TimePoint start;
    Timer timer = {};
    void next() {
      timer = timers.after(kDelay, [this](const Tick& tick) {
        calls.push_back(tick.now - start);
        if (calls.size() < 3) next();
      });
    }
  };
  Chain chain{*timers_, calls, start};
  chain.next();
  clock_.advance(1s);
  EXPECT_EQ((std::vector<Duration>{kDelay, 2 * kDelay, 3 * kDelay}), calls);
}

}  // namespace
}  // namespace detent
