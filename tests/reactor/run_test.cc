// SPDX-License-Identifier: BSL-1.0
// run, run_once, stop, wake: how the loop goes on and how it ends.
#include <pthread.h>
#include <signal.h>

#include "detent/reactor.h"
#include "detent/simulation.h"
#include "support/keep.h"
#include "support/processes.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

// Handles a signal with `handler` while it lives. Without SA_RESTART: waits are interrupted.
class SignalHandler {
 public:
  SignalHandler(int signal, void (*handler)(int)) : signal_(signal) {
    struct sigaction action = {};
    action.sa_handler = handler;
    ::sigaction(signal, &action, &before_);
  }
  SignalHandler(const SignalHandler&) = delete;
  SignalHandler& operator=(const SignalHandler&) = delete;
  ~SignalHandler() { ::sigaction(signal_, &before_, nullptr); }

 private:
  int signal_;
  struct sigaction before_ = {};
};

std::atomic<Reactor*> reactor_of_handler = nullptr;
std::atomic<int> handled = 0;

// ---- run_once on the real kernel

class RunOnEveryPoller : public ReactorOnEveryPoller {};

TEST_P(RunOnEveryPoller, O4_RunOnceReturnsHowManyCallbacksRan) {
  std::array<WatchedSocket, 3> sockets;
  std::vector<Watch> watches;
  int hooks = 0;
  const Handle before = reactor_.before_wait([&] { ++hooks; });
  const Handle after = reactor_.after_wait([&] { ++hooks; });
  for (WatchedSocket& socket : sockets) {
    socket.send();
    watches.push_back(reactor_.watch(socket, {.readable = true}, [](Ready) {}));
  }
  EXPECT_EQ(reactor_.run_once(), 3U) << "hooks do not count";
  EXPECT_EQ(hooks, 2);
  watches.pop_back();
  EXPECT_EQ(reactor_.run_once(1h), 2U);
}

TEST_P(RunOnEveryPoller, O4_PostedAndDeferredFunctionsAreCallbacksToo) {
  reactor_.post([] {});
  reactor_.post([] {});
  keep(reactor_.defer([] {}));
  EXPECT_EQ(reactor_.run_once(0ns), 3U);
}

TEST_P(RunOnEveryPoller, O4_WithNothingRegisteredRunOnceWaitsForTheWholeTime) {
  const TimePoint start = kernel_clock().now();
  EXPECT_EQ(reactor_.run_once(20ms), 0U);
  EXPECT_GE(kernel_clock().now() - start, 20ms);
}

template <class Time>
concept RunsFor = requires(Reactor& reactor, Time time) {
  reactor.run_once(time);
};
static_assert(!RunsFor<int> && !RunsFor<double> && !RunsFor<std::chrono::duration<double>>);
static_assert(RunsFor<std::chrono::seconds> && RunsFor<std::chrono::milliseconds>);

TEST_P(RunOnEveryPoller, D6_ATimeOfNothingOrLessDoesNotWait) {
  for (const Duration none : {Duration(0), Duration(-1), Duration(-1h), Duration::min()}) {
    EXPECT_EQ(reactor_.run_once(none), 0U);
  }
}

TEST_P(RunOnEveryPoller, D6_TheLongestTimeDoesNotOverflow) {
  WatchedSocket socket;
  const Watch watch = reactor_.watch(socket, {.readable = true}, [](Ready) {});
  const std::jthread sender = when_asleep([&] { socket.send(); });
  EXPECT_EQ(reactor_.run_once(Duration::max()), 1U);
}

TEST_P(RunOnEveryPoller, O4_AWakeEndsRunOnceEarlyWithNothing) {
  reactor_.wake();
  EXPECT_EQ(reactor_.run_once(), 0U) << "a wake that came first is not lost";
  const std::jthread waker = when_asleep([&] { reactor_.wake(); });
  EXPECT_EQ(reactor_.run_once(), 0U);
}

TEST_P(RunOnEveryPoller, O4_AStopEndsRunOnceEarlyWithNothing) {
  reactor_.stop();
  EXPECT_EQ(reactor_.run_once(), 0U);
  const std::jthread stopper = when_asleep([&] { reactor_.stop(); });
  EXPECT_EQ(reactor_.run_once(), 0U);
}

TEST_P(RunOnEveryPoller, O5_RunOnceConsumesAPendingStop) {
  WatchedSocket socket;
  socket.send();
  const Watch watch = reactor_.watch(socket, {.readable = true}, [](Ready) {});
  reactor_.stop();
  EXPECT_EQ(reactor_.run_once(), 0U);
  EXPECT_EQ(reactor_.run_once(), 1U);
}

TEST_P(RunOnEveryPoller, O5_AStopFromACallbackOfRunOnceIsConsumedByIt) {
  reactor_.post([&] { reactor_.stop(); });
  static_cast<void>(reactor_.run_once());
  bool ran = false;
  reactor_.post([&] {
    ran = true;
    reactor_.stop();
  });
  reactor_.run();
  EXPECT_TRUE(ran) << "this run was stopped by its own stop, not by the first";
}

// ---- stop

TEST_P(RunOnEveryPoller, O5_TheTurnInWhichStopIsCalledIsFinished) {
  std::array<WatchedSocket, 5> sockets;
  std::vector<Watch> watches;
  int calls = 0;
  bool deferred = false;
  for (WatchedSocket& socket : sockets) {
    socket.send();
    watches.push_back(reactor_.watch(socket, {.readable = true}, [&](Ready) {
      ++calls;
      reactor_.stop();
    }));
  }
  keep(reactor_.defer([&] { deferred = true; }));
  reactor_.run();
  EXPECT_EQ(calls, 5);
  EXPECT_TRUE(deferred);
  EXPECT_EQ(reactor_.counters().turns, 1U);
}

TEST_P(RunOnEveryPoller, O5_AStopBeforeRunIsRemembered) {
  WatchedSocket socket;
  socket.send();
  int calls = 0;
  const Watch watch = reactor_.watch(socket, {.readable = true}, [&](Ready) { ++calls; });
  reactor_.stop();
  reactor_.run();
  EXPECT_EQ(calls, 0);
}

TEST_P(RunOnEveryPoller, O5_SeveralStopsEndOneRun) {
  reactor_.stop();
  reactor_.stop();
  reactor_.run();
  bool ran = false;
  reactor_.post([&] {
    ran = true;
    reactor_.stop();
  });
  reactor_.run();
  EXPECT_TRUE(ran);
}

TEST_P(RunOnEveryPoller, O5_AStopBeforeAnExceptionIsRememberedForTheNextRun) {
  reactor_.post([&] {
    reactor_.stop();
    throw std::runtime_error("after stop");
  });
  EXPECT_THROW(reactor_.run(), std::runtime_error);
  bool ran = false;
  reactor_.post([&] { ran = true; });
  reactor_.run();
  EXPECT_FALSE(ran) << "it returned at once";
  turn();
  EXPECT_TRUE(ran);
}

TEST_P(RunOnEveryPoller, O5_RunMayBeCalledAgainAndAgain) {
  for (int i = 0; i < 100; ++i) {
    int runs = 0;
    reactor_.post([&] {
      ++runs;
      reactor_.stop();
    });
    reactor_.run();
    ASSERT_EQ(runs, 1);
  }
}

TEST_P(RunOnEveryPoller, O5_AStopFromAnotherThreadEndsASleepingRun) {
  for (int i = 0; i < 20; ++i) {
    const std::jthread stopper = when_asleep([&] { reactor_.stop(); });
    reactor_.run();
  }
}

// At whatever moment it comes: a lost one would leave run() asleep for ever.
TEST_P(RunOnEveryPoller, O5_NoStopIsLostHoweverItRacesWithGoingToSleep) {
  constexpr int kRuns = 5'000;
  std::atomic<int> runs = 0;
  std::thread stopper([&] {
    for (int i = 0; i < kRuns; ++i) {
      reactor_.stop();
      while (runs.load() <= i) std::this_thread::yield();
    }
  });
  for (int i = 0; i < kRuns; ++i) {
    reactor_.run();
    ++runs;
  }
  stopper.join();
  EXPECT_EQ(runs, kRuns);
}

TEST_P(RunOnEveryPoller, W1_AWakeDoesNotEndRunButLetsItTakeATurn) {
  const pid_t loop = this_thread_number();
  std::atomic<int> turns = 0;
  std::atomic<bool> stopped = false;
  const Handle hook = reactor_.after_wait([&] { ++turns; });
  std::thread waker([&] {
    for (int i = 0; i < 3; ++i) {
      wait_until_asleep(loop);
      const int before = turns;
      reactor_.wake();
      while (turns == before) std::this_thread::yield();
    }
    stopped = true;
    reactor_.stop();
  });
  reactor_.run();
  EXPECT_TRUE(stopped);
  waker.join();
}

TEST_P(RunOnEveryPoller, W1_AMillionWakesOfABusyLoopCostOneMoreTurn) {
  constexpr int kWakes = 1'000'000;
  bool done = false;
  reactor_.post([&] {
    for (int i = 0; i < kWakes; ++i) reactor_.wake();
    done = true;
  });
  while (!done) turn();
  const auto turns = reactor_.counters().turns;
  static_cast<void>(reactor_.run_once(0ns));
  static_cast<void>(reactor_.run_once(1ms));
  EXPECT_LE(reactor_.counters().turns - turns, 4U);
}

// ---- signals

TEST_P(RunOnEveryPoller, O5_StopAndWakeFromASignalHandlerEndTheWaitAndKeepErrno) {
  static bool errno_kept = true;
  static bool stops = false;
  const SignalHandler handler(SIGUSR1, [](int) {
    const int before = std::exchange(errno, ENOTDIR);
    if (stops) {
      reactor_of_handler.load()->stop();
    } else {
      reactor_of_handler.load()->wake();
    }
    errno_kept = errno_kept && errno == ENOTDIR;
    errno = before;
  });
  reactor_of_handler = &reactor_;
  const pthread_t loop = ::pthread_self();
  for (const bool stop : {false, true}) {
    stops = stop;
    const std::jthread sender = when_asleep([&] { ::pthread_kill(loop, SIGUSR1); });
    if (stop) {
      reactor_.run();
    } else {
      EXPECT_EQ(reactor_.run_once(), 0U);
    }
  }
  EXPECT_TRUE(errno_kept);
}

// The handler does not concern the loop.
TEST_P(RunOnEveryPoller, O4_ASignalStormNeitherSurfacesNorShortensTheWait) {
  const SignalHandler handler(SIGUSR1, [](int) { ++handled; });
  handled = 0;
  const pthread_t loop = ::pthread_self();
  const pid_t number = this_thread_number();
  std::atomic<bool> over = false;
  std::thread storm([&] {
    while (!over) {
      ::pthread_kill(loop, SIGUSR1);
      if (handled < 5) wait_until_asleep(number);
      std::this_thread::yield();
    }
  });
  // Until a signal has come while the loop slept.
  for (int before = 0; handled == before || before == 0;) {
    before = handled;
    const TimePoint start = kernel_clock().now();
    EXPECT_EQ(reactor_.run_once(30ms), 0U);
    EXPECT_GE(kernel_clock().now() - start, 30ms);
  }
  over = true;
  storm.join();
}

// ---- nesting

TEST_P(RunOnEveryPoller, O5_RunInsideACallbackThrowsAndTheOuterTurnGoesOn) {
  std::vector<std::string> rejected;
  const auto try_all = [&](const std::string& where) {
    const std::array<std::pair<const char*, std::function<void()>>, 4> calls = {{
        {"run", [&] { reactor_.run(); }},
        {"run_once", [&] { static_cast<void>(reactor_.run_once(0ns)); }},
        {"dispatch", [&] { reactor_.dispatch(); }},
        {"prepare", [&] { static_cast<void>(reactor_.prepare()); }},
    }};
    for (const auto& [name, call] : calls) {
      SCOPED_TRACE(where + ": " + name);
      EXPECT_THROW(call(), std::logic_error);
    }
    rejected.push_back(where);
  };
  WatchedSocket socket;
  socket.send();
  const Handle before = reactor_.before_wait([&] { try_all("before_wait"); });
  const Handle after = reactor_.after_wait([&] { try_all("after_wait"); });
  reactor_.post([&] { try_all("posted"); });
  const Watch watch = reactor_.watch(socket, {.readable = true}, [&](Ready) {
    try_all("descriptor");
    reactor_.stop();
  });
  keep(reactor_.defer([&] { try_all("deferred"); }));
  reactor_.run();
  EXPECT_EQ(rejected, (std::vector<std::string>{"before_wait", "after_wait", "posted", "descriptor",
                                                "deferred"}));
}

// The other order: the nested call must not take the stop for its own.
TEST_P(RunOnEveryPoller, O5_ANestedRunAfterStopThrowsTooAndTheStopIsHonoured) {
  const std::array<std::pair<const char*, std::function<void()>>, 3> calls = {{
      {"run", [&] { reactor_.run(); }},
      {"run_once", [&] { static_cast<void>(reactor_.run_once(0ns)); }},
      {"dispatch", [&] { reactor_.dispatch(); }},
  }};
  for (const auto& entry : calls) {
    SCOPED_TRACE(entry.first);
    int turns_after = 0;
    bool called = false;
    const Handle hook = reactor_.after_wait([&] {
      // A stop that got lost is asked for again, so that the test ends.
      if (called && ++turns_after == 1) reactor_.stop();
    });
    reactor_.post([&] {
      called = true;
      reactor_.stop();
      EXPECT_THROW(entry.second(), std::logic_error);
      reactor_.post([] {});
    });
    reactor_.run();
    EXPECT_EQ(turns_after, 0);
    while (reactor_.run_once(0ns) > 0) {
    }
  }
}

TEST_P(RunOnEveryPoller, O5_AnotherLoopMayRunInsideACallback) {
  Reactor inner(on_poller(GetParam()));
  bool ran = false;
  inner.post([&] {
    ran = true;
    inner.stop();
  });
  reactor_.post([&] {
    inner.run();
    reactor_.stop();
  });
  reactor_.run();
  EXPECT_TRUE(ran);
}

TEST_P(RunOnEveryPoller, O5_WithNothingRegisteredRunWaitsForAPostOrAStop) {
  const pid_t loop = this_thread_number();
  bool ran = false;
  std::thread other([&] {
    wait_until_asleep(loop);
    reactor_.post([&] { ran = true; });
    wait_until_asleep(loop);
    reactor_.stop();
  });
  reactor_.run();
  other.join();
  EXPECT_TRUE(ran);
}

DETENT_ON_EVERY_POLLER(RunOnEveryPoller);

// ---- run_once in virtual time

class RunInVirtualTime : public SimulatedReactor {
 protected:
  RunInVirtualTime() { clock_.set_auto_advance(true); }
};

TEST_F(RunInVirtualTime, T15_WithNothingReadyRunOnceReturnsNothingAfterItsTimeNotEarlier) {
  const TimePoint start = clock_.now();
  EXPECT_EQ(reactor_->run_once(3s), 0U);
  EXPECT_EQ(clock_.now(), start + 3s);
}

TEST_F(RunInVirtualTime, O4_WhatRunsNoCallbackDoesNotEndRunOnce) {
  const std::unique_ptr<Alarm> alarm = clock_.make_alarm(ClockId::steady);
  Watch watch = reactor_->watch(*alarm, {.readable = true}, [](Ready) {});
  const Handle hook = reactor_->after_wait([&, left = 5]() mutable {
    // Stale numbers, and events that the interest filters out, end waits all the time.
    if (left-- > 0) clock_.inject({.id = {.slot = 5, .generation = 77}, .ready = {}});
  });
  clock_.inject({.id = {.slot = 5, .generation = 77}, .ready = {.readable = true}});
  const TimePoint start = clock_.now();
  EXPECT_EQ(reactor_->run_once(2s), 0U);
  EXPECT_EQ(clock_.now(), start + 2s);
  EXPECT_EQ(reactor_->counters().stale_events, 6U);
}

TEST_F(RunInVirtualTime, O4_TheTimeThatIsLeftIsWaitedAfterAWaitThatReachedNobody) {
  const std::unique_ptr<Alarm> alarm = clock_.make_alarm(ClockId::steady);
  alarm->arm(clock_.now() + 1s);
  Watch watch;
  watch = reactor_->watch(*alarm, {.readable = true}, [](Ready) {});
  // Just before its event is dispatched the watch goes.
  const TimePoint start = clock_.now();
  const Handle hook = reactor_->after_wait([&] {
    if (clock_.now() >= start + 1s) watch.cancel();
  });
  EXPECT_EQ(reactor_->run_once(10s), 0U);
  EXPECT_EQ(clock_.now(), start + 10s);
}

TEST_F(RunInVirtualTime, O4_RunOnceReturnsAfterTheTurnInWhichTheFirstCallbackRan) {
  const std::unique_ptr<Alarm> alarm = clock_.make_alarm(ClockId::steady);
  const TimePoint start = clock_.now();
  alarm->arm(start + 4s);
  const Watch watch = reactor_->watch(*alarm, {.readable = true}, [&](Ready) { alarm->disarm(); });
  EXPECT_EQ(reactor_->run_once(1h), 1U);
  EXPECT_EQ(clock_.now(), start + 4s);
}

// Without auto-advance a wait that nothing can end throws, so a loop that goes on would show.
TEST_F(RunInVirtualTime, O4_APostedFunctionEndsRunOnce) {
  clock_.set_auto_advance(false);
  reactor_->post([] {});
  EXPECT_EQ(reactor_->run_once(), 1U);
}

TEST_F(RunInVirtualTime, O4_ADeferredFunctionEndsRunOnce) {
  clock_.set_auto_advance(false);
  keep(reactor_->defer([] {}));
  EXPECT_EQ(reactor_->run_once(), 1U);
}

}  // namespace
}  // namespace detent
