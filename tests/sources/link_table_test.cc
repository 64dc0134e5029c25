// SPDX-License-Identifier: BSL-1.0
// What is told of a link when news and answers come in every order that the kernel may send.
#include "links/link_table.h"

#include "support/link_texts.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

class LinkTableTest : public testing::Test {
 protected:
  static constexpr bool kAnswer = true;

  LinkTableTest() { tell_all({{.index = 1, .name = "lo"}}); }

  // An answer that has these, with nothing between.
  Texts tell_all(const std::vector<Link>& links) {
    table_.begin_answer();
    for (const Link& link : links) table_.take({.link = link, .is_answer = true}, changes_);
    table_.end_answer(changes_);
    return texts();
  }
  Texts take(const Link& link, bool is_answer = false) {
    table_.take({.link = link, .is_answer = is_answer}, changes_);
    return texts();
  }
  Texts take_end(int index) {
    table_.take({.link = {.index = index}, .exists = false}, changes_);
    return texts();
  }
  // Of what has changed since the last call.
  Texts texts() {
    Texts texts = texts_of(changes_);
    changes_.clear();
    return texts;
  }

  LinkTable table_;
  std::vector<LinkChange> changes_;
};

constexpr bool kUp = true;

Link eth(bool up = false, bool running = false) {
  return {.index = 2, .name = "eth0", .up = up, .running = running};
}

TEST_F(LinkTableTest, K11_EachDifferenceIsAChangeAndNothingElseIs) {
  EXPECT_EQ(take(eth()), Texts{"came eth0"});
  EXPECT_EQ(take(eth()), Texts{});
  EXPECT_EQ(take(eth(kUp)), Texts{"up eth0"});
  EXPECT_EQ(take(eth(kUp, true)), Texts{"running eth0"});
  EXPECT_EQ(take(eth(kUp)), Texts{"not_running eth0"});
  EXPECT_EQ(take(eth()), Texts{"down eth0"});
  EXPECT_EQ(take_end(2), Texts{"went eth0"});
  EXPECT_EQ(take_end(2), Texts{});
}

TEST_F(LinkTableTest, K11_ChangesOfOneMomentComeInAnOrderThatMakesSense) {
  take(eth());
  EXPECT_EQ(take({.index = 2, .name = "wan", .up = true, .running = true}),
            (Texts{"renamed wan", "up wan", "running wan"}));
  EXPECT_EQ(take({.index = 2, .name = "lan"}),
            (Texts{"renamed lan", "not_running lan", "down lan"}));
}

TEST_F(LinkTableTest, K11_WhatALinkComesWithAndGoesFromIsToldToo) {
  table_.take({.link = eth(kUp, true)}, changes_);
  for (const LinkChange& change : changes_) EXPECT_EQ(change.link, eth(kUp, true));
  EXPECT_EQ(texts(), (Texts{"came eth0", "up eth0", "running eth0"}));
  table_.take({.link = {.index = 2}, .exists = false}, changes_);
  for (const LinkChange& change : changes_) EXPECT_EQ(change.link, eth());
  EXPECT_EQ(texts(), (Texts{"not_running eth0", "down eth0", "went eth0"}));
}

TEST_F(LinkTableTest, K11_NewsWithoutANameAreOfALinkThatIsKnown) {
  EXPECT_EQ(take({.index = 2, .up = true}), Texts{});
  take(eth());
  EXPECT_EQ(take({.index = 2, .up = true}), Texts{"up eth0"});
  EXPECT_EQ(table_.find("eth0")->index, 2);
}

TEST_F(LinkTableTest, K11_AnAnswerTellsOfWhatCameWentAndChangedUnseen) {
  take(eth());
  take({.index = 3, .name = "eth1"});
  EXPECT_EQ(tell_all({{.index = 1, .name = "lo", .up = true},
                      {.index = 3, .name = "lan"},
                      {.index = 4, .name = "eth2"}}),
            (Texts{"up lo", "renamed lan", "came eth2", "went eth0"}));
}

TEST_F(LinkTableTest, K11_AnAnswerThatIsNotWholeEndsNoLink) {
  take(eth());
  table_.begin_answer();
  EXPECT_EQ(take({.index = 1, .name = "lo", .up = true}, kAnswer), Texts{"up lo"});
  EXPECT_EQ(tell_all({{.index = 1, .name = "lo", .up = true}, eth()}), Texts{});
}

// The kernel looked at the link before it went down, and appended the answer after.
TEST_F(LinkTableTest, K11_NewsThatOvertakeAnAnswerAreNewer) {
  take(eth(kUp));
  table_.begin_answer();
  EXPECT_EQ(take(eth()), Texts{"down eth0"});
  EXPECT_EQ(take(eth(kUp), kAnswer), Texts{});
  table_.end_answer(changes_);
  EXPECT_EQ(texts(), Texts{"went lo"});
  EXPECT_EQ(*table_.find("eth0"), eth());
}

TEST_F(LinkTableTest, K11_ALinkThatWentWhileTheAnswerWasUnderWayDoesNotComeBackByIt) {
  take(eth());
  table_.begin_answer();
  EXPECT_EQ(take_end(2), Texts{"went eth0"});
  EXPECT_EQ(take(eth(), kAnswer), Texts{});
  EXPECT_EQ(take_end(3), Texts{});
  EXPECT_EQ(take({.index = 3, .name = "eth1"}, kAnswer), Texts{}) << "came and went unseen";
  table_.end_answer(changes_);
  EXPECT_EQ(table_.find("eth0"), nullptr);
}

TEST_F(LinkTableTest, K11_ALinkThatCameWhileTheAnswerWasUnderWayStays) {
  table_.begin_answer();
  take({.index = 1, .name = "lo"}, kAnswer);
  EXPECT_EQ(take(eth()), Texts{"came eth0"});
  table_.end_answer(changes_);
  EXPECT_EQ(texts(), Texts{});
}

TEST_F(LinkTableTest, K11_NewsOfAnEarlierAnswersTimeDoNotStopALaterAnswer) {
  take(eth(kUp));
  table_.begin_answer();
  take(eth(kUp));
  EXPECT_EQ(take_end(3), Texts{});
  EXPECT_EQ(tell_all({{.index = 1, .name = "lo"}, eth(), {.index = 3, .name = "eth1"}}),
            (Texts{"down eth0", "came eth1"}));
}

TEST_F(LinkTableTest, K11_TheListIsByIndexAndFoundByName) {
  take({.index = 9, .name = "nine"});
  take(eth());
  EXPECT_EQ(table_.list(),
            (std::vector<Link>{{.index = 1, .name = "lo"}, eth(), {.index = 9, .name = "nine"}}));
  EXPECT_EQ(table_.find("nine")->index, 9);
  EXPECT_EQ(table_.find("ten"), nullptr);
}

}  // namespace
}  // namespace detent
