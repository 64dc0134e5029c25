// SPDX-License-Identifier: BSL-1.0
// What io_uring's poller asks of the kernel: which requests are in flight, and how many calls.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ostream>

#include "detent/poller.h"
#include "detent/unique_fd.h"
#include "io_uring.h"
#include "support/allocations.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/failing_calls.h"
#include "support/printing.h"
#include "support/processes.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "support/system_calls.h"
#include "support/wait_into.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

constexpr Interest kRead = {.readable = true};
constexpr Interest kWrite = {.writable = true};
constexpr Interest kBoth = {.readable = true, .writable = true};
constexpr HandlerId kFirst = {.slot = 1, .generation = 1};
constexpr HandlerId kSecond = {.slot = 2, .generation = 1};

// The kernel's word for how much put-off work one call does is 20; this is more.
constexpr std::uint32_t kMany = 100;

bool is_there() { return io_uring_absence().empty(); }

class IoUringPollerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!is_there()) GTEST_SKIP() << io_uring_absence();
    poller_ = make_poller("io_uring");
    events_.reserve(256);
  }

  std::vector<Event>& poll() {
    wait_into(events_, *poller_, Duration::zero());
    return events_;
  }
  // Registered, and its request in flight.
  void arm(const SocketPair& pair, Interest interest = kRead, HandlerId id = kFirst) {
    poller_->add(pair.near.fd(), interest, id);
    poll();
  }
  std::vector<SocketPair> arm_many() {
    std::vector<SocketPair> pairs;
    for (std::uint32_t i = 0; i < kMany; ++i) {
      pairs.push_back(make_socket_pair());
      poller_->add(pairs.back().near.fd(), kRead, {i, 1});
    }
    poll();
    return pairs;
  }
  static void expect_end_at(const UniqueFd& peer) {
    EXPECT_NE(poll_one(peer.fd(), POLLIN) & POLLIN, 0) << "nothing that says that it has ended";
  }

  std::unique_ptr<Poller> poller_;
  std::vector<Event> events_;
};

// --- Files are let go of

TEST_F(IoUringPollerTest, AfterRemoveAndCloseThePeerSeesTheEndAtOnce) {
  for (const bool tcp : {false, true}) {
    SocketPair pair = tcp ? make_tcp_pair() : make_socket_pair();
    arm(pair);
    poller_->remove(pair.near.fd());
    pair.near.reset();
    expect_end_at(pair.far);
    EXPECT_TRUE(poll().empty());
  }
}

TEST_F(IoUringPollerTest, TheSameForOneThatWasWokenForWhatHasBeenRead) {
  for (const bool changed : {false, true}) {
    SocketPair pair = make_socket_pair();
    arm(pair);
    put(pair.far.fd());
    take(pair.near.fd());
    if (changed) {
      poller_->modify(pair.near.fd(), kBoth, kFirst);
      poll();
    }
    poller_->remove(pair.near.fd());
    pair.near.reset();
    expect_end_at(pair.far);
  }
}

TEST_F(IoUringPollerTest, TheSameWhileMuchElseHasHappened) {
  std::vector<SocketPair> pairs = arm_many();
  for (const SocketPair& pair : pairs) put(pair.far.fd());
  take(pairs.back().near.fd());
  poller_->remove(pairs.back().near.fd());
  pairs.back().near.reset();
  expect_end_at(pairs.back().far);
  EXPECT_EQ(poll().size(), kMany - 1) << "and none of it is lost";
}

TEST_F(IoUringPollerTest, TheSameForOneThatIsPausedOrReported) {
  SocketPair paused = make_socket_pair();
  SocketPair reported = make_socket_pair();
  arm(paused);
  poller_->modify(paused.near.fd(), {}, kFirst);
  arm(reported, kWrite, kSecond);
  for (SocketPair* pair : {&paused, &reported}) {
    poller_->remove(pair->near.fd());
    pair->near.reset();
    expect_end_at(pair->far);
  }
}

TEST_F(IoUringPollerTest, TheSameWhenThePollerGoesEvenIfAForkedChildKeepsItsRing) {
  for (const bool handed_out : {false, true}) {
    poller_ = make_poller("io_uring");
    if (handed_out) std::ignore = poller_->native_handle();
    const SocketPair until_told = make_pipe();
    const pid_t child = ::fork();
    if (child == 0) {
      poll_one(until_told.near.fd(), POLLIN, -1);
      ::_exit(0);
    }
    SocketPair pair = make_socket_pair();
    arm(pair, kRead, {kMany, 1});
    const std::vector<SocketPair> others = arm_many();
    for (const SocketPair& other : others) put(other.far.fd());
    poller_.reset();
    pair.near.reset();
    expect_end_at(pair.far);
    put(until_told.far.fd());
    EXPECT_EQ(child, ::waitpid(child, nullptr, 0));
  }
}

// --- Completions find their request, or nobody

TEST_F(IoUringPollerTest, L4_AnEventThatRacesWithItsRemovalReachesNobody) {
  const SocketPair pair = make_socket_pair();
  for (int i = 0; i < 100; ++i) {
    arm(pair);
    put(pair.far.fd());
    poller_->remove(pair.near.fd());
    poller_->add(pair.near.fd(), kWrite, kSecond);
    ASSERT_EQ(poll().size(), 1U);
    EXPECT_EQ(events_[0].id, kSecond);
    EXPECT_EQ(events_[0].ready, Ready{.writable = true});
    poller_->remove(pair.near.fd());
    take(pair.near.fd());
    ASSERT_TRUE(poll().empty());
  }
}

TEST_F(IoUringPollerTest, L4_AnEventThatRacesWithAChangeIsToldAsTheNewInterestHasIt) {
  const SocketPair pair = make_socket_pair();
  arm(pair);
  for (int i = 0; i < 100; ++i) {
    put(pair.far.fd());
    poller_->modify(pair.near.fd(), kWrite, kSecond);
    ASSERT_EQ(poll().size(), 1U);
    EXPECT_EQ(events_[0].ready, Ready{.writable = true});
    poller_->modify(pair.near.fd(), kRead, kFirst);
    ASSERT_EQ(poll().size(), 1U);
    EXPECT_EQ(events_[0].ready, Ready{.readable = true});
    take(pair.near.fd());
    ASSERT_TRUE(poll().empty());
  }
}

TEST_F(IoUringPollerTest, L4_AReusedNumberHearsItsOwnEventsOnlyAndAtOnce) {
  SocketPair old = make_socket_pair();
  const SocketPair fresh = make_socket_pair();
  arm(old);
  const int number = old.near.fd();
  put(old.far.fd());
  poller_->remove(number);
  ASSERT_EQ(::dup3(fresh.near.fd(), number, O_CLOEXEC), number);
  poller_->add(number, kRead, kSecond);
  EXPECT_TRUE(poll().empty());
  put(fresh.far.fd());
  ASSERT_EQ(poll().size(), 1U);
  EXPECT_EQ(events_[0].id, kSecond);
}

TEST_F(IoUringPollerTest, L6_AFileThatWasClosedWithoutRemoveIsWatchedUntilItsRemoval) {
  SocketPair pair = make_socket_pair();
  arm(pair);
  const int number = pair.near.fd();
  pair.near.reset();
  EXPECT_TRUE(poll().empty());
  EXPECT_EQ(poll_one(pair.far.fd(), POLLIN), 0) << "the documented difference";
  poller_->remove(number);
  expect_end_at(pair.far);
}

TEST_F(IoUringPollerTest, L6_ClosedBeforeItsFirstWaitItIsInvalidOnce) {
  SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  pair.near.reset();
  wait_into(events_, *poller_, std::nullopt);
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].ready, Ready{.invalid = true});
  EXPECT_TRUE(poll().empty());
}

// --- What is told is true

TEST_F(IoUringPollerTest, D3_WhatWasReadSinceItCameIsNotTold) {
  const SocketPair pair = make_socket_pair();
  arm(pair);
  put(pair.far.fd());
  take(pair.near.fd());
  EXPECT_TRUE(poll().empty());
  put(pair.far.fd());
  EXPECT_EQ(poll().size(), 1U) << "and it is in flight again";
}

TEST_F(IoUringPollerTest, AWaitThatDoesNotSleepFindsAllThatHappenedHoweverMuch) {
  const std::vector<SocketPair> pairs = arm_many();
  for (const SocketPair& pair : pairs) put(pair.far.fd());
  EXPECT_EQ(poll().size(), kMany);
}

TEST_F(IoUringPollerTest, D2_OrdinaryDataIsNotUrgent) {
  const SocketPair pair = make_tcp_pair();
  arm(pair, {.priority = true});
  put(pair.far.fd());
  EXPECT_TRUE(poll().empty()) << "before the wait";
  std::atomic<bool> urgent = false;
  std::thread sender([&, waiting = this_thread_number()] {
    wait_until_asleep(waiting);
    put(pair.far.fd());
    wait_until_asleep(waiting);
    urgent = true;
    ::send(pair.far.fd(), "!", 1, MSG_OOB);
  });
  wait_into(events_, *poller_, std::nullopt);
  EXPECT_TRUE(urgent) << "during the wait";
  sender.join();
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].ready, Ready{.priority = true});
}

TEST_F(IoUringPollerTest, D2_AWriterToAPeerThatSendsNoMoreIsToldWhenItMayWrite) {
  const SocketPair pair = make_socket_pair();
  ::shutdown(pair.far.fd(), SHUT_WR);
  fill(pair.near.fd());
  arm(pair, kWrite);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(poll().empty());
    take(pair.far.fd());
    for (int turn = 0; turn < 3; ++turn) {
      ASSERT_EQ(poll().size(), 1U);
      EXPECT_EQ(events_[0].ready, Ready{.writable = true});
    }
    fill(pair.near.fd());
    std::ignore = poller_->native_handle();  // the next time with a ring of the other kind
  }
  poller_->modify(pair.near.fd(), kRead, kFirst);
  ASSERT_EQ(poll().size(), 1U);
  EXPECT_EQ(events_[0].ready, (Ready{.readable = true, .read_closed = true}));
}

TEST_F(IoUringPollerTest, D2_AWriterToAPeerThatSendsNoMoreDoesNotSpin) {
  const auto calls = system_calls_of([] {
    auto pair = std::make_shared<SocketPair>(make_socket_pair());
    ::shutdown(pair->far.fd(), SHUT_WR);
    fill(pair->near.fd());
    auto poller = std::shared_ptr<Poller>(make_poller("io_uring"));
    poller->add(pair->near.fd(), kWrite, kFirst);
    return [=, events = std::vector<Event>()]() mutable { wait_into(events, *poller, 20ms); };
  });
  ASSERT_TRUE(calls) << "tracing a child is not allowed here";
  EXPECT_LE(calls->at(SYS_io_uring_enter), 5);
}

// --- Queues

io_uring_sqe poll_request(int fd, std::uint16_t events, std::uint64_t mark) {
  io_uring_sqe request = {};
  request.opcode = IORING_OP_POLL_ADD;
  request.fd = fd;
  request.poll_events = events;
  request.user_data = mark;
  return request;
}

TEST(IoUring, MoreCompletionsThanItHasRoomForAreNotLost) {
  if (!is_there()) GTEST_SKIP() << io_uring_absence();
  for (const RingWork work : {RingWork::deferred, RingWork::at_any_call}) {
    const SocketPair pair = make_socket_pair();
    IoUring ring(4, 8, work);
    std::set<std::uint64_t> expected;
    for (std::uint64_t mark = 0; mark < 1000; ++mark) {
      ASSERT_TRUE(ring.make_room(1));
      ring.push(poll_request(pair.near.fd(), POLLOUT, mark));
      expected.insert(mark);
    }
    std::set<std::uint64_t> found;
    do {
      ASSERT_NE(ring.submit_and_reap(), -1);
      for (; ring.front() != nullptr; ring.pop()) found.insert(ring.front()->user_data);
    } while (ring.has_news());
    EXPECT_EQ(found, expected);
  }
}

TEST(IoUring, LetsGoOfEveryFileWhenItGoesHoweverSmallItsQueues) {
  if (!is_there()) GTEST_SKIP() << io_uring_absence();
  std::vector<SocketPair> pairs;
  {
    IoUring ring(4, 8, RingWork::deferred);
    while (pairs.size() < kMany) {
      pairs.push_back(make_socket_pair());
      ASSERT_TRUE(ring.make_room(1));
      ring.push(poll_request(pairs.back().near.fd(), POLLIN, pairs.size()));
    }
    ASSERT_NE(ring.submit_and_reap(), -1);
  }
  for (SocketPair& pair : pairs) {
    pair.near.reset();
    EXPECT_TRUE(is_readable(pair.far.fd()));
  }
}

// As the kernel leaves it when it was about to say that there is work while that was being done.
void claim_that_there_is_work(const IoUring& ring) {
  io_uring_params params = {};  // where things are is the same in every ring
  const UniqueFd other(static_cast<int>(::syscall(SYS_io_uring_setup, 1, &params)));
  const Mapping queues(UniqueFd(::fcntl(ring.fd(), F_DUPFD_CLOEXEC, 0)), IORING_OFF_SQ_RING, 4096);
  std::atomic_ref(*queues.at<unsigned>(params.sq_off.flags)).fetch_or(IORING_SQ_TASKRUN);
}

TEST(IoUring, IsNotTakenInByTheClaimThatThereIsWork) {
  if (!is_there()) GTEST_SKIP() << io_uring_absence();
  IoUring ring(4, 8, RingWork::deferred);
  claim_that_there_is_work(ring);
  EXPECT_TRUE(ring.has_news());
  EXPECT_FALSE(ring.work()) << "it would be asked to again and again";
}

// More than the queues hold, all ready, one file.
TEST_F(IoUringPollerTest, TenThousandAddsBeforeAWaitAreAllSubmittedAndAllHeard) {
  constexpr std::uint32_t kCount = 10'000;
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  std::vector<UniqueFd> duplicates;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    duplicates.emplace_back(::fcntl(pair.near.fd(), F_DUPFD_CLOEXEC, 0));
    if (!duplicates.back()) GTEST_SKIP() << "too few descriptors";
    poller_->add(duplicates.back().fd(), kRead, {i, 1});
  }
  for (int round = 0; round < 2; ++round) {
    std::set<std::uint32_t> heard;
    for (std::size_t i = 0; i < kCount; i += events_.size()) {
      poll();
      ASSERT_FALSE(events_.empty());
      for (const Event& event : events_) heard.insert(event.id.slot);
    }
    EXPECT_EQ(heard.size(), kCount) << "one was told twice before another was told once";
  }
}

TEST_F(IoUringPollerTest, ARemovalOfManyLeavesNothingThatWakesTheNativeHandle) {
  const std::vector<SocketPair> pairs = arm_many();
  const int handle = poller_->native_handle();
  for (const SocketPair& pair : pairs) poller_->remove(pair.near.fd());
  EXPECT_FALSE(is_readable(handle));
}

// --- Costs

// A poller that has reported one readable descriptor, and one that waits for another.
struct Watching {
  SocketPair ready = make_socket_pair();
  SocketPair idle = make_socket_pair();
  std::unique_ptr<Poller> poller = make_poller("io_uring");
  std::vector<Event> events;

  Watching() {
    events.reserve(64);
    put(ready.far.fd());
    poller->add(ready.near.fd(), kRead, kFirst);
    poller->add(idle.near.fd(), kRead, kSecond);
    wait_into(events, *poller, Duration::zero());
  }
};

// How many calls, but for the enters of the ring; and those.
struct Cost {
  int others = 0;
  int enters = 0;
  friend bool operator==(const Cost&, const Cost&) = default;
};
void PrintTo(const Cost& cost, std::ostream* out) {
  *out << cost.others << " calls and " << cost.enters << " enters";
}

template <class F>
Cost cost_of(F f) {
  const auto calls = system_calls_of(
      [f] { return [f, watching = std::make_shared<Watching>()] { f(*watching); }; });
  EXPECT_TRUE(calls) << "tracing a child is not allowed here";
  if (!calls) return {};
  const auto found = calls->find(SYS_io_uring_enter);
  const int enters = found == calls->end() ? 0 : found->second;
  return {.others = total(*calls) - enters, .enters = enters};
}

using IoUringCost = IoUringPollerTest;

TEST_F(IoUringCost, AWaitThatFindsSomethingIsOneEnter) {
  EXPECT_EQ(cost_of([](Watching& w) {
              for (int i = 0; i < 100; ++i) wait_into(w.events, *w.poller, 1h);
            }),
            (Cost{.others = 0, .enters = 100}));
}

TEST_F(IoUringCost, AWaitThatSleepsIsOneEnter) {
  EXPECT_EQ(cost_of([](Watching& w) {
              w.poller->modify(w.ready.near.fd(), {}, kFirst);
              wait_into(w.events, *w.poller, 1ms);
            }),
            (Cost{.others = 0, .enters = 1}));
}

TEST_F(IoUringCost, OldNewsAreAskedAboutInOneCall) {
  EXPECT_EQ(cost_of([](Watching& w) {
              put(w.idle.far.fd());
              wait_into(w.events, *w.poller, 1h);
            }),
            (Cost{.others = 2, .enters = 1}));
}

TEST_F(IoUringCost, ChangesThatCancelOutCostNothing) {
  EXPECT_EQ(cost_of([](Watching& w) {
              for (int i = 0; i < 1000; ++i) {
                w.poller->modify(w.idle.near.fd(), kBoth, kSecond);
                w.poller->modify(w.idle.near.fd(), {}, kSecond);
                w.poller->modify(w.idle.near.fd(), kRead, kSecond);
              }
              wait_into(w.events, *w.poller, Duration::zero());
            }),
            (Cost{.others = 0, .enters = 1}));
}

TEST_F(IoUringCost, K2_ManyChangesRideWithTheWait) {
  EXPECT_EQ(cost_of([](Watching& w) {
              for (int i = 0; i < 1001; ++i) {
                w.poller->modify(w.idle.near.fd(), i % 2 == 0 ? kBoth : kRead, kSecond);
              }
              wait_into(w.events, *w.poller, Duration::zero());
            }),
            (Cost{.others = 0, .enters = 1}));
}

TEST_F(IoUringCost, ARemovalCostsACallOnlyWhereARequestIsInFlight) {
  EXPECT_EQ(cost_of([](Watching& w) { w.poller->remove(w.ready.near.fd()); }), Cost{});
  EXPECT_EQ(cost_of([](Watching& w) { w.poller->remove(w.idle.near.fd()); }), (Cost{.enters = 1}));
}

TEST_F(IoUringCost, AddsRideWithTheWait) {
  EXPECT_EQ(cost_of([](Watching& w) {
              w.poller->remove(w.ready.near.fd());
              w.poller->add(w.ready.near.fd(), kRead, kFirst);  // asks what kind of file it is
              wait_into(w.events, *w.poller, Duration::zero());
            }),
            (Cost{.others = 1, .enters = 1}));
}

TEST_F(IoUringCost, NothingIsAllocatedHoweverOftenItIsArmed) {
  const SocketPair ready = make_socket_pair();
  const SocketPair woken = make_socket_pair();
  put(ready.far.fd());
  arm(ready);
  arm(woken, kRead, kSecond);
  char byte = 0;
  EXPECT_EQ(allocations_in([&] {
              for (int i = 0; i < 1000; ++i) {
                put(woken.far.fd());
                EXPECT_EQ(poll().size(), 2U);
                EXPECT_EQ(::read(woken.near.fd(), &byte, 1), 1);
                EXPECT_EQ(poll().size(), 1U);
                poller_->remove(woken.near.fd());
                poller_->add(woken.near.fd(), kRead, kSecond);
              }
            }),
            0U);
}

// --- How it is set up

// What a traced process gives to io_uring_setup(2).
io_uring_params params_of(const EnteredCall& call) {
  io_uring_params params = {};
  const iovec here = {.iov_base = &params, .iov_len = sizeof params};
  const iovec there = {.iov_base = reinterpret_cast<void*>(call.arguments[1]),
                       .iov_len = sizeof params};
  EXPECT_EQ(::process_vm_readv(call.process, &here, 1, &there, 1, 0), ssize_t{sizeof params});
  return params;
}

TEST_F(IoUringPollerTest, ItsRingIsOneThreadsAndDefersItsWorkUntilTheHandleIsAskedFor) {
  constexpr unsigned kDecided =
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN;
  std::vector<unsigned> asked_for;
  const auto calls =
      system_calls_of([] { return [] { std::ignore = make_poller("io_uring")->native_handle(); }; },
                      [&](const EnteredCall& call) {
                        if (call.number != SYS_io_uring_setup) return;
                        const unsigned flags = params_of(call).flags;
                        const bool is_probe = (flags & IORING_SETUP_ATTACH_WQ) != 0;
                        if (!is_probe) asked_for.push_back(flags & kDecided);
                      });
  ASSERT_TRUE(calls) << "tracing a child is not allowed here";
  EXPECT_EQ(asked_for,
            (std::vector<unsigned>{IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                                   IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN}));
}

TEST(IoUring, WorkIsDoneWithinAnEnterWhereItIsDeferredAndElseAtAnyCall) {
  if (!is_there()) GTEST_SKIP() << io_uring_absence();
  for (const RingWork work : {RingWork::deferred, RingWork::at_any_call}) {
    const SocketPair pair = make_socket_pair();
    IoUring ring(4, 8, work);
    ASSERT_TRUE(ring.make_room(1));
    ring.push(poll_request(pair.near.fd(), POLLIN, 1));
    ASSERT_NE(ring.submit_and_reap(), -1);
    put(pair.far.fd());
    ::getppid();
    EXPECT_EQ(ring.front() != nullptr, work == RingWork::at_any_call);
    EXPECT_TRUE(ring.has_news());
    ASSERT_NE(ring.submit_and_reap(), -1);
    EXPECT_NE(ring.front(), nullptr);
  }
}

TEST(IoUring, ASecondThreadIsRefusedByTheKernel) {
  if (!is_there()) GTEST_SKIP() << io_uring_absence();
  for (const RingWork work : {RingWork::deferred, RingWork::at_any_call}) {
    const SocketPair pair = make_socket_pair();
    IoUring ring(4, 8, work);
    ring.push(poll_request(pair.near.fd(), POLLIN, 1));
    ASSERT_NE(ring.submit_and_reap(), -1);
    std::thread([&] {
      ring.push(poll_request(pair.near.fd(), POLLIN, 2));
      EXPECT_EQ(ring.submit_and_reap(), -1);
      EXPECT_EQ(errno, EEXIST);
    }).join();
  }
}

// --- Whose it is, and whether there is one

TEST_F(IoUringPollerTest, TheFirstThreadThatWaitsNeedsNoOtherRing) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  poller_->add(pair.near.fd(), kRead, kFirst);
  std::thread([&] {
    const NoFreeDescriptor limit;
    EXPECT_EQ(poll().size(), 1U);
  }).join();
}

TEST_F(IoUringPollerTest, AThreadThatCannotHaveARingIsToldSoAndMayTryAgain) {
  const SocketPair pair = make_socket_pair();
  arm(pair);
  put(pair.far.fd());
  std::thread([&] {
    {
      const NoFreeDescriptor limit;
      EXPECT_EQ(error_of([&] { poll(); }), std::errc::too_many_files_open);
    }
    EXPECT_EQ(poll().size(), 1U);
  }).join();
}

TEST_F(IoUringPollerTest, ThePeerSeesTheEndAfterAnotherThreadHasRemovedAndClosedIt) {
  SocketPair pair = make_socket_pair();
  arm(pair);
  std::thread([&] {
    poller_->remove(pair.near.fd());
    pair.near.reset();
  }).join();
  wait_until_readable(pair.far.fd());
}

TEST_F(IoUringPollerTest, D7_ItsNativeHandleTiesItToItsThread) {
  const SocketPair pair = make_socket_pair();
  const SocketPair more = make_socket_pair();
  arm(pair);
  std::ignore = poller_->native_handle();
  std::thread([&] {
    const std::string rest =
        ": this io_uring poller belongs to another thread, since its native handle was asked for";
    const auto expect = [&rest](const char* call, const auto& statement) {
      EXPECT_EQ(message_of<std::logic_error>(statement), call + rest);
    };
    expect("Poller::wait", [&] { poll(); });
    expect("Poller::add", [&] { poller_->add(more.near.fd(), kRead, kSecond); });
    expect("Poller::remove", [&] { poller_->remove(pair.near.fd()); });
    expect("Poller::native_handle", [&] { std::ignore = poller_->native_handle(); });
  }).join();
  put(pair.far.fd());
  EXPECT_EQ(poll().size(), 1U) << "and its own thread goes on with it";
}

TEST_F(IoUringPollerTest, O8_AForkedChildIsRefusedAndTheParentUnharmed) {
  const SocketPair idle = make_socket_pair();
  arm(idle);
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    EXPECT_THROW(poll(), std::logic_error);
    poller_.reset();
  }));
  put(idle.far.fd());
  ASSERT_EQ(poll().size(), 1U);
  EXPECT_EQ(events_[0].ready, Ready{.readable = true});
}

TEST_F(IoUringPollerTest, D7_TheNativeHandleWakesAnEpollThatWatchesIt) {
  const UniqueFd outer(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event = {};
  event.events = EPOLLIN;
  const SocketPair pair = make_socket_pair();
  arm(pair);
  ASSERT_EQ(::epoll_ctl(outer.fd(), EPOLL_CTL_ADD, poller_->native_handle(), &event), 0);
  ASSERT_EQ(::epoll_wait(outer.fd(), &event, 1, 0), 0);
  const SocketPair later = make_socket_pair();
  poller_->add(later.near.fd(), kRead, kSecond);
  for (const SocketPair* written : {&later, &pair}) {
    put(written->far.fd());
    EXPECT_EQ(::epoll_wait(outer.fd(), &event, 1, 0), 1);
    EXPECT_EQ(poll().size(), 1U);
    EXPECT_EQ(::epoll_wait(outer.fd(), &event, 1, 0), 1) << "nobody has read it";
    take(written->near.fd());
    EXPECT_TRUE(poll().empty());
    EXPECT_EQ(::epoll_wait(outer.fd(), &event, 1, 0), 0);
  }
}

TEST_F(IoUringPollerTest, IsNotTheDefault) { EXPECT_EQ(poller_names().front(), "epoll"); }

TEST_F(IoUringPollerTest, WhereTheKernelHasNoneItIsNotListedAndTheReasonIsTold) {
  const std::map<int, std::string_view> reasons = {
      {ENOSYS, "built without"}, {EPERM, "forbids"}, {EINVAL, "Linux 6.1"}};
  for (const auto& [error, reason] : reasons) {
    EXPECT_TRUE(holds_in_a_forked_child([&, error = error, reason = reason] {
      ASSERT_TRUE(let_call_fail(SYS_io_uring_setup, error));
      const auto names = poller_names();
      EXPECT_EQ(std::count(names.begin(), names.end(), "io_uring"), 0);
      const auto message =
          message_of<std::invalid_argument>([] { std::ignore = make_poller("io_uring"); });
      EXPECT_NE(message.find(reason), std::string::npos) << message;
      for (const std::string_view name : names) {
        EXPECT_NE(message.find(name), std::string::npos) << message;
        EXPECT_EQ(make_poller(name)->name(), name);
      }
    }));
  }
}

}  // namespace
}  // namespace detent
