// SPDX-License-Identifier: BSL-1.0
// Links, in a network namespace of the test's own, with the messages of the real kernel.
#include "detent/links.h"

#include "detent/reactor.h"
#include "support/link_fixtures.h"
#include "support/link_texts.h"
#include "support/own_links.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;
using Kind = LinkChange::Kind;

using LinksOnEveryPoller = OnOwnNetwork;

// What a program knows that listens from the beginning, by the kinds of the changes alone.
class Follower {
 public:
  explicit Follower(Links& links)
      : watch_(links.watch([this](const LinkChange& change) { take(change); })) {
    for (const Link& link : links.list()) links_[link.index] = link;
  }
  [[nodiscard]] std::vector<Link> links() const {
    std::vector<Link> all;
    for (const auto& [index, link] : links_) all.push_back(link);
    return all;
  }

 private:
  // Each change is one that its link can have.
  void take(const LinkChange& change) {
    const auto known = links_.find(change.link.index);
    ASSERT_EQ(known == links_.end(), change.kind == Kind::came) << text_of(change);
    Link& link = links_[change.link.index];
    switch (change.kind) {
      case Kind::came:
        link = {.index = change.link.index, .name = change.link.name};
        break;
      case Kind::went:
        EXPECT_FALSE(link.up || link.running);
        links_.erase(known);
        break;
      case Kind::renamed:
        EXPECT_NE(std::exchange(link.name, change.link.name), change.link.name);
        break;
      case Kind::up:
      case Kind::down:
        EXPECT_NE(std::exchange(link.up, change.kind == Kind::up), change.kind == Kind::up);
        break;
      case Kind::running:
      case Kind::not_running:
        EXPECT_NE(std::exchange(link.running, change.kind == Kind::running),
                  change.kind == Kind::running);
        break;
    }
  }

  std::map<int, Link> links_;
  Handle watch_;
};

TEST_P(LinksOnEveryPoller, K11_TheLinksThatExistAreKnownFromTheStart) {
  network_.add("eth0");
  network_.set_up("lo", kUp);
  const auto links = make();
  EXPECT_EQ(links->list(), network_.links());
  EXPECT_EQ(links->list().size(), 2U);
  EXPECT_TRUE(links->find("lo")->running);
  EXPECT_FALSE(links->find("eth0")->up);
  EXPECT_EQ(links->find("eth1"), std::nullopt);
  EXPECT_EQ(turn(), 0U);
}

TEST_P(LinksOnEveryPoller, K11_ALinkComesGoesUpAndDownAndGoes) {
  const auto links = make();
  const Handle watch = record(*links);
  network_.add("eth0");
  take_turns();
  EXPECT_EQ(told(), Texts{"came eth0"});
  network_.set_up("lo", kUp);
  take_turns();
  EXPECT_EQ(told(), (Texts{"up lo", "running lo"}));
  network_.set_up("lo", !kUp);
  take_turns();
  EXPECT_EQ(told(), (Texts{"not_running lo", "down lo"}));
  network_.remove("eth0");
  take_turns();
  EXPECT_EQ(told(), Texts{"went eth0"});
  EXPECT_EQ(links->counters().changes, 6U);
  EXPECT_EQ(links->counters().losses, 0U);
}

TEST_P(LinksOnEveryPoller, K11_EachChangeIsToldWhenNothingIsLost) {
  const auto links = make();
  const Handle watch = record(*links);
  for (const bool up : {true, false, true}) network_.set_up("lo", up);
  take_turns();
  EXPECT_EQ(told(),
            (Texts{"up lo", "running lo", "not_running lo", "down lo", "up lo", "running lo"}));
}

TEST_P(LinksOnEveryPoller, K11_ALinkThatIsRenamedKeepsItsIndex) {
  network_.add("eth0");
  const int index = network_.index_of("eth0");
  const auto links = make();
  const Handle watch = record(*links);
  network_.rename("eth0", "fifteen_letters");
  take_turns();
  ASSERT_EQ(told(), Texts{"renamed fifteen_letters"});
  EXPECT_EQ(links->find("fifteen_letters")->index, index);
}

TEST_P(LinksOnEveryPoller, K11_ALinkRunsWhileItsOtherEndIsUp) {
  if (network_.try_to_add_pair("near", "far") != 0) GTEST_SKIP() << "no veth(4) here";
  const auto links = make();
  const Handle watch = record(*links);
  network_.set_up("near", kUp);
  take_turns();
  EXPECT_EQ(told(), Texts{"up near"});
  network_.set_up("far", kUp);
  run_until_told("running near");
  EXPECT_TRUE(links->find("near")->running);
  EXPECT_EQ(links->list(), network_.links());
  network_.set_up("far", !kUp);
  run_until_told("not_running near");
  EXPECT_TRUE(links->find("near")->up);
}

TEST_P(LinksOnEveryPoller, K11_OtherNewsOfALinkAreNotTold) {
  const auto links = make();
  const Handle watch = record(*links);
  network_.set_mtu("lo", 1500);
  EXPECT_EQ(turn(), 0U);
  EXPECT_EQ(told(), Texts{});
}

TEST_P(LinksOnEveryPoller, K11_ALinkThatLeavesABridgeHasNotGone) {
  if (network_.try_to_add_pair("near", "far") != 0 || network_.try_to_add("bridge", "br0") != 0) {
    GTEST_SKIP() << "no veth(4), or no bridge";
  }
  const auto links = make();
  const Handle watch = record(*links);
  network_.set_bridge("near", "br0");
  network_.set_bridge("near", "");
  take_turns();
  EXPECT_EQ(told(), Texts{});
  EXPECT_EQ(links->list(), network_.links());
}

TEST_P(LinksOnEveryPoller, K11_LinksOfAnotherNetworkAreNotSeen) {
  OwnNetwork other;
  const auto links = make();
  const Handle watch = record(*links);
  other.set_up("lo", kUp);
  other.add("eth7");
  take_turns();
  EXPECT_EQ(told(), Texts{});
  EXPECT_EQ(links->list().size(), 1U);
}

// ---- losses

TEST_P(LinksOnEveryPoller, K11_FiveHundredChangesIntoTheSmallestBufferEndInTheStateThatIs) {
  network_.add("eth0");
  const auto links = make(kSmallBuffer);
  const Follower follower(*links);
  for (int i = 0; i < 499; ++i) network_.set_up("lo", i % 2 == 0);
  network_.set_up("eth0", kUp);
  take_turns();
  EXPECT_EQ(follower.links(), network_.links());
  EXPECT_EQ(links->list(), network_.links());
  EXPECT_TRUE(links->find("lo")->up);
  EXPECT_GE(links->counters().losses, 1U);
  EXPECT_LT(links->counters().changes, 20U) << "what is lost is not told one by one";
}

TEST_P(LinksOnEveryPoller, K11_FiveHundredChangesIntoTheUsualBufferEndInTheStateThatIs) {
  const auto links = make();
  const Follower follower(*links);
  for (int i = 0; i < 500; ++i) network_.set_up("lo", i % 2 != 0);
  take_turns();
  EXPECT_EQ(follower.links(), network_.links());
  EXPECT_GE(links->counters().losses, 1U) << "it has room for about a hundred";
}

TEST_P(LinksOnEveryPoller, K11_WhatCameWentAndWasRenamedUnseenIsTold) {
  network_.add("goes");
  network_.add("stays");
  const auto links = make(kSmallBuffer);
  const Follower follower(*links);
  const Handle watch = record(*links);
  for (int i = 0; i < 100; ++i) network_.set_up("lo", i % 2 == 0);
  network_.remove("goes");
  network_.rename("stays", "renamed");
  network_.add("comes");
  take_turns();
  EXPECT_EQ(follower.links(), network_.links());
  Texts texts = told();
  std::erase_if(texts, [](const std::string& text) { return text.ends_with(" lo"); });
  EXPECT_EQ(texts, (Texts{"renamed renamed", "came comes", "went goes"}));
}

// After the kernel dropped a message it drops all others, and says nothing, until all is read.
TEST_P(LinksOnEveryPoller, K11_ChangesBetweenTheTurnsOfTheRecoveryAreNotLostEither) {
  LinksOptions options = {.messages_per_turn = 1};
  for (const int buffer : {1, 10'000, 30'000, 100'000}) {
    options.receive_buffer = buffer;
    const auto links = make(options);
    const Follower follower(*links);
    for (int i = 0; i < 200; ++i) network_.set_up("lo", i % 2 != 0);
    for (int i = 0; i < 60; ++i) {
      turn();
      network_.set_up("lo", i % 2 == 0);
    }
    for (int i = 0; i < 300; ++i) turn();
    EXPECT_EQ(follower.links(), network_.links()) << buffer;
    EXPECT_GE(links->counters().losses, 1U);
  }
}

// Cheap things mostly: a link is made in ten milliseconds.
class AnyChange {
 public:
  explicit AnyChange(OwnNetwork& network) : network_(network) {}
  void make() {
    const std::size_t choice = random_() % 40;
    if (choice == 0 && names_.size() < 6) return add();
    std::string& name = names_.at(random_() % names_.size());
    if (choice < 4 && name != "lo") return choice == 1 ? remove(name) : rename(name);
    network_.set_up(name, choice % 2 == 0);
  }
  [[nodiscard]] unsigned up_to(unsigned most) {
    return static_cast<unsigned>(random_() % (most + 1));
  }

 private:
  void add() {
    names_.push_back("new" + std::to_string(++made_));
    network_.add(names_.back());
  }
  void remove(std::string& name) {
    network_.remove(name);
    std::swap(name, names_.back());
    names_.pop_back();
  }
  void rename(std::string& name) {
    const std::string other = "other" + std::to_string(++made_);
    network_.set_up(name, !kUp);
    network_.rename(name, other);
    name = other;
  }

  OwnNetwork& network_;
  std::mt19937 random_{11};
  std::vector<std::string> names_ = {"lo"};
  int made_ = 0;
};

TEST_P(LinksOnEveryPoller, K11_WhateverHappensBetweenWhicheverTurnsTheLastStateIsTold) {
  AnyChange change(network_);
  for (const int buffer : {1, 5'000}) {
    const auto links = make({.messages_per_turn = 1, .receive_buffer = buffer});
    const Follower follower(*links);
    for (int step = 0; step < 300; ++step) {
      change.make();
      for (unsigned turns = change.up_to(2) * change.up_to(3); turns > 0; --turns) turn();
      if (step % 50 != 49) continue;
      for (int i = 0; i < 200; ++i) turn();
      EXPECT_EQ(follower.links(), network_.links());
      EXPECT_EQ(links->list(), network_.links());
    }
    EXPECT_GE(links->counters().losses, 1U);
  }
}

// So the kernel may change a link between its look at it and its answer.
TEST_P(LinksOnEveryPoller, K11_ChangesOfAnotherThreadDuringTheAnswersAreNotLost) {
  const auto links = make(kSmallBuffer);
  const Follower follower(*links);
  constexpr int kAll = 1'000;
  std::atomic<int> made = 0;
  std::jthread changer([&] {
    for (; made < kAll; ++made) network_.set_up("lo", made % 2 == 0);
  });
  for (int seen = 0; seen < kAll;) {
    while (made < std::min(seen + 5, kAll)) std::this_thread::yield();
    seen = made;
    for (int turns = 0; turns < 3; ++turns) turn();
  }
  changer.join();
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_EQ(follower.links(), network_.links());
  EXPECT_GE(links->counters().losses, 1U);
}

DETENT_ON_EVERY_POLLER(LinksOnEveryPoller);

}  // namespace
}  // namespace detent
