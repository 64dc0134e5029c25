// SPDX-License-Identifier: BSL-1.0
// Functions handed to the loop: order, wake-ups, and what becomes of them at its end.
#include "detent/poster.h"

#include "detent/reactor.h"
#include "mailbox.h"
#include "support/descriptor_table.h"
#include "support/keep.h"
#include "support/kernel_view.h"
#include "support/processes.h"
#include "support/reactor_fixtures.h"
#include "support/readiness.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

class PosterOnEveryPoller : public ReactorOnEveryPoller {};

TEST_P(PosterOnEveryPoller, W1_FunctionsRunInTheOrderInWhichOneThreadPostedThem) {
  std::vector<int> ran;
  const Poster poster = reactor_.poster();
  for (int i = 0; i < 100; i += 2) {
    reactor_.post([&ran, i] { ran.push_back(i); });
    EXPECT_TRUE(poster.post([&ran, i] { ran.push_back(i + 1); }));
  }
  turn();
  ASSERT_EQ(ran.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ran[static_cast<std::size_t>(i)], i);
}

TEST_P(PosterOnEveryPoller, W1_EightThreadsPostsAllRunOnceAndInEachThreadsOrder) {
  constexpr std::size_t kThreads = 8;
  constexpr int kPosts = 50'000;
  std::array<int, kThreads> next = {};
  int out_of_order = 0;
  std::size_t finished = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t, poster = reactor_.poster()] {
      for (int i = 0; i < kPosts; ++i) {
        auto function = [&, t, i] {
          if (next[t]++ != i) ++out_of_order;
          if (i == kPosts - 1 && ++finished == kThreads) reactor_.stop();
        };
        if (i % 2 == 0) {
          reactor_.post(function);
        } else {
          EXPECT_TRUE(poster.post(function));
        }
      }
    });
  }
  reactor_.run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(out_of_order, 0);
  for (const int count : next) EXPECT_EQ(count, kPosts);
}

// A post that comes while the loop goes to sleep: a lost wake-up would hang here.
TEST_P(PosterOnEveryPoller, W1_NoPostIsLostHoweverItRacesWithGoingToSleep) {
  constexpr int kPosts = 20'000;
  std::atomic<int> ran = 0;
  std::thread poster([&] {
    for (int i = 0; i < kPosts; ++i) {
      reactor_.post([&] { ++ran; });
      while (ran.load() <= i) std::this_thread::yield();
    }
    reactor_.stop();
  });
  reactor_.run();
  poster.join();
  EXPECT_EQ(ran, kPosts);
}

TEST_P(PosterOnEveryPoller, W1_APostEndsTheSleepOfTheLoop) {
  std::thread::id ran_on;
  const std::jthread poster = when_asleep([&] {
    reactor_.post([&] {
      ran_on = std::this_thread::get_id();
      reactor_.stop();
    });
  });
  reactor_.run();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

// The kernel's own count of the writes, on pollers that an eventfd wakes. It begins anew when it is
// read, which not every poller needs.
TEST_P(PosterOnEveryPoller, W1_HoweverManyAskASleepingLoopIsWokenByOneWrite) {
  const DescriptorsBefore before;
  Reactor reactor(on_poller(GetParam()));
  int eventfd = -1;
  for (const int fd : before.opened_since()) {
    if (kind_of_descriptor(fd) == "anon_inode:[eventfd]") eventfd = fd;
  }
  if (eventfd == -1) GTEST_SKIP() << "no eventfd wakes this loop";
  const auto writes = [&] {
    const std::string info = descriptor_info(eventfd);
    const std::string key = "eventfd-count:";
    return std::stoul(info.substr(info.find(key) + key.size()), nullptr, 16);
  };

  for (int i = 0; i < 100; ++i) reactor.post([] {});
  reactor.wake();
  EXPECT_EQ(writes(), 0U) << "it is awake";
  reactor.dispatch();
  for (int sleeps = 0; sleeps < 3; ++sleeps) {
    ASSERT_EQ(reactor.prepare(), std::nullopt) << "what came before was taken back";
    const auto writes_before = writes();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1'000; ++i) {
          reactor.post([] {});
          reactor.wake();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(writes(), writes_before + 1);
    for (int turns = 0; turns < 5; ++turns) reactor.dispatch();
  }
}

TEST(MailboxProtocol, W1_TheAnnouncementOfASleepIsTakenBackByTheFirstWhoWrites) {
  Mailbox mailbox;
  EXPECT_TRUE(mailbox.post([] {}));
  EXPECT_FALSE(is_readable(mailbox.wakeup().fd())) << "nobody sleeps";
  EXPECT_FALSE(mailbox.may_sleep());
  TurnQueue<Callback<void()>> queue;
  mailbox.collect(queue);
  EXPECT_TRUE(mailbox.may_sleep());
  mailbox.request_wake();
  EXPECT_TRUE(is_readable(mailbox.wakeup().fd()));
  mailbox.wakeup().clear();
  EXPECT_TRUE(mailbox.post([] {}));
  mailbox.request_stop();
  EXPECT_FALSE(is_readable(mailbox.wakeup().fd()));
  for (const bool taken : {true, false}) {
    EXPECT_EQ(mailbox.consume_stop(), taken);
    EXPECT_EQ(mailbox.consume_wake(), taken);
  }
  mailbox.collect(queue);
  EXPECT_TRUE(mailbox.may_sleep());
}

TEST(MailboxProtocol, W1_CollectingTellsWhetherAnotherThreadWasFirstToPost) {
  Mailbox mailbox;
  TurnQueue<Callback<void()>> queue;
  const auto post = [&] { EXPECT_TRUE(mailbox.post([] {})); };
  for (const bool elsewhere : {false, true, false}) {
    if (elsewhere) std::thread(post).join();
    post();
    std::thread(post).join();
    EXPECT_EQ(mailbox.collect(queue), elsewhere);
  }
  EXPECT_EQ(queue.size(), 7U);
}

// ---- a flood

// Goes on by a step whenever it is read.
class SteppingClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const noexcept override { return TimePoint(++reads * step); }
  [[nodiscard]] BootTime boot_now() const noexcept override { return kernel_clock().boot_now(); }
  [[nodiscard]] WallTime wall_now() const noexcept override { return kernel_clock().wall_now(); }
  [[nodiscard]] std::unique_ptr<Alarm> make_alarm(ClockId id) override {
    return kernel_clock().make_alarm(id);
  }
  Duration step = 1us;
  mutable int reads = 0;
};

class FloodOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  void make(Budgets budgets = {}, bool gathers = true) {
    ReactorOptions options = on_poller(GetParam(), budgets);
    options.clock = &clock_;
    options.gather_posts = gathers;
    reactor_.emplace(std::move(options));
    clock_.reads = 0;
  }
  void post(int functions) {
    for (int i = 0; i < functions; ++i) reactor_->post([] {});
  }
  void post_elsewhere(int functions) {
    std::thread([&] { post(functions); }).join();
  }
  // Returns how often the turn looked at the clock, in which so many functions were to run.
  int reads_in_turn(std::size_t functions) {
    const int before = clock_.reads;
    EXPECT_EQ(reactor_->run_once(), functions);
    return clock_.reads - before;
  }

  SteppingClock clock_;
  std::optional<Reactor> reactor_;
};

TEST_P(FloodOnEveryPoller,
       W3_AfterAFloodFromAnotherThreadALoopThatWouldSleepLetsPostsGatherFor4us) {
  make();
  post_elsewhere(32);
  EXPECT_EQ(reads_in_turn(32), 1) << "when did it look?";
  post_elsewhere(1);
  EXPECT_EQ(reads_in_turn(1), 4);
  post_elsewhere(1);
  EXPECT_EQ(reads_in_turn(1), 0) << "that was no flood";
}

TEST_P(FloodOnEveryPoller, W3_UnlessItIsAskedForNoEventWaitsForMorePosts) {
  make({}, false);
  for (int i = 0; i < 3; ++i) {
    post_elsewhere(32);
    EXPECT_EQ(reads_in_turn(32), 0);
  }
}

TEST_P(FloodOnEveryPoller, W3_FewerPostsAndALoopsOwnAreNoFlood) {
  make();
  post_elsewhere(31);
  EXPECT_EQ(reads_in_turn(31), 0);
  post(100);
  EXPECT_EQ(reads_in_turn(100), 0);
}

TEST_P(FloodOnEveryPoller, W3_WhatIsLeftOverDoesNotMakeAFloodOfOnePost) {
  make({.functions = 64});
  post(100);
  EXPECT_EQ(reads_in_turn(64), 0);
  post_elsewhere(1);
  EXPECT_EQ(reads_in_turn(37), 0);
}

TEST_P(FloodOnEveryPoller, W3_ALoopThatWouldNotSleepLetsNothingGather) {
  make({.functions = 40});
  const auto flood = [&] {
    post_elsewhere(32);
    EXPECT_EQ(reads_in_turn(32), 1);
  };
  flood();
  post(1);
  reactor_->dispatch();
  EXPECT_EQ(clock_.reads, 1) << "the caller of dispatch() does not wait";

  flood();
  post(1);
  EXPECT_EQ(reactor_->run_once(Duration::zero()), 1U);
  EXPECT_EQ(clock_.reads, 2);

  flood();
  keep(reactor_->defer([&] { keep(reactor_->defer([] {})); }));
  reactor_->dispatch();
  post(1);
  EXPECT_EQ(reads_in_turn(2), 0) << "something is deferred";

  flood();
  reactor_->wake();
  EXPECT_EQ(reads_in_turn(0), 0) << "nothing is posted";
  post(1);
  reactor_->dispatch();

  post_elsewhere(60);
  EXPECT_EQ(reads_in_turn(40), 1);
  post(1);
  EXPECT_EQ(reads_in_turn(21), 0) << "some are left over";
}

TEST_P(FloodOnEveryPoller, W3_AClockThatStandsStillHoldsNothingUpForEver) {
  clock_.step = 0us;
  make();
  post_elsewhere(32);
  EXPECT_EQ(reads_in_turn(32), 1);
  post(1);
  EXPECT_EQ(reads_in_turn(1), 1000);
}

DETENT_ON_EVERY_POLLER(FloodOnEveryPoller);

// ---- more functions

TEST_P(PosterOnEveryPoller, O2_PostsFromInsidePostedFunctionsRunInLaterTurns) {
  std::vector<int> ran;
  struct Again {
    Reactor& reactor;
    std::vector<int>& ran;
    int depth;
    void operator()() const {
      ran.push_back(depth);
      if (depth < 10) reactor.post(Again{reactor, ran, depth + 1});
    }
  };
  reactor_.post(Again{reactor_, ran, 0});
  for (int i = 0; i <= 10; ++i) {
    turn();
    EXPECT_EQ(ran.size(), static_cast<std::size_t>(i) + 1);
  }
}

// ---- the end of the loop

// Remembers on which thread it went, and asks for the mailbox there: if its lock were held, that
// would hang.
class Capture {
 public:
  Capture(Poster poster, std::vector<std::thread::id>& ended_on)
      : poster_(std::make_unique<Poster>(std::move(poster))), ended_on_(&ended_on) {}
  Capture(Capture&&) = default;
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  Capture& operator=(Capture&&) = delete;
  ~Capture() {
    if (poster_ == nullptr) return;
    posted_again = poster_->post([] {});
    ended_on_->push_back(std::this_thread::get_id());
  }
  static inline bool posted_again = false;

 private:
  std::unique_ptr<Poster> poster_;
  std::vector<std::thread::id>* ended_on_;
};

TEST_P(PosterOnEveryPoller, W2_TheLoopsEndDestroysWhatIsPostedUnrunOnItsThreadOutsideTheLock) {
  std::optional<Reactor> reactor(std::in_place, on_poller(GetParam()));
  std::vector<std::thread::id> ended_on;
  bool ran = false;
  std::thread([&, poster = reactor->poster()] {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(poster.post([&ran, capture = Capture(poster, ended_on)] { ran = true; }));
    }
  }).join();
  EXPECT_TRUE(ended_on.empty());
  Capture::posted_again = true;
  reactor.reset();
  EXPECT_EQ(ended_on, std::vector<std::thread::id>(3, std::this_thread::get_id()));
  EXPECT_FALSE(ran);
  EXPECT_FALSE(Capture::posted_again) << "the loop was gone by then";
}

TEST_P(PosterOnEveryPoller, W2_WhatRanIsDestroyedOnTheLoopsThreadOutsideTheLock) {
  std::vector<std::thread::id> ended_on;
  std::thread([&, poster = reactor_.poster()] {
    EXPECT_TRUE(poster.post([capture = Capture(poster, ended_on)] {}));
  }).join();
  Capture::posted_again = false;
  turn();
  EXPECT_EQ(ended_on, std::vector<std::thread::id>(1, std::this_thread::get_id()));
  EXPECT_TRUE(Capture::posted_again);
}

TEST_P(PosterOnEveryPoller, W2_CarriedOverFunctionsAreDestroyedUnrunToo) {
  std::optional<Reactor> reactor(std::in_place, on_poller(GetParam(), {.functions = 1}));
  const auto capture = std::make_shared<int>();
  int runs = 0;
  for (int i = 0; i < 5; ++i) {
    reactor->post([&runs, capture] { ++runs; });
    keep(reactor->defer([&runs, capture] { ++runs; }));
  }
  reactor->dispatch();
  EXPECT_EQ(runs, 2);
  reactor.reset();
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(capture.use_count(), 1);
}

TEST_P(PosterOnEveryPoller, W2_AfterTheLoopAPostIsFalseAndItsFunctionIsDestroyedWhereItWasPosted) {
  std::optional<Reactor> reactor(std::in_place, on_poller(GetParam()));
  const Poster poster = reactor->poster();
  const Poster copy = poster;
  reactor.reset();
  const auto capture = std::make_shared<int>();
  EXPECT_FALSE(poster.post([capture] {}));
  EXPECT_EQ(capture.use_count(), 1);
  std::thread([&] { EXPECT_FALSE(copy.post([] {})); }).join();
}

// Posts another one when it goes, until so many have gone.
class Reposter {
 public:
  Reposter(Poster poster, int& left) : poster_(std::move(poster)), left_(left) {}
  Reposter(const Reposter&) = delete;
  Reposter& operator=(const Reposter&) = delete;
  ~Reposter() {
    if (--left_ > 0) {
      EXPECT_FALSE(post(poster_, left_));
    }
  }
  static bool post(const Poster& poster, int& left) {
    return poster.post([next = std::make_unique<Reposter>(poster, left)] {});
  }

 private:
  Poster poster_;
  int& left_;
};

TEST(Poster, L7_AMillionPostsEachRefusedInTheEndOfTheLastUseNoStack) {
  auto reactor = std::make_unique<Reactor>();
  const Poster poster = reactor->poster();
  int left = 1'000'000;
  EXPECT_TRUE(Reposter::post(poster, left));
  reactor.reset();
  EXPECT_EQ(left, 0);
  left = 1'000'000;
  EXPECT_FALSE(Reposter::post(poster, left));
  EXPECT_EQ(left, 0);
}

TEST_P(PosterOnEveryPoller, W2_APosterIsTheLastToLetTheWakeUpGo) {
  const DescriptorsBefore before;
  {
    std::optional<Reactor> reactor(std::in_place, on_poller(GetParam()));
    std::thread([poster = reactor->poster()] { EXPECT_TRUE(poster.post([] {})); }).join();
    const Poster poster = reactor->poster();
    reactor.reset();
    EXPECT_FALSE(poster.post([] {}));
  }
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_P(PosterOnEveryPoller, W2_PostsRaceWithTheLoopsEndWithoutHarm) {
  for (int round = 0; round < 50; ++round) {
    std::optional<Reactor> reactor(std::in_place, on_poller(GetParam()));
    const auto capture = std::make_shared<int>();
    std::atomic<bool> gone = false;
    std::atomic<int> refused_early = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, poster = reactor->poster()] {
        while (poster.post([capture] {})) std::this_thread::yield();
        if (!gone) ++refused_early;
      });
    }
    for (int i = 0; i < 10; ++i) reactor->dispatch();
    gone = true;
    reactor.reset();
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(capture.use_count(), 1);
    ASSERT_EQ(refused_early, 0);
  }
}

TEST_P(PosterOnEveryPoller, W2_AStopLeavesPostedFunctionsForTheNextRun) {
  std::vector<int> ran;
  reactor_.post([&] {
    ran.push_back(1);
    reactor_.stop();
    reactor_.post([&] {
      ran.push_back(2);
      reactor_.stop();
    });
  });
  reactor_.run();
  EXPECT_EQ(ran, std::vector<int>{1});
  reactor_.run();
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
}

TEST_P(PosterOnEveryPoller, W1_FunctionsThatCannotBeCopiedCanBePosted) {
  int result = 0;
  reactor_.post([&result, owned = std::make_unique<int>(7)] { result = *owned; });
  keep(reactor_.defer([&result, owned = std::make_unique<int>(10)] { result *= *owned; }));
  turn();
  EXPECT_EQ(result, 70);
}

DETENT_ON_EVERY_POLLER(PosterOnEveryPoller);

}  // namespace
}  // namespace detent
