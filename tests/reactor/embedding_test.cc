// SPDX-License-Identifier: BSL-1.0
// The loop inside another one: native_handle, prepare, dispatch.
#include <poll.h>

#include "detent/reactor.h"
#include "detent/simulation.h"
#include "support/conformance.h"
#include "support/errors.h"
#include "support/keep.h"
#include "support/processes.h"
#include "support/reactor_fixtures.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

// Embedding is for pollers with one descriptor that stands for all.
class EmbeddedOnEveryPoller : public ReactorOnEveryPoller {
 protected:
  void SetUp() override {
    if (capabilities_.native_handle) return;
    EXPECT_UNSUPPORTED(reactor_.native_handle());
    GTEST_SKIP() << GetParam() << " has no descriptor to embed";
  }

  // A poll(2) loop as somebody else's program has it.
  void run_in_poll_loop(const std::function<bool()>& done) {
    while (!done()) {
      const std::optional<Duration> sleep = reactor_.prepare();
      pollfd query = {.fd = reactor_.native_handle(), .events = POLLIN, .revents = 0};
      ::poll(&query, 1, sleep ? 0 : -1);
      ASSERT_TRUE(!sleep || *sleep == Duration::zero());
      reactor_.dispatch();
    }
  }
  [[nodiscard]] bool handle_is_readable() { return is_readable(reactor_.native_handle()); }
};

TEST_P(EmbeddedOnEveryPoller, D7_ThePollLoopHearsOfDescriptorsAlarmsAndPosts) {
  WatchedSocket socket;
  std::vector<std::string> heard;
  const std::unique_ptr<Alarm> alarm = kernel_clock().make_alarm(ClockId::steady);
  const Watch socket_watch = reactor_.watch(socket, {.readable = true}, [&](Ready) {
    heard.push_back(socket.receive());
    alarm->arm(kernel_clock().now() + 1ms);
  });
  const Watch alarm_watch = reactor_.watch(*alarm, {.readable = true}, [&](Ready) {
    heard.emplace_back("alarm");
    alarm->disarm();
    keep(reactor_.defer([&] { heard.emplace_back("deferred"); }));
    reactor_.post([&] { heard.emplace_back("posted"); });
  });
  const std::jthread other = when_asleep([&] {
    reactor_.post([&] {
      heard.emplace_back("posted from outside");
      socket.send("descriptor");
    });
  });
  run_in_poll_loop([&] { return heard.size() == 5; });
  EXPECT_EQ(heard, (std::vector<std::string>{"posted from outside", "descriptor", "alarm",
                                             "deferred", "posted"}));
}

TEST_P(EmbeddedOnEveryPoller, D7_WithNothingToDoPrepareAllowsAnySleepAndTheHandleIsQuiet) {
  WatchedSocket socket;
  const Watch watch = reactor_.watch(socket, {.readable = true}, [](Ready) {});
  EXPECT_EQ(reactor_.prepare(), std::nullopt);
  EXPECT_FALSE(handle_is_readable());
  EXPECT_EQ(reactor_.dispatch(), 0U);
  EXPECT_EQ(reactor_.prepare(), std::nullopt);
  socket.send();
  EXPECT_TRUE(handle_is_readable());
  EXPECT_EQ(reactor_.dispatch(), 1U);
}

TEST_P(EmbeddedOnEveryPoller, D7_PrepareIsZeroWhileWorkIsPending) {
  const auto pending = [&] { return reactor_.prepare() == Duration::zero(); };
  reactor_.post([] {});
  EXPECT_TRUE(pending()) << "posted";
  reactor_.dispatch();
  keep(reactor_.defer([] {}));
  EXPECT_TRUE(pending()) << "deferred";
  reactor_.dispatch();
  reactor_.wake();
  EXPECT_TRUE(pending()) << "a wake";
  reactor_.dispatch();
  reactor_.stop();
  EXPECT_TRUE(pending()) << "a stop";
  reactor_.dispatch();
  {
    WatchedSocket socket;
    socket.send();
    const Watch watch = reactor_.watch(socket, {.readable = true}, [](Ready) {});
    EXPECT_TRUE(pending()) << "a descriptor";
    EXPECT_EQ(reactor_.dispatch(), 1U);
  }
  EXPECT_EQ(reactor_.prepare(), std::nullopt);
}

TEST_P(EmbeddedOnEveryPoller, D7_PrepareIsZeroWhileWorkIsCarriedOver) {
  Reactor reactor(on_poller(GetParam(), {.functions = 1}));
  int runs = 0;
  reactor.post([&] { ++runs; });
  reactor.post([&] { ++runs; });
  reactor.dispatch();
  EXPECT_EQ(reactor.prepare(), Duration::zero());
  reactor.dispatch();
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(reactor.prepare(), std::nullopt);

  std::vector<WatchedSocket> sockets(2);
  std::vector<Watch> watches;
  for (WatchedSocket& socket : sockets) {
    socket.send();
    watches.push_back(
        reactor.watch(socket, {.readable = true, .trigger = Trigger::one_shot},
                      [](Ready) { throw std::runtime_error("carry the other one over"); }));
  }
  EXPECT_THROW(reactor.dispatch(), std::runtime_error);
  EXPECT_EQ(reactor.prepare(), Duration::zero());
  EXPECT_THROW(reactor.dispatch(), std::runtime_error);
}

// Until prepare has announced the sleep nobody need write; after it everybody must.
TEST_P(EmbeddedOnEveryPoller, D7_WhatComesAfterPrepareMakesTheHandleReadable) {
  const std::vector<std::pair<std::string, std::function<void()>>> askers = {
      {"post", [&] { reactor_.post([] {}); }},
      {"wake", [&] { reactor_.wake(); }},
      {"stop", [&] { reactor_.stop(); }},
  };
  for (const auto& [name, ask] : askers) {
    for (const bool from_outside : {false, true}) {
      SCOPED_TRACE(name);
      ASSERT_EQ(reactor_.prepare(), std::nullopt);
      ASSERT_FALSE(handle_is_readable());
      if (from_outside) {
        std::thread(ask).join();
      } else {
        ask();
      }
      EXPECT_TRUE(handle_is_readable());
      for (int i = 0; i < 3; ++i) reactor_.dispatch();
      EXPECT_FALSE(handle_is_readable());
    }
  }
}

TEST_P(EmbeddedOnEveryPoller, D7_AChangeOutsideOfATurnAfterPrepareMakesTheHandleReadable) {
  WatchedSocket socket;
  socket.send();
  int calls = 0;
  Watch watch = reactor_.watch(socket, {}, [&](Ready) { ++calls; });
  const auto changes = std::vector<std::function<void()>>{
      [&] { watch.set_interest({.readable = true}); },
      [&] { watch.set_interest({}); },
      [&] { watch.pause(); },
      [&] { watch.resume(); },
      [&] { testing_support::keep(reactor_.defer([&] { ++calls; })); },
      [&] { testing_support::keep(reactor_.next_turn([&] { ++calls; })); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    SCOPED_TRACE(i);
    while (reactor_.prepare() == Duration::zero()) reactor_.dispatch();
    EXPECT_FALSE(handle_is_readable());
    changes[i]();
    EXPECT_TRUE(handle_is_readable()) << "a host that sleeps must call dispatch() now";
    reactor_.dispatch();
    if (i == 0) {
      EXPECT_EQ(calls, 1) << "the interest is in force in the first dispatch()";
      EXPECT_FALSE(socket.receive().empty());
    }
  }
  while (reactor_.prepare() == Duration::zero()) reactor_.dispatch();
  EXPECT_FALSE(handle_is_readable());
  EXPECT_EQ(calls, 3);
}

TEST_P(EmbeddedOnEveryPoller, D7_ChangesInATurnOrBeforePrepareWriteNothing) {
  WatchedSocket socket;
  Watch watch = reactor_.watch(socket, {}, [](Ready) {});
  watch.set_interest({.readable = true});
  reactor_.post([&] { watch.set_interest({}); });
  EXPECT_EQ(reactor_.prepare(), Duration::zero());
  reactor_.dispatch();
  EXPECT_EQ(reactor_.prepare(), std::nullopt);
  EXPECT_FALSE(handle_is_readable());
}

TEST_P(EmbeddedOnEveryPoller, D7_PrepareAppliesChangesOfInterest) {
  WatchedSocket socket;
  Watch watch = reactor_.watch(socket, {.readable = true}, [](Ready) {});
  EXPECT_EQ(reactor_.prepare(), std::nullopt);
  reactor_.dispatch();
  watch.set_interest({.writable = true});
  EXPECT_EQ(reactor_.prepare(), Duration::zero()) << "writable at once";
  EXPECT_EQ(reactor_.dispatch(), 1U);
  watch.set_interest({.readable = true});
  EXPECT_EQ(reactor_.prepare(), std::nullopt);
  EXPECT_FALSE(handle_is_readable()) << "what was dropped does not wake the foreign loop";
}

TEST_P(EmbeddedOnEveryPoller, D7_HooksRunOnceInAPreparedTurn) {
  int before = 0;
  int after = 0;
  const Handle before_hook = reactor_.before_wait([&] { ++before; });
  const Handle after_hook = reactor_.after_wait([&] { ++after; });
  for (int turns = 1; turns <= 3; ++turns) {
    static_cast<void>(reactor_.prepare());
    EXPECT_EQ(before, turns);
    EXPECT_EQ(after, turns - 1);
    static_cast<void>(reactor_.prepare());
    EXPECT_EQ(before, turns) << "still the same turn";
    reactor_.dispatch();
    EXPECT_EQ(before, turns);
    EXPECT_EQ(after, turns);
  }
  EXPECT_EQ(reactor_.counters().turns, 3U);
  reactor_.dispatch();
  EXPECT_EQ(before, 4) << "a turn that was not prepared";
}

TEST_P(EmbeddedOnEveryPoller, D7_WhatPrepareFoundIsDispatchedOnceAndHonoursWhatHappenedSince) {
  WatchedSocket kept;
  WatchedSocket dropped;
  kept.send();
  dropped.send();
  int kept_calls = 0;
  int dropped_calls = 0;
  const Interest once = {.readable = true, .trigger = Trigger::one_shot};
  const Watch kept_watch = reactor_.watch(kept, once, [&](Ready) { ++kept_calls; });
  Watch dropped_watch = reactor_.watch(dropped, once, [&](Ready) { ++dropped_calls; });
  EXPECT_EQ(reactor_.prepare(), Duration::zero());
  dropped_watch.cancel();
  EXPECT_EQ(reactor_.dispatch(), 1U);
  reactor_.dispatch();
  EXPECT_EQ(kept_calls, 1);
  EXPECT_EQ(dropped_calls, 0);
}

TEST_P(EmbeddedOnEveryPoller, D7_APreparedTurnMayBeFinishedByRunOnce) {
  int before = 0;
  const Handle hook = reactor_.before_wait([&] { ++before; });
  WatchedSocket socket;
  socket.send();
  const Watch watch = reactor_.watch(socket, {.readable = true}, [](Ready) {});
  static_cast<void>(reactor_.prepare());
  EXPECT_EQ(reactor_.run_once(), 1U);
  EXPECT_EQ(before, 1);
}

TEST_P(EmbeddedOnEveryPoller, O5_DispatchConsumesAPendingStopAndReturns) {
  int runs = 0;
  reactor_.post([&] { ++runs; });
  reactor_.stop();
  EXPECT_EQ(reactor_.dispatch(), 0U);
  EXPECT_EQ(runs, 0);
  reactor_.dispatch();
  EXPECT_EQ(runs, 1);
}

TEST_P(EmbeddedOnEveryPoller, O6_AnExceptionLeavesDispatchAndTheRestIsDoneByTheNext) {
  int runs = 0;
  reactor_.post([] { throw std::runtime_error("posted"); });
  reactor_.post([&] { ++runs; });
  static_cast<void>(reactor_.prepare());
  EXPECT_THROW(reactor_.dispatch(), std::runtime_error);
  EXPECT_EQ(reactor_.prepare(), Duration::zero());
  reactor_.dispatch();
  EXPECT_EQ(runs, 1);
}

DETENT_ON_EVERY_POLLER(EmbeddedOnEveryPoller);

class EmbeddedSimulation : public SimulatedReactor {};

TEST_F(EmbeddedSimulation, D7_WithoutANativeHandlePrepareAndDispatchWorkAllTheSame) {
  EXPECT_EQ(error_of([&] { static_cast<void>(reactor_->native_handle()); }),
            std::errc::not_supported);
  int calls = 0;
  const Watch watch = reactor_->watch(kFirst, {.readable = true}, [&](Ready) { ++calls; });
  EXPECT_EQ(reactor_->prepare(), std::nullopt);
  EXPECT_EQ(reactor_->dispatch(), 0U);
  clock_.set_ready(kFirst, {.readable = true});
  EXPECT_EQ(reactor_->prepare(), Duration::zero());
  EXPECT_EQ(calls, 0) << "prepare calls nobody but hooks";
  EXPECT_EQ(reactor_->dispatch(), 1U);
}

}  // namespace
}  // namespace detent
