// SPDX-License-Identifier: BSL-1.0
// What a callback throws leaves run(), or reaches the handler, and nothing else is lost.
#include "detent/reactor.h"
#include "detent/simulation.h"
#include "support/conformance.h"
#include "support/keep.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;
using Trace = std::vector<std::string>;

struct Oops : std::runtime_error {
  Oops() : std::runtime_error("oops") {}
};

class ExceptionOnEveryPoller : public ReactorOnEveryPoller {};

// Each kind of callback in its turn throws; after each throw the loop goes on.
TEST_P(ExceptionOnEveryPoller, O6_WhateverThrowsTheRestOfTheTurnIsDoneByTheNextRuns) {
  const Trace kinds = {"before_wait", "after_wait", "posted", "descriptor", "deferred"};
  for (const std::string& thrower : kinds) {
    SCOPED_TRACE(thrower);
    Trace trace;
    bool thrown = false;
    const auto callback = [&](const std::string& kind) {
      return [&, kind] {
        trace.push_back(kind);
        if (kind == thrower && !std::exchange(thrown, true)) throw Oops();
      };
    };
    WatchedSocket socket;
    socket.send();
    const Handle before = reactor_.before_wait(callback("before_wait"));
    const Handle after = reactor_.after_wait(callback("after_wait"));
    for (int i = 0; i < 2; ++i) {
      reactor_.post(callback("posted"));
      keep(reactor_.defer(callback("deferred")));
    }
    const Watch watch =
        reactor_.watch(socket, {.readable = true}, [&, descriptor = callback("descriptor")](Ready) {
          static_cast<void>(socket.receive());
          descriptor();
        });
    EXPECT_THROW(reactor_.run(), Oops);
    EXPECT_EQ(trace.back(), thrower) << "it left at once";
    reactor_.dispatch();
    reactor_.dispatch();
    for (const std::string once_each : {"posted", "deferred"}) {
      EXPECT_EQ(std::count(trace.begin(), trace.end(), once_each), 2) << once_each;
    }
    EXPECT_EQ(std::count(trace.begin(), trace.end(), "descriptor"), 1);
  }
}

TEST_P(ExceptionOnEveryPoller, O6_OfManyReadyDescriptorsEachMayThrowAndAllAreCalledOnce) {
  constexpr std::size_t kMany = 10;
  std::array<WatchedSocket, kMany> sockets;
  std::array<int, kMany> calls = {};
  std::vector<Watch> watches;
  for (std::size_t i = 0; i < kMany; ++i) {
    sockets[i].send();
    watches.push_back(reactor_.watch(sockets[i], {.readable = true}, [&, i](Ready) {
      ++calls[i];
      static_cast<void>(sockets[i].receive());
      throw Oops();
    }));
  }
  for (std::size_t i = 0; i < kMany; ++i) EXPECT_THROW(turn(), Oops);
  EXPECT_EQ(turn(), 0U);
  for (const int count : calls) EXPECT_EQ(count, 1);
}

// The kernel tells these once only, so an event that was lost would stay lost.
TEST_P(ExceptionOnEveryPoller, O6_EventsThatAreToldOnceSurviveAnException) {
  std::vector<Trigger> triggers = {Trigger::one_shot};
  if (capabilities_.edge) {
    triggers.push_back(Trigger::edge);
  } else {
    constexpr Interest kEdge = {.readable = true, .trigger = Trigger::edge};
    EXPECT_UNSUPPORTED(reactor_.watch(WatchedSocket(), kEdge, [](Ready) {}));
  }
  for (const Trigger trigger : triggers) {
    std::array<WatchedSocket, 5> sockets;
    std::vector<Watch> watches;
    int calls = 0;
    for (WatchedSocket& socket : sockets) {
      socket.send();
      watches.push_back(reactor_.watch(socket, {.readable = true, .trigger = trigger}, [&](Ready) {
        if (++calls == 2) throw Oops();
      }));
    }
    EXPECT_THROW(turn(), Oops);
    EXPECT_EQ(calls, 2);
    turn();
    EXPECT_EQ(calls, 5);
  }
}

TEST_P(ExceptionOnEveryPoller, O6_APostThatThrewIsDoneAndTheNextOnesKeepTheirOrder) {
  std::vector<int> ran;
  for (int i = 0; i < 6; ++i) {
    reactor_.post([&ran, i] {
      ran.push_back(i);
      if (i % 2 == 0) throw Oops();
    });
  }
  for (int i = 0; i < 3; ++i) EXPECT_THROW(turn(), Oops);
  turn();
  EXPECT_EQ(ran, (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

TEST_P(ExceptionOnEveryPoller, O6_RunOnceAndDispatchLetItPassToo) {
  reactor_.post([] { throw Oops(); });
  EXPECT_THROW(static_cast<void>(reactor_.run_once()), Oops);
  reactor_.post([] { throw Oops(); });
  EXPECT_THROW(reactor_.dispatch(), Oops);
  reactor_.post([] { throw 42; });
  EXPECT_THROW(reactor_.run(), int) << "whatever its type";
}

TEST_P(ExceptionOnEveryPoller, O6_TheCapturesOfWhatThrewLiveWhileItIsThrown) {
  const auto capture = std::make_shared<int>();
  reactor_.post([capture] { throw Oops(); });
  EXPECT_THROW(turn(), Oops);
  EXPECT_EQ(capture.use_count(), 1) << "a posted function is done";
}

TEST_P(ExceptionOnEveryPoller, O6_ALoopWithCarriedOverEventsDoesNotSleep) {
  std::array<WatchedSocket, 2> sockets;
  std::vector<Watch> watches;
  int calls = 0;
  for (WatchedSocket& socket : sockets) {
    socket.send();
    watches.push_back(
        reactor_.watch(socket, {.readable = true, .trigger = Trigger::one_shot}, [&](Ready) {
          if (++calls == 1) throw Oops();
        }));
  }
  EXPECT_THROW(static_cast<void>(reactor_.run_once()), Oops);
  EXPECT_EQ(reactor_.run_once(), 1U);
  EXPECT_EQ(calls, 2);
}

// An endless source of exceptions, as in a server that catches and runs again.
TEST_P(ExceptionOnEveryPoller, O6_ACallbackThatAlwaysThrowsStarvesNobody) {
  std::array<WatchedSocket, 3> sockets;
  std::array<int, 3> calls = {};
  std::vector<Watch> watches;
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    sockets[i].send();
    watches.push_back(reactor_.watch(sockets[i], {.readable = true}, [&calls, i](Ready) {
      ++calls[i];
      throw Oops();
    }));
  }
  for (int i = 0; i < 30; ++i) EXPECT_THROW(reactor_.run(), Oops);
  for (const int count : calls) EXPECT_EQ(count, 10);
}

TEST_P(ExceptionOnEveryPoller, O5_AnExceptionInTheLastTurnKeepsTheStop) {
  WatchedSocket socket;
  socket.send();
  int calls = 0;
  const Watch watch = reactor_.watch(socket, {.readable = true}, [&](Ready) {
    if (++calls > 1) return;
    reactor_.stop();
    throw Oops();
  });
  EXPECT_THROW(reactor_.run(), Oops);
  reactor_.run();
  EXPECT_EQ(calls, 1) << "the stop was not forgotten";
  EXPECT_EQ(reactor_.run_once(), 1U);
}

TEST_P(ExceptionOnEveryPoller, O6_TheLoopMayEndAfterAnException) {
  const auto capture = std::make_shared<int>();
  WatchedSocket socket;
  socket.send();
  std::optional<Reactor> reactor(std::in_place, on_poller(GetParam()));
  const Watch watch =
      reactor->watch(socket, {.readable = true}, [capture](Ready) { throw Oops(); });
  reactor->post([capture] { throw Oops(); });
  reactor->post([capture] {});
  EXPECT_THROW(reactor->run(), Oops);
  reactor.reset();
  EXPECT_EQ(capture.use_count(), 1);
}

TEST_P(ExceptionOnEveryPoller, O6_AThrowingHookIsNotTheEndOfTheHooks) {
  Trace trace;
  const Handle first = reactor_.before_wait([&] {
    trace.emplace_back("first");
    if (trace.size() == 1) throw Oops();
  });
  const Handle second = reactor_.before_wait([&] { trace.emplace_back("second"); });
  EXPECT_THROW(turn(), Oops);
  turn();
  EXPECT_EQ(trace.back(), "second");
}

// ---- the handler

class HandlerOnEveryPoller : public ExceptionOnEveryPoller {
 protected:
  ReactorOptions with_handler(Callback<void(std::exception_ptr, const Name&)> handler) {
    ReactorOptions options = on_poller(GetParam());
    options.on_exception = std::move(handler);
    return options;
  }
  static std::string text_of(const std::exception_ptr& exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::exception& e) {
      return e.what();
    }
  }
};

TEST_P(HandlerOnEveryPoller, O6_AHandlerGetsWhatIsThrownAndTheLoopGoesOn) {
  Trace handled;
  Reactor reactor(with_handler(
      [&](const std::exception_ptr& e, const Name&) { handled.push_back(text_of(e)); }));
  WatchedSocket socket;
  socket.send();
  const auto throw_once = [&](const char* text) {
    return [text, thrown = false]() mutable {
      if (!std::exchange(thrown, true)) throw std::runtime_error(text);
    };
  };
  const Handle before = reactor.before_wait(throw_once("before_wait"));
  const Handle after = reactor.after_wait(throw_once("after_wait"));
  const Watch watch =
      reactor.watch(socket, {.readable = true},
                    [descriptor = throw_once("descriptor")](Ready) mutable { descriptor(); });
  reactor.post(throw_once("posted"));
  keep(reactor.defer(throw_once("deferred")));
  keep(reactor.defer([&] { reactor.stop(); }));
  reactor.run();
  std::sort(handled.begin(), handled.end());
  EXPECT_EQ(handled, (Trace{"after_wait", "before_wait", "deferred", "descriptor", "posted"}));
}

TEST_P(HandlerOnEveryPoller, O6_WithAHandlerNothingOfTheTurnIsLostEither) {
  int handled = 0;
  Reactor reactor(with_handler([&](const std::exception_ptr&, const Name&) { ++handled; }));
  int runs = 0;
  for (int i = 0; i < 10; ++i) {
    reactor.post([&] {
      ++runs;
      throw Oops();
    });
  }
  reactor.post([&] { reactor.stop(); });
  reactor.run();
  EXPECT_EQ(runs, 10);
  EXPECT_EQ(handled, 10);
}

TEST_P(HandlerOnEveryPoller, O6_WhatTheHandlerThrowsLeavesRun) {
  Reactor reactor(
      with_handler([](const std::exception_ptr& e, const Name&) { std::rethrow_exception(e); }));
  reactor.post([] { throw Oops(); });
  EXPECT_THROW(reactor.run(), Oops);
  bool ran = false;
  reactor.post([&] {
    ran = true;
    reactor.stop();
  });
  reactor.run();
  EXPECT_TRUE(ran);
}

TEST_P(HandlerOnEveryPoller, O6_TheHandlerMayStopTheLoopAndEndWatches) {
  WatchedSocket socket;
  socket.send();
  Watch watch;
  int calls = 0;
  std::optional<Reactor> reactor;
  reactor.emplace(with_handler([&](const std::exception_ptr&, const Name&) {
    watch.cancel();
    reactor->stop();
  }));
  watch = reactor->watch(socket, {.readable = true}, [&](Ready) {
    ++calls;
    throw Oops();
  });
  reactor->run();
  EXPECT_FALSE(watch.active());
  reactor->dispatch();
  EXPECT_EQ(calls, 1);
}

TEST_P(HandlerOnEveryPoller, O6_TheHandlerGetsWhatAHookThrowsInPrepareToo) {
  int handled = 0;
  Reactor reactor(with_handler([&](const std::exception_ptr&, const Name&) { ++handled; }));
  const Handle hook = reactor.before_wait([&, thrown = false]() mutable {
    if (!std::exchange(thrown, true)) throw Oops();
  });
  EXPECT_NO_THROW(static_cast<void>(reactor.prepare()));
  EXPECT_EQ(handled, 1);
  EXPECT_NO_THROW(reactor.dispatch());
  EXPECT_EQ(reactor.prepare(), std::nullopt);
}

TEST_P(HandlerOnEveryPoller, O5_TheMisuseOfANestedRunReachesTheHandlerToo) {
  Trace handled;
  std::optional<Reactor> reactor;
  reactor.emplace(with_handler([&](const std::exception_ptr& e, const Name&) {
    handled.push_back(text_of(e));
    reactor->stop();
  }));
  reactor->post([&] { reactor->run(); });
  reactor->run();
  ASSERT_EQ(handled.size(), 1U);
  EXPECT_NE(handled[0].find("inside"), std::string::npos);
}

DETENT_ON_EVERY_POLLER(ExceptionOnEveryPoller);
DETENT_ON_EVERY_POLLER(HandlerOnEveryPoller);

// ---- in virtual time

class ExceptionInVirtualTime : public SimulatedReactor {};

TEST_F(ExceptionInVirtualTime, O6_AnExceptionLeavesAdvanceWithTheTimeAtWhichItWasThrown) {
  const std::unique_ptr<Alarm> alarm = clock_.make_alarm(ClockId::steady);
  const TimePoint start = clock_.now();
  alarm->arm(start + 3s);
  int calls = 0;
  const Watch watch = reactor_->watch(*alarm, {.readable = true}, [&](Ready) {
    alarm->disarm();
    ++calls;
    throw Oops();
  });
  EXPECT_THROW(clock_.advance(10s), Oops);
  EXPECT_EQ(clock_.now(), start + 3s);
  clock_.advance(7s);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace detent
