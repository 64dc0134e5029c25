// SPDX-License-Identifier: BSL-1.0
// One turn: its phases, its budgets, its time, its hooks.
#include "detent/reactor.h"
#include "detent/simulation.h"
#include "support/keep.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;
using Trace = std::vector<std::string>;

// ---- phases

class TurnOnEveryPoller : public ReactorOnEveryPoller {};

TEST_P(TurnOnEveryPoller, O1_TheFivePhasesWithCallbacksComeInTheirOrder) {
  Trace trace;
  WatchedSocket socket;
  socket.send();
  keep(reactor_.defer([&] { trace.emplace_back("deferred"); }));
  const Watch watch =
      reactor_.watch(socket, {.readable = true}, [&](Ready) { trace.emplace_back("descriptor"); });
  reactor_.post([&] { trace.emplace_back("posted"); });
  const Handle after = reactor_.after_wait([&] { trace.emplace_back("after_wait"); });
  const Handle before = reactor_.before_wait([&] { trace.emplace_back("before_wait"); });
  turn();
  EXPECT_EQ(trace, (Trace{"before_wait", "after_wait", "posted", "descriptor", "deferred"}));
}

TEST_P(TurnOnEveryPoller, O1_AChangeOfInterestInABeforeWaitHookHoldsForThisTurnsWait) {
  WatchedSocket socket;
  int calls = 0;
  Watch watch = reactor_.watch(socket, {}, [&](Ready) { ++calls; });
  const Handle hook = reactor_.before_wait([&] { watch.set_interest({.writable = true}); });
  turn();
  EXPECT_EQ(calls, 1);
}

TEST_P(TurnOnEveryPoller, O1_WhatAPhaseSchedulesForALaterPhaseRunsInTheSameTurn) {
  Trace trace;
  WatchedSocket socket;
  const Handle before = reactor_.before_wait([&] {
    if (trace.empty()) reactor_.post([&] { trace.emplace_back("posted by before_wait"); });
  });
  const Handle after = reactor_.after_wait([&] {
    if (trace.empty()) reactor_.post([&] { trace.emplace_back("posted by after_wait"); });
  });
  socket.send();
  Watch watch = reactor_.watch(socket, {.readable = true}, [&](Ready) {
    keep(reactor_.defer([&] { trace.emplace_back("deferred"); }));
    watch.cancel();
  });
  turn();
  EXPECT_EQ(trace, (Trace{"posted by before_wait", "posted by after_wait", "deferred"}));
}

TEST_P(TurnOnEveryPoller, O1_APostedFunctionPostsForTheNextTurn) {
  int runs = 0;
  std::function<void()> again = [&] {
    ++runs;
    reactor_.post(again);
  };
  reactor_.post(again);
  for (int turns = 1; turns <= 5; ++turns) {
    turn();
    EXPECT_EQ(runs, turns);
  }
}

TEST_P(TurnOnEveryPoller, O1_ADeferredFunctionDefersToTheNextTurn) {
  int runs = 0;
  std::function<void()> again = [&] {
    ++runs;
    keep(reactor_.defer(again));
  };
  keep(reactor_.defer(again));
  for (int turns = 1; turns <= 5; ++turns) {
    turn();
    EXPECT_EQ(runs, turns);
  }
}

TEST_P(TurnOnEveryPoller, O1_ACallbackMayWatchAReadyDescriptorWhichIsCalledInALaterTurn) {
  WatchedSocket first;
  WatchedSocket second;
  first.send();
  second.send();
  int second_calls = 0;
  Watch added;
  const Watch watch = reactor_.watch(first, {.readable = true}, [&](Ready) {
    static_cast<void>(first.receive());
    added = reactor_.watch(second, {.readable = true}, [&](Ready) { ++second_calls; });
  });
  turn();
  ASSERT_TRUE(added.active());
  EXPECT_EQ(second_calls, 0);
  turn();
  EXPECT_EQ(second_calls, 1);
}

TEST_P(TurnOnEveryPoller, T18_AConnectionAcceptedWhileTheBatchIsWorkedOffIsServedLater) {
  WatchedSocket listener;
  WatchedSocket connection;
  WatchedSocket other;
  Trace trace;
  std::vector<Watch> connections;
  connection.send("hello");
  listener.send("a connection");
  other.send();
  const auto on_other = [&](Ready) {
    static_cast<void>(other.receive());
    trace.emplace_back("other");
  };
  const Watch listening = reactor_.watch(listener, {.readable = true}, [&](Ready) {
    static_cast<void>(listener.receive());
    trace.emplace_back("accept");
    connections.push_back(reactor_.watch(connection, {.readable = true},
                                         [&](Ready) { trace.push_back(connection.receive()); }));
  });
  const Watch watching_other = reactor_.watch(other, {.readable = true}, on_other);
  turn();
  EXPECT_EQ(trace.size(), 2U) << "the two that were in the batch";
  EXPECT_EQ(std::count(trace.begin(), trace.end(), "hello"), 0);
  turn();
  EXPECT_EQ(trace.back(), "hello");
}

TEST_P(TurnOnEveryPoller, O1_FunctionsThatPostForEverLeaveDescriptorsServed) {
  constexpr int kTurns = 100'000;
  WatchedSocket socket;
  socket.send();
  int posted = 0;
  int served = 0;
  std::function<void()> again = [&] {
    if (++posted == kTurns) return reactor_.stop();
    reactor_.post(again);
  };
  const Watch watch = reactor_.watch(socket, {.readable = true}, [&](Ready) { ++served; });
  reactor_.post(again);
  reactor_.run();
  EXPECT_EQ(posted, kTurns);
  EXPECT_EQ(served, kTurns);
}

// ---- budgets

TEST_P(TurnOnEveryPoller, O2_PostedFunctionsOverTheBudgetRunInTheNextTurnsInTheirOrder) {
  Reactor reactor(on_poller(GetParam(), {.functions = 3}));
  std::vector<int> ran;
  for (int i = 0; i < 8; ++i) reactor.post([&ran, i] { ran.push_back(i); });
  std::vector<std::size_t> sizes;
  for (int turns = 0; turns < 4; ++turns) {
    reactor.dispatch();
    sizes.push_back(ran.size());
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{3, 6, 8, 8}));
  EXPECT_EQ(ran, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST_P(TurnOnEveryPoller, O2_PostsThatComeWhileOthersAreCarriedOverQueueBehindThem) {
  Reactor reactor(on_poller(GetParam(), {.functions = 2}));
  std::vector<int> ran;
  for (int i = 0; i < 5; ++i) {
    reactor.post([&, i] {
      ran.push_back(i);
      reactor.post([&ran, i] { ran.push_back(10 + i); });
    });
  }
  for (int turns = 0; turns < 5; ++turns) reactor.dispatch();
  EXPECT_EQ(ran, (std::vector<int>{0, 1, 2, 3, 4, 10, 11, 12, 13, 14}));
}

TEST_P(TurnOnEveryPoller, O2_DeferredFunctionsHaveABudgetToo) {
  Reactor reactor(on_poller(GetParam(), {.functions = 3}));
  std::vector<int> ran;
  for (int i = 0; i < 5; ++i) keep(reactor.defer([&ran, i] { ran.push_back(i); }));
  reactor.dispatch();
  EXPECT_EQ(ran, (std::vector<int>{0, 1, 2}));
  reactor.dispatch();
  EXPECT_EQ(ran, (std::vector<int>{0, 1, 2, 3, 4}));
}

// Were it to sleep, nothing would ever wake it.
TEST_P(TurnOnEveryPoller, O2_ALoopWithFunctionsCarriedOverDoesNotSleep) {
  for (const bool deferred : {false, true}) {
    SCOPED_TRACE(deferred ? "deferred" : "posted");
    Reactor reactor(on_poller(GetParam(), {.functions = 1}));
    int runs = 0;
    for (int i = 0; i < 5; ++i) {
      Callback<void()> function = [&] {
        if (++runs == 5) reactor.stop();
      };
      if (deferred) {
        keep(reactor.defer(std::move(function)));
      } else {
        reactor.post(std::move(function));
      }
    }
    reactor.run();
    EXPECT_EQ(runs, 5);
  }
}

TEST_P(TurnOnEveryPoller, D5_MoreReadyDescriptorsThanABatchHoldsAreAllServed) {
  constexpr std::size_t kBatch = 4;
  constexpr std::size_t kReady = 50;
  Reactor reactor(on_poller(GetParam(), {.events = kBatch}));
  std::vector<WatchedSocket> sockets(kReady);
  std::vector<Watch> watches;
  std::vector<int> calls(kReady, 0);
  for (std::size_t i = 0; i < kReady; ++i) {
    sockets[i].send();
    watches.push_back(reactor.watch(sockets[i], {.readable = true}, [&, i](Ready) {
      ++calls[i];
      static_cast<void>(sockets[i].receive());
    }));
  }
  std::size_t most = 0;
  for (std::size_t turns = 0; turns < (kReady + kBatch - 1) / kBatch; ++turns) {
    most = std::max(most, reactor.dispatch());
  }
  EXPECT_EQ(most, kBatch);
  EXPECT_EQ(calls, std::vector<int>(kReady, 1));
}

TEST_P(TurnOnEveryPoller, O2_ABatchOfOneStillHearsOfPostsFromOutside) {
  Reactor reactor(on_poller(GetParam(), {.events = 1}));
  WatchedSocket socket;
  socket.send();
  int calls = 0;
  const Watch watch = reactor.watch(socket, {.readable = true}, [&](Ready) { ++calls; });
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(reactor.poster().post([] {}));
    reactor.wake();
    reactor.dispatch();
  }
  EXPECT_GE(calls, 9);
}

TEST_P(TurnOnEveryPoller, O2_ABudgetOfNothingIsRefused) {
  for (const Budgets budgets : {Budgets{.events = 0}, Budgets{.functions = 0}}) {
    EXPECT_THROW(Reactor(on_poller(GetParam(), budgets)), std::invalid_argument);
  }
}

TEST_P(TurnOnEveryPoller, O2_TheBudgetsAreThoseOfTheOptions) {
  const Reactor reactor(on_poller(GetParam(), {.events = 1, .functions = 2}));
  EXPECT_EQ(reactor.budgets().events, 1U);
  EXPECT_EQ(reactor.budgets().functions, 2U);
}

// ---- hooks

TEST_P(TurnOnEveryPoller, O1_HooksRunOnceATurnInTheOrderOfTheirRegistration) {
  Trace trace;
  const Handle a = reactor_.before_wait([&] { trace.emplace_back("a"); });
  const Handle b = reactor_.before_wait([&] { trace.emplace_back("b"); });
  const Handle c = reactor_.after_wait([&] { trace.emplace_back("c"); });
  const Handle d = reactor_.after_wait([&] { trace.emplace_back("d"); });
  turn();
  turn();
  EXPECT_EQ(trace, (Trace{"a", "b", "c", "d", "a", "b", "c", "d"}));
}

TEST_P(TurnOnEveryPoller, O1_AHookMayAddAHookOfItsPhaseWhichRunsFromTheNextTurnOn) {
  Trace trace;
  std::vector<Handle> added;
  const auto adder = [&](const char* name, auto add) {
    return [&, name, add] {
      trace.emplace_back(name);
      if (added.size() < 2) added.push_back(add());
    };
  };
  const Handle before = reactor_.before_wait(adder(
      "before", [&] { return reactor_.before_wait([&] { trace.emplace_back("new before"); }); }));
  const Handle after = reactor_.after_wait(adder(
      "after", [&] { return reactor_.after_wait([&] { trace.emplace_back("new after"); }); }));
  turn();
  EXPECT_EQ(trace, (Trace{"before", "after"}));
  trace.clear();
  turn();
  EXPECT_EQ(trace, (Trace{"before", "new before", "after", "new after"}));
}

TEST_P(TurnOnEveryPoller, O1_ABeforeWaitHookMayAddAndCancelHooksOfTheOtherPhase) {
  Trace trace;
  Handle added;
  Handle doomed = reactor_.after_wait([&] { trace.emplace_back("doomed"); });
  const Handle hook = reactor_.before_wait([&] {
    doomed.cancel();
    if (!added) added = reactor_.after_wait([&] { trace.emplace_back("added"); });
  });
  turn();
  turn();
  EXPECT_EQ(trace, (Trace{"added", "added"}));
}

TEST_P(TurnOnEveryPoller, O1_HooksThatComeAndGoInEveryTurnKeepTheirOrder) {
  Trace trace;
  Handle coming_and_going;
  const Handle first = reactor_.before_wait([&] {
    trace.emplace_back("first");
    coming_and_going = reactor_.before_wait([&] { trace.emplace_back("fresh"); });
  });
  const Handle last = reactor_.before_wait([&] { trace.emplace_back("last"); });
  for (int turns = 0; turns < 100; ++turns) turn();
  // Each fresh one is replaced before its first turn comes.
  EXPECT_EQ(trace.size(), 200U);
  EXPECT_EQ(std::count(trace.begin(), trace.end(), "fresh"), 0);
}

DETENT_ON_EVERY_POLLER(TurnOnEveryPoller);

// ---- time

class TurnTime : public SimulatedReactor {
 protected:
  Watch ready_watch(int fd, Callback<void(Ready)> on_ready) {
    clock_.set_ready(fd, {.readable = true});
    return reactor_->watch(fd, {.readable = true}, std::move(on_ready));
  }
};

TEST_F(TurnTime, O3_NowStandsStillWithinATurn) {
  std::vector<TimePoint> seen;
  const auto look = [&](Ready) {
    seen.push_back(reactor_->now());
    clock_.pass(1h);
  };
  const Watch a = ready_watch(kFirst, look);
  const Watch b = ready_watch(kFirst + 1, look);
  keep(reactor_->defer([&] { seen.push_back(reactor_->now()); }));
  const TimePoint start = clock_.now();
  turn();
  EXPECT_EQ(seen, (std::vector<TimePoint>{start, start, start}));
  EXPECT_EQ(reactor_->now(), start + 2h) << "between turns it is the time";
  turn();
  EXPECT_EQ(seen.back(), start + 2h) << "the next turn has its own";
}

TEST_F(TurnTime, O3_ATimeSeenBeforeTheWaitDoesNotLastBeyondIt) {
  clock_.set_auto_advance(true);
  const std::unique_ptr<Alarm> alarm = clock_.make_alarm(ClockId::steady);
  const TimePoint start = clock_.now();
  alarm->arm(start + 5s);
  TimePoint before;
  TimePoint in_callback;
  const Handle hook = reactor_->before_wait([&] { before = reactor_->now(); });
  const Watch watch = reactor_->watch(*alarm, {.readable = true}, [&](Ready) {
    in_callback = reactor_->now();
    alarm->disarm();
  });
  EXPECT_EQ(reactor_->run_once(), 1U);
  EXPECT_EQ(before, start);
  EXPECT_EQ(in_callback, start + 5s);
}

// Counts who asks for the time.
class CountingClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const noexcept override {
    ++reads;
    return kernel_clock().now();
  }
  [[nodiscard]] BootTime boot_now() const noexcept override { return kernel_clock().boot_now(); }
  [[nodiscard]] WallTime wall_now() const noexcept override { return kernel_clock().wall_now(); }
  [[nodiscard]] std::unique_ptr<Alarm> make_alarm(ClockId id) override {
    return kernel_clock().make_alarm(id);
  }
  mutable int reads = 0;
};

TEST(TurnClock, O3_TheClockIsReadAtMostOnceATurnAndOnlyWhenSomebodyAsks) {
  CountingClock clock;
  Reactor reactor({.clock = &clock});
  EXPECT_EQ(&reactor.clock(), &clock);
  bool ask = false;
  int callbacks = 0;
  const auto maybe_ask = [&] {
    ++callbacks;
    if (ask) static_cast<void>(reactor.now());
  };
  const Handle after = reactor.after_wait(maybe_ask);
  for (int i = 0; i < 3; ++i) keep(reactor.defer(maybe_ask));
  reactor.dispatch();
  EXPECT_EQ(clock.reads, 0);
  ask = true;
  for (int i = 0; i < 3; ++i) keep(reactor.defer(maybe_ask));
  reactor.dispatch();
  EXPECT_EQ(clock.reads, 1);
  EXPECT_EQ(callbacks, 8);
}

}  // namespace
}  // namespace detent
