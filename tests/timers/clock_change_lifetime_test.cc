// SPDX-License-Identifier: BSL-1.0
// The table of lifetimes for those who listen to changes of the wall clock: the handle is
// {destroyed, cancelled, moved, replaced} at every moment at which that can happen.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "detent/timer_service.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;

enum class How : std::uint8_t { destroyed, cancelled, moved, replaced };
constexpr How kHows[] = {How::destroyed, How::cancelled, How::moved, How::replaced};
constexpr const char* kHowNames[] = {"destroyed", "cancelled", "moved", "replaced"};

struct Thrown : std::runtime_error {
  Thrown() : runtime_error("thrown by a listener") {}
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

class WallTimers : public testing_support::SimulatedTimers {
 protected:
  void set_clock() { clock_.set_wall(clock_.wall_now() + 1h); }
  Handle on_change(Callback<void()> function) {
    return wall_->on_clock_change(
        [function = std::move(function)](const ClockChange&) mutable { function(); });
  }

  std::unique_ptr<WallTimerService> wall_ = std::make_unique<WallTimerService>(*reactor_);
};

// One listener, the victim, and what is done to it.
class ClockChangeLifetime : public WallTimers, public testing::WithParamInterface<How> {
 protected:
  [[nodiscard]] static How how() { return GetParam(); }
  // The handle is another one, and the listener listens on.
  [[nodiscard]] static bool listens_on() { return how() == How::moved; }

  void listen() {
    auto captured = std::make_shared<int>(1);
    captures_ = captured;
    handle_ = on_change([this, captured = std::move(captured)] {
      ++calls_;
      if (in_its_callback_) in_its_callback_();
      EXPECT_EQ(1, *captured) << "the captures live until the call is over";
    });
  }

  void strike() {
    switch (how()) {
      case How::destroyed:
        handle_.reset();
        break;
      case How::cancelled:
        handle_->cancel();
        break;
      case How::moved:
        moved_to_ = std::move(*handle_);
        break;
      case How::replaced:
        handle_ = on_change([this] { ++calls_of_the_other_; });
        break;
    }
  }

  // The state after the strike, outside of all callbacks, the victim having been called so often.
  void expect_settled(int calls) {
    in_its_callback_ = nullptr;
    EXPECT_EQ(calls, calls_);
    EXPECT_EQ(!listens_on(), captures_.expired());
    EXPECT_EQ(0, calls_of_the_other_) << "it hears of what comes after it";
    set_clock();
    clock_.advance(0ns);
    EXPECT_EQ(calls + (listens_on() ? 1 : 0), calls_);
    EXPECT_EQ(how() == How::replaced ? 1 : 0, calls_of_the_other_);
    moved_to_ = Handle();
    handle_.reset();
    EXPECT_TRUE(captures_.expired());
    const int final_calls = calls_;
    set_clock();
    clock_.advance(0ns);
    EXPECT_EQ(final_calls, calls_);
  }

  std::optional<Handle> handle_;
  Handle moved_to_;
  std::weak_ptr<int> captures_;
  Callback<void()> in_its_callback_;
  int calls_ = 0;
  int calls_of_the_other_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Table, ClockChangeLifetime, testing::ValuesIn(kHows),
                         [](const auto& param) {
                           return std::string(kHowNames[static_cast<std::size_t>(param.param)]);
                         });

TEST_P(ClockChangeLifetime, L1_BeforeTheFirstTurn) {
  listen();
  strike();
  expect_settled(0);
}

TEST_P(ClockChangeLifetime, L1_WhenTheClockWasSetAndNobodyHasBeenTold) {
  listen();
  set_clock();
  strike();
  EXPECT_EQ(listens_on() ? 1U : 0U, turn());
  expect_settled(listens_on() ? 1 : 0);
}

TEST_P(ClockChangeLifetime, L2_L3_InItsOwnCallback) {
  listen();
  in_its_callback_ = [this] {
    strike();
    EXPECT_FALSE(captures_.expired()) << "not while it runs";
  };
  set_clock();
  EXPECT_EQ(1U, turn());
  expect_settled(1);
}

TEST_P(ClockChangeLifetime, L1_InASiblingsCallbackBeforeItsOwn) {
  Handle sibling = on_change([this] {
    strike();
    EXPECT_EQ(!listens_on(), captures_.expired()) << "at once";
  });
  listen();
  set_clock();
  EXPECT_EQ(listens_on() ? 2U : 1U, turn());
  sibling.cancel();
  expect_settled(listens_on() ? 1 : 0);
}

TEST_P(ClockChangeLifetime, L1_InASiblingsCallbackAfterItsOwn) {
  listen();
  Handle sibling = on_change([this] { strike(); });
  set_clock();
  EXPECT_EQ(2U, turn());
  sibling.cancel();
  expect_settled(1);
}

TEST_P(ClockChangeLifetime, L2_InTheCallbackOfATimerOfTheSameTurn) {
  listen();
  const WallTimer timer = wall_->after(30min, [this] { strike(); });
  set_clock();
  EXPECT_EQ(2U, turn());
  expect_settled(1);
}

TEST_P(ClockChangeLifetime, L2_ByTheCapturesOfASiblingThatGoes) {
  std::optional<Handle> sibling;
  sibling = on_change([&sibling, strikes = at_the_end([this] { strike(); })] { sibling.reset(); });
  listen();
  set_clock();
  EXPECT_EQ(listens_on() ? 2U : 1U, turn());
  expect_settled(listens_on() ? 1 : 0);
}

TEST_P(ClockChangeLifetime, O6_L3_InItsOwnCallbackWhichThenThrows) {
  listen();
  in_its_callback_ = [this] {
    strike();
    throw Thrown();
  };
  int calls_of_a_sibling = 0;
  Handle sibling = on_change([&] { ++calls_of_a_sibling; });
  set_clock();
  EXPECT_THROW(turn(), Thrown);
  EXPECT_EQ(!listens_on(), captures_.expired()) << "as soon as it has thrown";
  EXPECT_EQ(1U, turn());
  EXPECT_EQ(1, calls_of_a_sibling);
  sibling.cancel();
  expect_settled(1);
}

TEST_P(ClockChangeLifetime, O6_AfterItThrew) {
  listen();
  in_its_callback_ = [] { throw Thrown(); };
  set_clock();
  EXPECT_THROW(turn(), Thrown);
  EXPECT_FALSE(captures_.expired());
  strike();
  expect_settled(1);
}

TEST_P(ClockChangeLifetime, O6_AfterASiblingsThrowWhileItWaitsForTheNextTurn) {
  std::optional<Handle> sibling = on_change([] { throw Thrown(); });
  listen();
  set_clock();
  EXPECT_THROW(turn(), Thrown);
  sibling.reset();
  strike();
  EXPECT_EQ(listens_on() ? 1U : 0U, turn());
  expect_settled(listens_on() ? 1 : 0);
}

TEST_P(ClockChangeLifetime, L4_WithItsPlaceTakenByAnotherWhileOthersAreTold) {
  std::vector<Handle> successors;
  std::optional<Handle> sibling = on_change([&] {
    strike();
    for (int i = 0; i < 100; ++i) {
      successors.push_back(on_change([this] { ++calls_of_the_other_; }));
    }
  });
  listen();
  set_clock();
  turn();
  EXPECT_EQ(0, calls_of_the_other_) << "a successor got the victim's call";
  successors.clear();
  sibling.reset();
  expect_settled(listens_on() ? 1 : 0);
}

TEST_P(ClockChangeLifetime, L5_AfterTheServicesEnd) {
  listen();
  set_clock();
  wall_.reset();
  EXPECT_TRUE(captures_.expired());
  EXPECT_FALSE(handle_->active());
  wall_ = std::make_unique<WallTimerService>(*reactor_);
  strike();
  clock_.advance(0ns);
  EXPECT_EQ(0, calls_);
}

TEST_P(ClockChangeLifetime, L5_OnAnotherThreadAfterTheServicesEnd) {
  listen();
  std::optional<Handle> other = on_change([] {});
  wall_.reset();
  std::thread thread([&] {
    if (how() != How::replaced) strike();
    handle_.reset();
    moved_to_ = Handle();
  });
  other.reset();  // shares with the victim what tells both that the service is gone
  thread.join();
  EXPECT_EQ(0, calls_);
}

// ---- the service and its owners

class ClockChangeServiceLifetime : public WallTimers {};

TEST_F(ClockChangeServiceLifetime, L2_TheServiceMayBeDestroyedInACallback) {
  std::string calls;
  const Handle a = on_change([&] { calls += 'a'; });
  auto captured = std::make_shared<int>(1);
  const std::weak_ptr<int> captures = captured;
  const Handle b = on_change([&, captured = std::move(captured)] {
    calls += 'b';
    wall_.reset();
    EXPECT_EQ(1, *captured) << "this callable still runs";
  });
  const Handle c = on_change([&] { calls += 'c'; });
  const WallTimer timer = wall_->after(30min, [&] { calls += 't'; });
  set_clock();
  EXPECT_EQ(2U, turn());
  EXPECT_EQ("ab", calls) << "no one else, and no timer";
  EXPECT_TRUE(captures.expired());
  EXPECT_EQ(0U, turn());
  for (const Handle* handle : {&a, &b, &c}) EXPECT_FALSE(handle->active());
}

TEST_F(ClockChangeServiceLifetime, L2_TheServiceMayBeDestroyedInACallbackThatThrows) {
  const Handle a = on_change([&] {
    wall_.reset();
    throw Thrown();
  });
  const Handle b = on_change([] { FAIL(); });
  set_clock();
  EXPECT_THROW(turn(), Thrown);
  EXPECT_EQ(0U, turn());
}

TEST_F(ClockChangeServiceLifetime, L2_TheServiceMayBeDestroyedBetweenAThrowAndTheNextTurn) {
  const Handle a = on_change([] { throw Thrown(); });
  const Handle b = on_change([] { FAIL(); });
  set_clock();
  EXPECT_THROW(turn(), Thrown);
  wall_.reset();
  EXPECT_EQ(0U, turn());
}

TEST_F(ClockChangeServiceLifetime, L2_TheServiceMayBeReplacedInACallback) {
  std::string calls;
  Handle next;
  const Handle a = on_change([&] {
    calls += 'a';
    wall_.reset();
    wall_ = std::make_unique<WallTimerService>(*reactor_);
    next = on_change([&] { calls += 'n'; });
  });
  set_clock();
  clock_.advance(0ns);
  EXPECT_EQ("a", calls);
  set_clock();
  clock_.advance(0ns);
  EXPECT_EQ("an", calls);
}

// The alarm is replaced in its own callback, and whoever is told next may end all of it.
TEST_F(ClockChangeServiceLifetime, L2_TheServiceMayBeDestroyedAfterItGaveUpItsAlarm) {
  const Handle handle = on_change([this] { wall_.reset(); });
  poller_->set_ready(alarms_.last_fd, {.readable = true});
  for (int i = 0; i < 100; ++i) turn();
  set_clock();
  clock_.advance(1s);
  EXPECT_EQ(nullptr, wall_);
}

TEST_F(ClockChangeServiceLifetime, L3_CancellingAListenerWhoseCapturesOwnTheServiceDestroysIt) {
  auto service = std::make_shared<WallTimerService>(*reactor_);
  const std::weak_ptr<WallTimerService> watched = service;
  Handle handle = service->on_clock_change([service](const ClockChange&) {});
  service.reset();
  EXPECT_FALSE(watched.expired());
  handle.cancel();
  EXPECT_TRUE(watched.expired());
  set_clock();
  EXPECT_EQ(0U, turn());
}

TEST_F(ClockChangeServiceLifetime, L3_TheCapturesOfACancelledListenerMayUseTheService) {
  int calls = 0;
  Handle next;
  auto listens = at_the_end([&] { next = on_change([&calls] { ++calls; }); });
  Handle handle = on_change([listens = std::move(listens)] { FAIL(); });
  handle.cancel();
  set_clock();
  clock_.advance(0ns);
  EXPECT_EQ(1, calls);
}

TEST_F(ClockChangeServiceLifetime, L3_AListenerMayOwnItsOwnHandle) {
  int calls = 0;
  std::weak_ptr<Handle> watched;
  {
    auto handle = std::make_shared<Handle>();
    watched = handle;
    Handle& alias = *handle;
    alias = on_change([&calls, handle = std::move(handle)] {
      if (++calls == 3) handle->cancel();
    });
  }
  for (int i = 0; i < 10; ++i) {
    set_clock();
    clock_.advance(0ns);
  }
  EXPECT_EQ(3, calls);
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace detent
