// SPDX-License-Identifier: BSL-1.0
/// \file
/// The table of lifetimes: a column is a moment at which a handle, or what it is registered with,
/// goes; a row is a kind of handle, which an actor plays. Each test is a column, and runs for each
/// actor on every poller, for each way in which a registration ends.
///
///     INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, Lifetimes, testing::Types<HookActor>,
///                                    ActorNames);
#pragma once

#include "detent/callback.h"
#include "detent/poller.h"
#include "support/in_phase.h"
#include "support/lifetime_actor.h"
#include "support/standard.h"

namespace detent::testing_support {

/// A registration and what became of it.
struct Victim {
  std::unique_ptr<Held> held;
  int calls = 0;
  std::weak_ptr<int> captures;

  [[nodiscard]] bool captures_live() const { return !captures.expired(); }
};

struct Thrown : std::runtime_error {
  Thrown() : runtime_error("thrown by a callback") {}
};

/// Where one test is played for one actor, on one poller, in one way.
class Stage {
 public:
  template <class ActorT>
  Stage(ActorT& played_by, Way how, bool is_first)
      : actor(played_by),
        way(how),
        is_on_first_poller(is_first),
        owns_captures_(ActorT::kCaptures),
        owner_has_callbacks_(ActorT::kOwnerHasCallbacks) {}

  Actor& actor;
  const Way way;
  const bool is_on_first_poller;  // for what would only take time on the others

  void add(
      Victim& victim, Callback<void()> body = [] {}) {
    victim.held = actor.add(called(victim, std::move(body)));
  }
  /// Under the number of `old`, which goes.
  void add_in_place_of(Victim& old, Victim& victim) {
    victim.held = actor.add_in_place_of(std::move(old.held), called(victim, [] {}));
  }

  void end(Victim& victim) const {
    if (way == Way::destroyed) victim.held.reset();
    if (way == Way::cancelled) victim.held->cancel();
    if (way == Way::silenced) victim.held->silence();
  }

  void fire() {
    actor.make_due();
    actor.turn();
  }

  /// Captures whose callback was ended, and does not run any more.
  void expect_captures_settled(const Victim& victim) const {
    if (owns_captures_) {
      EXPECT_EQ(victim.captures_live(), way == Way::silenced);
    }
  }

  /// The owner has gone, and the handle has not.
  void expect_orphaned(const Victim& victim) const {
    EXPECT_FALSE(victim.held->active());
    EXPECT_EQ(victim.captures_live(), !owner_has_callbacks_);
  }
  /// The victim's captures own it, if it still exists.
  void break_circle(const std::weak_ptr<Victim>& watched) {
    actor.end_owner();
    if (const auto victim = watched.lock(); victim && !owner_has_callbacks_) victim->held.reset();
    EXPECT_TRUE(watched.expired()) << "the owner's end breaks the circle";
  }

  /// The victim was ended, and no callback runs.
  void expect_ended(Victim& victim) {
    const int before = victim.calls;
    expect_captures_settled(victim);
    fire();
    fire();
    EXPECT_EQ(victim.calls, before);
    if (way == Way::silenced) {
      victim.held->speak();
      fire();
      EXPECT_EQ(victim.calls, before + 1) << "what is silent may speak again";
    }
    victim.held.reset();
    if (owns_captures_) {
      EXPECT_FALSE(victim.captures_live());
    }
  }

 private:
  static Callback<void()> called(Victim& victim, Callback<void()> body) {
    auto captured = std::make_shared<int>(1);
    victim.captures = captured;
    return [&victim, captured = std::move(captured), body = std::move(body)]() mutable {
      ++victim.calls;
      body();
      EXPECT_EQ(*captured, 1) << "the captures live until the call is over";
    };
  }

  bool owns_captures_;
  bool owner_has_callbacks_;
};

template <class ActorT>
class LifetimeSuite : public testing::Test {
 protected:
  // What an actor needs may be missing here; then it says what.
  void SetUp() override {
    if constexpr (requires { ActorT::obstacle(); }) {
      if (const char* obstacle = ActorT::obstacle()) GTEST_SKIP() << obstacle;
    }
  }
  static void play(void (*column)(Stage&)) {
    for (const Way way : ActorT::kWays) play_in(way, column);
  }
  static void play_in(Way way, void (*column)(Stage&)) {
    for (const std::string_view poller : poller_names()) {
      SCOPED_TRACE(std::string(poller) + ", way " + std::to_string(static_cast<int>(way)));
      ActorT actor(poller);
      Stage stage(actor, way, poller == poller_names().front());
      column(stage);
    }
  }
};

/// An actor's name is in its tests' names.
struct ActorNames {
  template <class ActorT>
  static std::string GetName(int /*number*/) {
    return ActorT::kName;
  }
};

// The body of a test is a function that knows no type, so it is compiled once for all actors.
#define DETENT_LIFETIME(suite, name)                                         \
  inline void name(Stage& stage);                                            \
  TYPED_TEST_P(suite, name) { this->play(::detent::testing_support::name); } \
  inline void name(Stage& stage)

// ---- a handle goes

template <class ActorT>
class Lifetimes : public LifetimeSuite<ActorT> {};
TYPED_TEST_SUITE_P(Lifetimes);

DETENT_LIFETIME(Lifetimes, L1_CalledWhileItsHandleLives) {
  Victim victim;
  stage.add(victim);
  EXPECT_TRUE(victim.held->active());
  stage.fire();
  EXPECT_EQ(victim.calls, 1);
}

DETENT_LIFETIME(Lifetimes, L1_EndedBeforeItIsDue) {
  Victim victim;
  stage.add(victim);
  stage.end(victim);
  stage.expect_ended(victim);
}

DETENT_LIFETIME(Lifetimes, L1_EndedWhenItIsDueAndNotYetCalled) {
  Victim victim;
  stage.add(victim);
  stage.actor.make_due();
  stage.end(victim);
  stage.actor.turn();
  EXPECT_EQ(victim.calls, 0);
  stage.expect_ended(victim);
}

DETENT_LIFETIME(Lifetimes, L2_EndedInItsOwnCallback) {
  Victim victim;
  stage.add(victim, [&] {
    if (victim.calls > 1) return;
    stage.end(victim);
    EXPECT_TRUE(victim.captures_live()) << "not while it runs";
  });
  stage.fire();
  EXPECT_EQ(victim.calls, 1);
  stage.expect_ended(victim);
}

// Whichever is called first ends the other.
DETENT_LIFETIME(Lifetimes, L1_EndedInASiblingsCallbackOfTheSameTurn) {
  std::array<Victim, 2> both;
  for (const std::size_t i : {0U, 1U}) {
    stage.add(both[i], [&, i] {
      if (both[0].calls + both[1].calls > 1) return;
      stage.end(both[1 - i]);
      stage.expect_captures_settled(both[1 - i]);
    });
  }
  stage.fire();
  EXPECT_EQ(both[0].calls + both[1].calls, 1);
  stage.expect_ended(both[0].calls == 0 ? both[0] : both[1]);
}

DETENT_LIFETIME(Lifetimes, L1_EndedByASiblingThatWasRegisteredLater) {
  Victim victim;
  Victim ender;
  int calls_at_the_end = -1;
  stage.add(victim);
  stage.add(ender, [&] {
    if (ender.calls > 1) return;
    stage.end(victim);
    calls_at_the_end = victim.calls;
  });
  stage.fire();
  EXPECT_EQ(victim.calls, calls_at_the_end);
  stage.expect_ended(victim);
}

DETENT_LIFETIME(Lifetimes, L1_EndedInEachPhaseOfTheTurn) {
  for (const int phase : InPhase::kAll) {
    for (const bool is_first : {true, false}) {
      SCOPED_TRACE("phase " + std::to_string(phase));
      Victim victim;
      if (!is_first) stage.add(victim);
      const InPhase ender(stage.actor.reactor(), phase, [&] { stage.end(victim); });
      if (is_first) stage.add(victim);
      stage.fire();
      stage.expect_ended(victim);
    }
  }
}

// The others, so that a service that is too quick to use its slots again has the chance.
DETENT_LIFETIME(Lifetimes, L4_AnotherTakesItsPlaceInTheSameTurn) {
  std::array<Victim, 2> both;
  std::array<Victim, 3> others;
  for (const std::size_t i : {0U, 1U}) {
    stage.add(both[i], [&, i] {
      if (both[0].calls + both[1].calls > 1) return;
      stage.add_in_place_of(both[1 - i], others[0]);
      stage.add(others[1]);
      stage.end(others[1]);
      stage.add(others[2]);
    });
  }
  stage.fire();
  EXPECT_EQ(both[0].calls + both[1].calls, 1);
  EXPECT_EQ(others[0].calls + others[2].calls, 0) << "the call was meant for its predecessor";
  Victim& replaced = both[0].calls == 0 ? both[0] : both[1];
  stage.fire();
  EXPECT_EQ(others[0].calls, 1);
  EXPECT_EQ(others[2].calls, 1);
  EXPECT_EQ(replaced.calls, 0);
  EXPECT_EQ(others[1].calls, 0);
}

DETENT_LIFETIME(Lifetimes, L4_AnotherTakesItsPlaceInItsOwnCallback) {
  Victim victim;
  Victim successor;
  stage.add(victim, [&] { stage.add_in_place_of(victim, successor); });
  stage.fire();
  EXPECT_EQ(victim.calls, 1);
  EXPECT_EQ(successor.calls, 0) << "what is registered for a phase in that phase runs later";
  stage.fire();
  EXPECT_EQ(victim.calls, 1);
  EXPECT_EQ(successor.calls, 1);
}

DETENT_LIFETIME(Lifetimes, L5_OutlivesItsOwner) {
  Victim victim;
  Victim other;
  stage.add(victim);
  stage.add(other);
  stage.actor.make_due();
  stage.actor.end_owner();
  EXPECT_FALSE(victim.held->active());
  stage.end(victim);
  std::thread([&] {
    if (stage.way == Way::cancelled) stage.end(other);
    other.held.reset();
  }).join();
  stage.actor.turn();
  EXPECT_EQ(victim.calls + other.calls, 0);
}

REGISTER_TYPED_TEST_SUITE_P(Lifetimes, L1_CalledWhileItsHandleLives, L1_EndedBeforeItIsDue,
                            L1_EndedWhenItIsDueAndNotYetCalled, L2_EndedInItsOwnCallback,
                            L1_EndedInASiblingsCallbackOfTheSameTurn,
                            L1_EndedByASiblingThatWasRegisteredLater, L1_EndedInEachPhaseOfTheTurn,
                            L4_AnotherTakesItsPlaceInTheSameTurn,
                            L4_AnotherTakesItsPlaceInItsOwnCallback, L5_OutlivesItsOwner);

// ---- a handle goes, whose registration owns its callback

template <class ActorT>
class LifetimesOfCaptures : public LifetimeSuite<ActorT> {};
TYPED_TEST_SUITE_P(LifetimesOfCaptures);

DETENT_LIFETIME(LifetimesOfCaptures, L3_EndedThroughItsOwnCaptures) {
  auto owner = std::make_shared<Victim>();
  const std::weak_ptr<Victim> watched = owner;
  int calls = 0;
  stage.add(*owner, [&stage, &calls, owner] {
    ++calls;
    stage.end(*owner);
  });
  owner.reset();
  stage.fire();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(watched.expired(), stage.way != Way::silenced);
  stage.fire();
  EXPECT_EQ(calls, 1);
  stage.break_circle(watched);
}

DETENT_LIFETIME(LifetimesOfCaptures, L3_EndedFromOutsideWhileItsOwnCapturesOwnIt) {
  auto owner = std::make_shared<Victim>();
  const std::weak_ptr<Victim> watched = owner;
  stage.add(*owner, [owner] {});
  Victim& victim = *owner;
  owner.reset();
  stage.end(victim);
  EXPECT_EQ(watched.expired(), stage.way != Way::silenced);
  stage.break_circle(watched);
}

DETENT_LIFETIME(LifetimesOfCaptures, L3_EndedByTheCapturesThatOwnIt) {
  Victim outer;
  auto inner = std::make_unique<Victim>();
  const Victim& seen = *inner;
  stage.add(*inner);
  const std::weak_ptr<int> captures = seen.captures;
  stage.add(outer, [inner = std::shared_ptr<Victim>(std::move(inner))] {});
  stage.end(outer);
  outer.held.reset();
  EXPECT_TRUE(captures.expired());
  stage.fire();
}

DETENT_LIFETIME(LifetimesOfCaptures, L2_EndedByTheCapturesOfASiblingThatGoesInTheSameTurn) {
  Victim victim;
  Victim sibling;
  int calls_at_the_end = -1;
  auto ends = at_the_end([&] {
    stage.end(victim);
    calls_at_the_end = victim.calls;
  });
  stage.add(sibling, [&sibling, ends = std::move(ends)] { sibling.held.reset(); });
  stage.add(victim);
  stage.fire();
  EXPECT_EQ(victim.calls, calls_at_the_end);
  stage.expect_ended(victim);
}

DETENT_LIFETIME(LifetimesOfCaptures, L3_ItsCapturesRegisterAnotherWhenTheyGo) {
  Victim victim;
  Victim next;
  stage.add(victim, [adds = at_the_end([&] { stage.add(next); })] {});
  victim.held.reset();
  EXPECT_TRUE(next.held->active());
  stage.fire();
  EXPECT_EQ(victim.calls, 0);
  EXPECT_EQ(next.calls, 1);
}

DETENT_LIFETIME(LifetimesOfCaptures, L3_ItsCapturesOwnTheOwner) {
  Victim victim;
  Victim other;
  stage.add(other);
  stage.add(victim, [owner = at_the_end([&] { stage.actor.end_owner(); })] {});
  stage.actor.make_due();
  stage.end(victim);
  victim.held.reset();
  EXPECT_FALSE(victim.captures_live());
  stage.expect_orphaned(other);
  stage.actor.turn();
  EXPECT_EQ(victim.calls + other.calls, 0);
}

DETENT_LIFETIME(LifetimesOfCaptures, O6_EndedAfterItThrew) {
  Victim victim;
  stage.add(victim, [&] {
    if (victim.calls == 1) throw Thrown();
  });
  EXPECT_THROW(stage.fire(), Thrown);
  EXPECT_EQ(victim.calls, 1);
  stage.end(victim);
  stage.expect_ended(victim);
}

DETENT_LIFETIME(LifetimesOfCaptures, O6_EndedInItsOwnCallbackThatThenThrows) {
  Victim victim;
  stage.add(victim, [&] {
    if (victim.calls > 1) return;
    stage.end(victim);
    EXPECT_TRUE(victim.captures_live());
    throw Thrown();
  });
  EXPECT_THROW(stage.fire(), Thrown);
  EXPECT_EQ(victim.calls, 1);
  stage.expect_ended(victim);
}

// The rest of the turn is carried over by the throw; what ends meanwhile is not in it any more.
DETENT_LIFETIME(LifetimesOfCaptures, O6_EndedWhileItsCallIsCarriedOver) {
  std::array<Victim, 2> both;
  const auto throw_first = [&] {
    if (both[0].calls + both[1].calls == 1) throw Thrown();
  };
  for (Victim& victim : both) stage.add(victim, throw_first);
  EXPECT_THROW(stage.fire(), Thrown);
  Victim& thrower = both[0].calls == 1 ? both[0] : both[1];
  Victim& waiting = both[0].calls == 1 ? both[1] : both[0];
  thrower.held.reset();
  stage.end(waiting);
  stage.actor.turn();
  EXPECT_EQ(waiting.calls, 0);
  stage.expect_ended(waiting);
}

REGISTER_TYPED_TEST_SUITE_P(LifetimesOfCaptures, L3_EndedThroughItsOwnCaptures,
                            L3_EndedFromOutsideWhileItsOwnCapturesOwnIt,
                            L3_EndedByTheCapturesThatOwnIt,
                            L2_EndedByTheCapturesOfASiblingThatGoesInTheSameTurn,
                            L3_ItsCapturesRegisterAnotherWhenTheyGo, L3_ItsCapturesOwnTheOwner,
                            O6_EndedAfterItThrew, O6_EndedInItsOwnCallbackThatThenThrows,
                            O6_EndedWhileItsCallIsCarriedOver);

// ---- what it is registered with goes, and the callbacks with it; a connection has its own

template <class ActorT>
class LifetimesOfOwners : public LifetimeSuite<ActorT> {
 protected:
  // No registration is ended.
  static void play(void (*column)(Stage&)) {
    LifetimeSuite<ActorT>::play_in(Way::destroyed, column);
  }
};
TYPED_TEST_SUITE_P(LifetimesOfOwners);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LifetimesOfOwners);

DETENT_LIFETIME(LifetimesOfOwners, L3_TheOwnersEndDestroysTheCaptures) {
  std::array<Victim, 3> victims;
  for (Victim& victim : victims) stage.add(victim);
  stage.actor.make_due();
  stage.actor.end_owner();
  for (const Victim& victim : victims) EXPECT_FALSE(victim.captures_live());
  stage.actor.turn();
  for (const Victim& victim : victims) EXPECT_EQ(victim.calls, 0);
}

DETENT_LIFETIME(LifetimesOfOwners, L3_TheOwnersEndBreaksACircleOfHandlesAndCaptures) {
  auto first = std::make_shared<Victim>();
  auto second = std::make_shared<Victim>();
  const std::weak_ptr<Victim> watched = first;
  stage.add(*first, [second] {});
  stage.add(*second, [first = std::move(first)] {});
  second.reset();
  EXPECT_FALSE(watched.expired());
  stage.actor.end_owner();
  EXPECT_TRUE(watched.expired());
}

DETENT_LIFETIME(LifetimesOfOwners, L7_ACaptureMayAskAnythingOfAnOwnerThatGoes) {
  Victim victim;
  Victim late;
  int ends = 0;
  stage.add(victim, [asks = at_the_end([&] {
                       ++ends;
                       stage.add(late);
                       EXPECT_FALSE(late.held->active()) << "registered with what is going";
                       stage.actor.ask_the_going_owner();
                     })] {});
  stage.actor.make_due();
  stage.actor.end_owner();
  EXPECT_EQ(ends, 1);
  EXPECT_FALSE(late.captures_live());
  stage.actor.turn();
  EXPECT_EQ(victim.calls + late.calls, 0);
}

/// Registers another of its kind when it goes, so many times.
class Link {
 public:
  Link(Stage& stage, int& ends, int left) : stage_(stage), ends_(ends), left_(left) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() {
    ++ends_;
    if (left_ > 0) static_cast<void>(next(stage_, ends_, left_ - 1));
  }
  static std::unique_ptr<Held> next(Stage& stage, int& ends, int left) {
    return stage.actor.add([link = std::make_unique<Link>(stage, ends, left)] {});
  }

 private:
  Stage& stage_;
  int& ends_;
  int left_;
};

DETENT_LIFETIME(LifetimesOfOwners, L7_AChainOfRefusedCallbacksUsesNoStack) {
  const int length = stage.is_on_first_poller ? 100'000 : 100;
  int ends = 0;
  const std::unique_ptr<Held> first = Link::next(stage, ends, length - 1);
  stage.actor.end_owner();
  EXPECT_EQ(ends, length);
}

REGISTER_TYPED_TEST_SUITE_P(LifetimesOfOwners, L3_TheOwnersEndDestroysTheCaptures,
                            L3_TheOwnersEndBreaksACircleOfHandlesAndCaptures,
                            L7_ACaptureMayAskAnythingOfAnOwnerThatGoes,
                            L7_AChainOfRefusedCallbacksUsesNoStack);

// ---- what it is registered with is a service, which goes before or after its reactor

template <class ActorT>
class LifetimesOfServices : public LifetimeSuite<ActorT> {};
TYPED_TEST_SUITE_P(LifetimesOfServices);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LifetimesOfServices);

// Registers three, of which the one that is called first runs `body`.
inline void add_three(Stage& stage, std::array<Victim, 3>& three, void (*body)(Actor&)) {
  for (Victim& victim : three) {
    stage.add(victim, [&, body] {
      body(stage.actor);
      EXPECT_TRUE(victim.captures_live()) << "this callable still runs";
    });
  }
}

// One has been called, and the service has gone.
inline void expect_gone(Stage& stage, std::array<Victim, 3>& three) {
  int calls = 0;
  for (Victim& victim : three) {
    EXPECT_FALSE(victim.captures_live());
    EXPECT_FALSE(victim.held->active());
    stage.end(victim);
  }
  stage.fire();
  for (const Victim& victim : three) calls += victim.calls;
  EXPECT_EQ(calls, 1);
}

DETENT_LIFETIME(LifetimesOfServices, L2_DestroyedInACallback) {
  std::array<Victim, 3> three;
  add_three(stage, three, [](Actor& actor) { actor.end_owner(); });
  stage.fire();
  expect_gone(stage, three);
}

DETENT_LIFETIME(LifetimesOfServices, L2_DestroyedInACallbackThatThenThrows) {
  std::array<Victim, 3> three;
  add_three(stage, three, [](Actor& actor) {
    actor.end_owner();
    throw Thrown();
  });
  EXPECT_THROW(stage.fire(), Thrown);
  stage.actor.turn();
  expect_gone(stage, three);
}

DETENT_LIFETIME(LifetimesOfServices, L2_DestroyedAfterACallbackThrew) {
  std::array<Victim, 3> three;
  add_three(stage, three, [](Actor&) { throw Thrown(); });
  EXPECT_THROW(stage.fire(), Thrown);
  stage.actor.end_owner();
  stage.actor.turn();
  expect_gone(stage, three);
}

DETENT_LIFETIME(LifetimesOfServices, L2_DestroyedInEachPhaseOfTheTurn) {
  for (const int phase : InPhase::kAll) {
    for (const bool is_first : {true, false}) {
      SCOPED_TRACE("phase " + std::to_string(phase));
      stage.actor.make_owner();
      Victim victim;
      if (!is_first) stage.add(victim);
      const InPhase ender(stage.actor.reactor(), phase, [&] { stage.actor.end_owner(); });
      if (is_first) stage.add(victim);
      stage.fire();
      EXPECT_FALSE(victim.captures_live());
      EXPECT_FALSE(victim.held->active());
      stage.fire();
      EXPECT_LE(victim.calls, 1);
    }
  }
}

DETENT_LIFETIME(LifetimesOfServices, L2_ReplacedInACallback) {
  Victim victim;
  Victim successor;
  stage.add(victim, [&] {
    stage.actor.end_owner();
    stage.actor.make_owner();
    stage.add(successor);
  });
  stage.fire();
  EXPECT_EQ(successor.calls, 0);
  stage.fire();
  EXPECT_EQ(successor.calls, 1);
  EXPECT_EQ(victim.calls, 1);
}

DETENT_LIFETIME(LifetimesOfServices, L5_ItsReactorGoesFirst) {
  Victim victim;
  Victim late;
  stage.add(victim, [adds = at_the_end([&] {
                       stage.add(late);
                       EXPECT_FALSE(late.held->active()) << "registered with what is going";
                     })] {});
  stage.actor.make_due();
  stage.actor.end_reactor();
  EXPECT_FALSE(victim.held->active());
  EXPECT_THROW(static_cast<void>(stage.actor.add(never())), std::logic_error);
  stage.end(victim);
  stage.actor.end_owner();
  EXPECT_EQ(victim.calls + late.calls, 0);
  EXPECT_FALSE(victim.captures_live() || late.captures_live());
}

DETENT_LIFETIME(LifetimesOfServices, L7_ACaptureMayRegisterWithAServiceWhoseReactorGoes) {
  Victim late;
  stage.actor.reactor().post([adds = at_the_end([&] {
                                stage.add(late);
                                EXPECT_FALSE(late.held->active()) << "its reactor is going";
                              })] {});
  stage.actor.end_reactor();
  ASSERT_NE(late.held, nullptr);
  EXPECT_FALSE(late.captures_live());
  stage.actor.end_owner();
  EXPECT_EQ(late.calls, 0);
}

REGISTER_TYPED_TEST_SUITE_P(LifetimesOfServices, L2_DestroyedInACallback,
                            L2_DestroyedInACallbackThatThenThrows, L2_DestroyedAfterACallbackThrew,
                            L2_DestroyedInEachPhaseOfTheTurn, L2_ReplacedInACallback,
                            L5_ItsReactorGoesFirst,
                            L7_ACaptureMayRegisterWithAServiceWhoseReactorGoes);

}  // namespace detent::testing_support
