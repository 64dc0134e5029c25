// SPDX-License-Identifier: BSL-1.0
// What kqueue's poller makes of what only some kernels do, which the double of kevent() can play,
// and how often it calls. That its changes ride with the wait is K2's, in reference_test.cc.
#include "detent/poller.h"
#include "support/connected_pair.h"
#include "support/kernel_double.h"
#include "support/printing.h"
#include "support/standard.h"
#include "support/wait_into.h"

namespace detent {
namespace {

using namespace testing_support;

constexpr Interest kRead = {.readable = true};
constexpr Interest kWrite = {.writable = true};
constexpr Interest kWriteOnce = {.writable = true, .trigger = Trigger::one_shot};
constexpr Interest kWriteEdge = {.writable = true, .trigger = Trigger::edge};
constexpr HandlerId kFirst = {.slot = 1, .generation = 1};
constexpr HandlerId kSecond = {.slot = 2, .generation = 1};

class KqueuePollerTest : public testing::Test {
 protected:
  std::vector<Event>& poll() {
    wait_into(events_, *poller_, Duration::zero());
    return events_;
  }
  // That a wait tells of the first alone, and what.
  void expect_told(Ready ready) {
    ASSERT_EQ(poll().size(), 1U);
    EXPECT_EQ(events_[0].id, kFirst);
    EXPECT_EQ(events_[0].ready, ready);
  }

  std::unique_ptr<Poller> poller_ = make_poller("kqueue");
  std::vector<Event> events_;
};

// ---- calls

TEST_F(KqueuePollerTest, ChangesWhoseFailuresWouldFindNoRoomAreOneCallMoreHoweverMany) {
  std::vector<SocketPair> pairs;
  for (std::uint32_t i = 0; i < 10; ++i) {
    pairs.push_back(make_socket_pair());
    poller_->add(pairs.back().near.fd(), kRead, {i, 1});
  }
  events_.reserve(2);
  for (const Interest interest : {kWrite, kRead, kWrite}) {
    for (std::uint32_t i = 0; i < 10; ++i) {
      poller_->modify(pairs[i].near.fd(), interest, {i, 1});
    }
    const std::uint64_t before = kevent_calls()->made;
    EXPECT_EQ(poll().size(), interest.writable ? 2U : 0U);
    EXPECT_EQ(kevent_calls()->made - before, 2U);
  }
}

// ---- a pipe that nobody reads, whose writer macOS refuses with EPIPE

class BrokenPipe : public KqueuePollerTest {
 protected:
  BrokenPipe() {
    kqueue_double::set_broken_pipe_refuses_writer(true);
    pipe_.near.reset();
  }
  ~BrokenPipe() override { kqueue_double::set_broken_pipe_refuses_writer(false); }

  [[nodiscard]] int writer() const { return pipe_.far.fd(); }

  SocketPair pipe_ = make_pipe();
};

TEST_F(BrokenPipe, ItsWriterMayBeAddedAndIsWritableAtEveryWait) {
  ASSERT_NO_THROW(poller_->add(writer(), kWrite, kFirst));
  for (int i = 0; i < 3; ++i) expect_told({.writable = true});
  poller_->remove(writer());
  EXPECT_TRUE(poll().empty());
}

TEST_F(BrokenPipe, TheSameWhenItsInterestComesWithAWait) {
  poller_->add(writer(), {}, kFirst);
  EXPECT_TRUE(poll().empty());
  poller_->modify(writer(), kWrite, kFirst);
  for (int i = 0; i < 3; ++i) expect_told({.writable = true});
  poller_->modify(writer(), {}, kFirst);
  EXPECT_TRUE(poll().empty()) << "paused";
}

TEST_F(BrokenPipe, NobodyElseStarvesMeanwhile) {
  const SocketPair other = make_socket_pair();
  put(other.far.fd());
  poller_->add(other.near.fd(), kRead, kSecond);
  poller_->add(writer(), kWrite, kFirst);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(poll().size(), 2U);
}

TEST_F(BrokenPipe, AOneShotIsToldOnceAndAnEdgeToo) {
  poller_->add(writer(), kWriteOnce, kFirst);
  for (const Interest interest : {kWriteOnce, kWriteEdge, kWriteOnce}) {
    expect_told({.writable = true});
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(poll().empty());
    poller_->modify(writer(), interest, kFirst);
  }
  expect_told({.writable = true});
}

TEST_F(BrokenPipe, WhatItCameToIsForgottenWithItsRegistration) {
  poller_->add(writer(), kWrite, kFirst);
  poller_->remove(writer());
  EXPECT_TRUE(poll().empty());
  poller_->add(writer(), {}, kSecond);
  EXPECT_TRUE(poll().empty());
}

TEST_F(BrokenPipe, AWriterThatWasThereBeforeIsToldAsWell) {
  SocketPair pipe = make_pipe();
  fill(pipe.far.fd());
  poller_->add(pipe.far.fd(), kWrite, kFirst);
  EXPECT_TRUE(poll().empty()) << "it is full";
  pipe.near.reset();
  for (int i = 0; i < 3; ++i) expect_told({.writable = true});
}

}  // namespace
}  // namespace detent
