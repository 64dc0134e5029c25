// SPDX-License-Identifier: BSL-1.0
// Whom the loop belongs to: one thread of one process.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detent/reactor.h"
#include "support/at_the_end.h"
#include "support/conformance.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/in_phase.h"
#include "support/keep.h"
#include "support/kernel_view.h"
#include "support/processes.h"
#include "support/reactor_fixtures.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

class AffinityOnEveryPoller : public ReactorOnEveryPoller {
 protected:
  using Calls = std::vector<std::pair<std::string, std::function<void()>>>;

  // All that may throw and that only the loop's own thread and process may do.
  Calls guarded_calls() {
    Calls calls = {
        {"Reactor::watch",
         [this] { static_cast<void>(reactor_.watch(free_, {.readable = true}, [](Ready) {})); }},
        {"Reactor::defer", [this] { static_cast<void>(reactor_.defer([] {})); }},
        {"Reactor::run", [this] { reactor_.run(); }},
        {"Reactor::run_once", [this] { static_cast<void>(reactor_.run_once(0ns)); }},
        {"Reactor::now", [this] { static_cast<void>(reactor_.now()); }},
        {"Reactor::prepare", [this] { static_cast<void>(reactor_.prepare()); }},
        {"Reactor::dispatch", [this] { reactor_.dispatch(); }},
        {"Reactor::before_wait", [this] { static_cast<void>(reactor_.before_wait([] {})); }},
        {"Reactor::after_wait", [this] { static_cast<void>(reactor_.after_wait([] {})); }},
        {"Watch::set_interest", [this] { watch_.set_interest({.writable = true}); }},
        {"Watch::pause", [this] { watch_.pause(); }},
        {"Watch::resume", [this] { watch_.resume(); }},
    };
    if (capabilities_.native_handle) {
      calls.emplace_back("Reactor::native_handle",
                         [this] { static_cast<void>(reactor_.native_handle()); });
    }
    return calls;
  }

  WatchedSocket socket_;
  WatchedSocket free_;
  int calls_ = 0;
  Watch watch_ = reactor_.watch(socket_, {.readable = true}, [this](Ready) { ++calls_; });
};

// ---- threads

TEST_P(AffinityOnEveryPoller, O7_EveryCallFromAnotherThreadButPostStopAndWakeThrows) {
  for (const auto& entry : guarded_calls()) {
    SCOPED_TRACE(entry.first);
    std::string message;
    std::thread([&] { message = message_of<std::logic_error>(entry.second); }).join();
    EXPECT_NE(message.find("another thread"), std::string::npos) << message;
  }
  // Nothing of it has happened.
  socket_.send();
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(watch_.interest(), Interest{.readable = true});
}

TEST_P(AffinityOnEveryPoller, O7_ALoopThatRunsCannotBeRunByASecondThread) {
  std::thread second;
  std::string message;
  reactor_.post([&] {
    second = std::thread([&] {
      message = message_of<std::logic_error>([&] { reactor_.run(); });
      reactor_.stop();
    });
  });
  reactor_.run();
  second.join();
  EXPECT_NE(message.find("another thread"), std::string::npos);
}

TEST_P(AffinityOnEveryPoller, O7_APendingStopIsNotTakenByAnotherThreadsRun) {
  reactor_.stop();
  std::thread([&] { EXPECT_THROW(reactor_.run(), std::logic_error); }).join();
  reactor_.run();  // at once
  EXPECT_EQ(reactor_.counters().turns, 0U);
}

TEST_P(AffinityOnEveryPoller, O7_PostStopAndWakeMayComeFromAnyThread) {
  bool ran = false;
  std::thread([&, poster = reactor_.poster()] {
    EXPECT_NO_THROW(reactor_.post([] {}));
    EXPECT_TRUE(poster.post([&] { ran = true; }));
    reactor_.wake();
    reactor_.stop();
  }).join();
  EXPECT_EQ(reactor_.dispatch(), 0U) << "stopped";
  turn();
  EXPECT_TRUE(ran);
}

TEST_P(AffinityOnEveryPoller, O7_ALoopMadeOnAnotherThreadIsThatThreads) {
  std::unique_ptr<Reactor> theirs;
  std::atomic<bool> made = false;
  std::atomic<bool> end = false;
  std::thread thread([&] {
    theirs = std::make_unique<Reactor>(on_poller(GetParam()));
    made = true;
    while (!end) std::this_thread::yield();
    EXPECT_NO_THROW(theirs->dispatch());
    theirs.reset();
  });
  while (!made) std::this_thread::yield();
  EXPECT_THROW(theirs->dispatch(), std::logic_error);
  end = true;
  thread.join();
}

TEST_P(AffinityOnEveryPoller, O7_HandlesMayBeMovedOntoEmptyOnesByAnyThread) {
  // A move touches no loop; it is done by whoever holds both.
  Watch moved;
  std::thread([&] { moved = std::move(watch_); }).join();
  socket_.send();
  EXPECT_EQ(turn(), 1U);
  EXPECT_TRUE(moved.active());
}

// ---- what cannot throw ends the program

class AffinityDeathTest : public testing::TestWithParam<std::string_view> {
 protected:
  AffinityDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  // The loop is made in the dying process: a forked child is allowed to destroy.
  template <class Make, class End>
  static void on_another_thread(Make make, End end) {
    Reactor reactor(on_poller(GetParam()));
    WatchedSocket socket;
    auto handle = make(reactor, socket);
    std::thread([&] { end(handle); }).join();
  }
  static constexpr auto kWatch = [](Reactor& reactor, const WatchedSocket& socket) {
    return std::make_optional(reactor.watch(socket, {.readable = true}, [](Ready) {}));
  };
  static constexpr auto kBefore = [](Reactor& reactor, const WatchedSocket&) {
    return std::make_optional(reactor.before_wait([] {}));
  };
  static constexpr auto kAfter = [](Reactor& reactor, const WatchedSocket&) {
    return std::make_optional(reactor.after_wait([] {}));
  };
};

constexpr const char* kMessage = "detent: .*belongs to another thread";

TEST_P(AffinityDeathTest, O7_DestroyingAHandleOnAnotherThreadEndsTheProgramWithAMessage) {
  const auto destroy = [](auto& handle) { handle.reset(); };
  EXPECT_DEATH(on_another_thread(kWatch, destroy), kMessage);
  EXPECT_DEATH(on_another_thread(kBefore, destroy), kMessage);
  EXPECT_DEATH(on_another_thread(kAfter, destroy), kMessage);
}

TEST_P(AffinityDeathTest, O7_CancellingAHandleOnAnotherThreadEndsTheProgramWithAMessage) {
  const auto cancel = [](auto& handle) { handle->cancel(); };
  EXPECT_DEATH(on_another_thread(kWatch, cancel), kMessage);
  EXPECT_DEATH(on_another_thread(kBefore, cancel), kMessage);
  EXPECT_DEATH(on_another_thread(kAfter, cancel), kMessage);
}

TEST_P(AffinityDeathTest, O7_AskingAHandleOnAnotherThreadEndsTheProgramWithAMessage) {
  const auto ask = [](auto question) {
    on_another_thread(kWatch, [=](auto& handle) { static_cast<void>(question(*handle)); });
  };
  EXPECT_DEATH(ask([](const Watch& watch) { return watch.active(); }), kMessage);
  EXPECT_DEATH(ask([](const Watch& watch) { return watch.fd(); }), kMessage);
  EXPECT_DEATH(ask([](const Watch& watch) { return watch.interest(); }), kMessage);
}

TEST_P(AffinityDeathTest, O7_AMoveOntoALiveHandleOnAnotherThreadEndsTheProgramWithAMessage) {
  const auto replace = [](auto& handle) { *handle = {}; };
  EXPECT_DEATH(on_another_thread(kWatch, replace), kMessage);
}

TEST_P(AffinityDeathTest, O7_DestroyingTheLoopOnAnotherThreadEndsTheProgramWithAMessage) {
  EXPECT_DEATH(
      {
        auto reactor = std::make_unique<Reactor>(on_poller(GetParam()));
        std::thread([&] { reactor.reset(); }).join();
      },
      kMessage);
}

TEST_P(AffinityDeathTest, O7_DestroyingTheLoopInOneOfItsCallbacksEndsTheProgramWithAMessage) {
  EXPECT_DEATH(
      {
        auto reactor = std::make_unique<Reactor>(on_poller(GetParam()));
        reactor->post([&] { reactor.reset(); });
        reactor->run();
      },
      "detent: ~Reactor: called inside one of its callbacks");
}

// ---- the end of the program

// Called in a process of its own. What the callback uses stays, as it never returns.
void exit_in_a_callback(std::string_view poller, int phase) {
  static Reactor reactor(on_poller(poller));
  static const WatchedSocket socket;
  static const Watch watch = reactor.watch(socket, {.readable = true}, [](Ready) {});
  auto stays = at_the_end([] { std::abort(); });
  static const InPhase exiting(reactor, phase, [stays = std::move(stays)] { std::exit(7); });
  static const Handle next = reactor.next_turn([] {});
  reactor.post([] {});
  socket.send();
  reactor.run();
}

TEST_P(AffinityDeathTest, L7_ExitInACallbackOfALoopOfStaticStorageEndsTheProgramAsItSays) {
  for (const int phase : InPhase::kAll) {
    SCOPED_TRACE(phase);
    EXPECT_EXIT(exit_in_a_callback(GetParam(), phase), testing::ExitedWithCode(7), "^$");
  }
}

// ---- fork

TEST_P(AffinityOnEveryPoller, O8_EveryUseInAForkedChildThrows) {
  const bool held_in_child = holds_in_a_forked_child([&] {
    for (const auto& [name, call] : guarded_calls()) {
      SCOPED_TRACE(name);
      const std::string message = message_of<std::logic_error>(call);
      EXPECT_NE(message.find("parent process"), std::string::npos) << message;
    }
    EXPECT_THROW(reactor_.post([] {}), std::logic_error);
  });
  EXPECT_TRUE(held_in_child);
  socket_.send();
  EXPECT_EQ(turn(), 1U) << "the parent's goes on";
}

TEST_P(AffinityOnEveryPoller, O8_APostInAForkedChildIsFalseAndDestroysItsFunction) {
  const Poster poster = reactor_.poster();
  const bool held_in_child = holds_in_a_forked_child([&] {
    const auto capture = std::make_shared<int>();
    EXPECT_FALSE(poster.post([capture] {}));
    EXPECT_EQ(capture.use_count(), 1);
  });
  EXPECT_TRUE(held_in_child);
  EXPECT_EQ(turn(), 0U);
}

TEST_P(AffinityOnEveryPoller, O8_StopAndWakeInAForkedChildDoNotReachTheParent) {
  // Asleep, as far as wakers can tell: the next one would write to what both processes share.
  ASSERT_EQ(reactor_.prepare(), std::nullopt);
  const bool held_in_child = holds_in_a_forked_child([&] {
    reactor_.stop();
    reactor_.wake();
    static_cast<void>(reactor_.poster().post([] {}));
  });
  EXPECT_TRUE(held_in_child);
  if (capabilities_.native_handle) {
    EXPECT_FALSE(is_readable(reactor_.native_handle()));
  } else {
    EXPECT_UNSUPPORTED(reactor_.native_handle());
  }
  bool ran = false;
  reactor_.post([&] {
    ran = true;
    reactor_.stop();
  });
  reactor_.run();
  EXPECT_TRUE(ran) << "nobody had stopped the parent";
}

TEST_P(AffinityOnEveryPoller, O8_WhatAForkedChildDestroysIsUnharmedInTheParent) {
  auto owned = std::make_unique<Reactor>(on_poller(GetParam()));
  std::vector<WatchedSocket> sockets(3);
  std::vector<Watch> watches;
  int hooks = 0;
  int received = 0;
  for (WatchedSocket& socket : sockets) {
    watches.push_back(owned->watch(socket, {.readable = true}, [&](Ready) { ++received; }));
  }
  Handle before = owned->before_wait([&] { ++hooks; });
  Handle after = owned->after_wait([&] { ++hooks; });
  owned->post([] {});
  keep(owned->defer([] {}));
  const auto kernels_book = [&] {
    return capabilities_.native_handle ? epoll_info(owned->native_handle()) : std::string();
  };
  const std::string book = kernels_book();
  const bool held_in_child = holds_in_a_forked_child([&] {
    watches[0] = Watch();
    watches[1].cancel();
    before = Handle();
    after.cancel();
    owned.reset();  // with the third watch outliving it
    EXPECT_FALSE(watches[2].active());
    watches.clear();
  });
  EXPECT_TRUE(held_in_child);
  EXPECT_EQ(kernels_book(), book);
  for (const WatchedSocket& socket : sockets) socket.send();
  owned->dispatch();
  EXPECT_EQ(received, 3);
  EXPECT_EQ(hooks, 2);
}

TEST_P(AffinityOnEveryPoller, O8_AChildForkedInACallbackMayDestroyTheLoopToo) {
  auto owned = std::make_unique<Reactor>(on_poller(GetParam()));
  bool child_fine = false;
  Watch watch;
  WatchedSocket socket;
  int received = 0;
  watch = owned->watch(socket, {.readable = true}, [&](Ready) { ++received; });
  owned->post([&] {
    child_fine = holds_in_a_forked_child([&] {
      EXPECT_THROW(static_cast<void>(owned->defer([] {})), std::logic_error);
      watch.cancel();
      owned.reset();
    });
  });
  owned->dispatch();
  EXPECT_TRUE(child_fine);
  socket.send();
  owned->dispatch();
  EXPECT_EQ(received, 1);
}

TEST_P(AffinityOnEveryPoller, O8_TheChildFreesTheCapturesAndClosesTheDescriptorsOfTheLoop) {
  const DescriptorsBefore before;
  auto owned = std::make_unique<Reactor>(on_poller(GetParam()));
  const auto capture = std::make_shared<int>();
  const Watch watch = owned->watch(socket_, {.readable = true}, [capture](Ready) {});
  const Handle hook = owned->before_wait([capture] {});
  owned->post([capture] {});
  keep(owned->defer([capture] {}));
  const bool held_in_child = holds_in_a_forked_child([&] {
    owned.reset();
    EXPECT_EQ(capture.use_count(), 1);
    EXPECT_TRUE(before.opened_since().empty());
  });
  EXPECT_TRUE(held_in_child);
  EXPECT_EQ(capture.use_count(), 5);
}

TEST_P(AffinityOnEveryPoller, O8_AFreshLoopInTheChildServesItsOwnSockets) {
  const bool held_in_child = holds_in_a_forked_child([&] {
    Reactor fresh(on_poller(GetParam()));
    WatchedSocket own;
    std::string received;
    const Watch watch = fresh.watch(own, {.readable = true}, [&](Ready) {
      received = own.receive();
      fresh.stop();
    });
    fresh.post([&] { own.send("from the child"); });
    fresh.run();
    EXPECT_EQ(received, "from the child");
    // A grandchild is as foreign to it as this one is to the parent's.
    const bool held_in_grandchild = holds_in_a_forked_child([&] {
      EXPECT_THROW(fresh.dispatch(), std::logic_error);
      EXPECT_THROW(turn(), std::logic_error);
    });
    EXPECT_TRUE(held_in_grandchild);
    EXPECT_NO_THROW(fresh.dispatch());
  });
  EXPECT_TRUE(held_in_child);
  socket_.send();
  EXPECT_EQ(turn(), 1U);
}

TEST_P(AffinityOnEveryPoller, O8_EveryDescriptorOfALoopIsClosedOnExec) {
  const DescriptorsBefore before;
  const Reactor reactor(on_poller(GetParam()));
  const auto opened = before.opened_since();
  EXPECT_FALSE(opened.empty());
  for (const int fd : opened) EXPECT_TRUE(is_close_on_exec(fd)) << fd;
}

DETENT_ON_EVERY_POLLER(AffinityDeathTest);
DETENT_ON_EVERY_POLLER(AffinityOnEveryPoller);

}  // namespace
}  // namespace detent
