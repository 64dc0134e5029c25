// SPDX-License-Identifier: BSL-1.0
// What epoll's poller asks of the kernel: which registrations, and how many calls.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "detent/clock.h"
#include "detent/poller.h"
#include "support/connected_pair.h"
#include "support/failing_calls.h"
#include "support/kernel_view.h"
#include "support/printing.h"
#include "support/processes.h"
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
constexpr HandlerId kId = {.slot = 1, .generation = 1};

// How many registrations the kernel keeps for this poller.
std::size_t installed(Poller& poller) {
  const std::string info = epoll_info(poller.native_handle());
  std::size_t count = 0;
  for (std::size_t at = info.find("tfd:"); at != std::string::npos;
       at = info.find("tfd:", at + 1)) {
    ++count;
  }
  return count;
}

// A poller with one readable descriptor, for tests that count calls in a child.
struct Watching {
  SocketPair pair = make_socket_pair();
  std::unique_ptr<Poller> poller = make_poller("epoll");
  std::vector<Event> events;

  Watching() {
    events.reserve(64);
    poller->add(pair.near.fd(), kRead, kId);
    put(pair.far.fd());
    wait_into(events, *poller, Duration::zero());
  }
};

template <class F>
std::optional<SystemCalls> calls_of(F f) {
  return system_calls_of(
      [f] { return [f, watching = std::make_shared<Watching>()] { f(*watching); }; });
}

int waits_in(const SystemCalls& calls) {
  int count = 0;
  for (const long call : {long{SYS_epoll_wait}, long{SYS_epoll_pwait}, long{SYS_epoll_pwait2}}) {
    if (const auto found = calls.find(call); found != calls.end()) count += found->second;
  }
  return count;
}

TEST(EpollPoller, AddAndRemoveLeaveNothingInTheKernel) {
  const Watching watching;
  EXPECT_EQ(installed(*watching.poller), 1U);
  watching.poller->remove(watching.pair.near.fd());
  EXPECT_EQ(installed(*watching.poller), 0U);
}

TEST(EpollPoller, D1_APausedDescriptorIsOutOfTheKernel) {
  Watching watching;
  const int fd = watching.pair.near.fd();
  watching.poller->modify(fd, {}, kId);
  wait_into(watching.events, *watching.poller, Duration::zero());
  EXPECT_EQ(installed(*watching.poller), 0U);
  watching.poller->remove(fd);
  watching.poller->add(fd, {}, kId);
  EXPECT_EQ(installed(*watching.poller), 0U);
}

TEST(EpollPoller, L4_AGhostIsOutOfTheKernelAtTheSecondWait) {
  Watching watching;
  const int fd = watching.pair.near.fd();
  const UniqueFd duplicate(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  watching.pair.near.reset();
  watching.poller->remove(fd);
  EXPECT_EQ(installed(*watching.poller), 1U);
  wait_into(watching.events, *watching.poller, Duration::zero());
  wait_into(watching.events, *watching.poller, Duration::zero());
  EXPECT_EQ(installed(*watching.poller), 0U);
}

TEST(EpollPoller, L6_LayingAGhostGivesNobodyTheFileThatReusedItsNumber) {
  const auto poller = make_poller("epoll");
  std::vector<Event> events;
  SocketPair ghost = make_socket_pair();
  SocketPair watched = make_socket_pair();
  const int ghostly = ghost.near.fd();
  const int number = watched.near.fd();
  poller->add(ghostly, kRead, {.slot = 2, .generation = 1});
  poller->add(number, kRead, kId);

  const UniqueFd duplicate(::fcntl(ghostly, F_DUPFD_CLOEXEC, 0));
  ghost.near.reset();
  poller->remove(ghostly);
  put(ghost.far.fd());
  const SocketPair successor = make_socket_pair();
  ASSERT_EQ(::dup3(successor.near.fd(), number, O_CLOEXEC), number);  // closes what it meant
  put(successor.far.fd());

  wait_into(events, *poller, Duration::zero());
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].id, HandlerId{});
  wait_into(events, *poller, Duration::zero());
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].id, kId);
  EXPECT_EQ(events[0].ready, Ready{.invalid = true});
  wait_into(events, *poller, Duration::zero());
  EXPECT_TRUE(events.empty());
}

TEST(EpollPoller, L6_APausedDescriptorHearsNothingOfWhatItsNumberMeantBefore) {
  const auto poller = make_poller("epoll");
  std::vector<Event> events;
  SocketPair first = make_socket_pair();
  const SocketPair second = make_socket_pair();
  const UniqueFd first_again(::fcntl(first.near.fd(), F_DUPFD_CLOEXEC, 0));
  const int number = first.near.fd();

  poller->add(number, kRead, {.slot = 2, .generation = 1});
  ASSERT_EQ(::dup3(second.near.fd(), number, O_CLOEXEC), number);
  poller->remove(number);  // in vain: the first file's registration stays, a ghost
  poller->add(number, kWrite, kId);
  poller->modify(number, {}, kId);
  ASSERT_EQ(::dup3(first_again.fd(), number, O_CLOEXEC), number);

  // What the pause takes out is the ghost. The second file is still there, and writable.
  wait_into(events, *poller, Duration::zero());
  for (const Event& event : events) EXPECT_EQ(event.id, HandlerId{});
  wait_into(events, *poller, Duration::zero());
  EXPECT_TRUE(events.empty());
}

TEST(EpollPoller, AWaitThatFindsSomethingIsOneCall) {
  const auto calls = calls_of([](Watching& w) { wait_into(w.events, *w.poller, 1h); });
  ASSERT_TRUE(calls) << "tracing a child is not allowed here";
  EXPECT_EQ(total(*calls), 1);
  EXPECT_EQ(waits_in(*calls), 1);
}

TEST(EpollPoller, ChangesThatCancelOutCostNoCall) {
  const auto calls = calls_of([](Watching& w) {
    for (int i = 0; i < 1000; ++i) {
      w.poller->modify(w.pair.near.fd(), kBoth, kId);
      w.poller->modify(w.pair.near.fd(), kRead, kId);
    }
    wait_into(w.events, *w.poller, Duration::zero());
  });
  ASSERT_TRUE(calls) << "tracing a child is not allowed here";
  EXPECT_EQ(total(*calls), 1);
}

TEST(EpollPoller, K2_ManyChangesCostOneCallAWait) {
  const auto calls = calls_of([](Watching& w) {
    for (int i = 0; i < 1001; ++i) {
      w.poller->modify(w.pair.near.fd(), i % 2 == 0 ? kWrite : kRead, kId);
    }
    wait_into(w.events, *w.poller, Duration::zero());
  });
  ASSERT_TRUE(calls) << "tracing a child is not allowed here";
  EXPECT_EQ(total(*calls), 2);
  EXPECT_EQ(calls->at(SYS_epoll_ctl), 1);
}

TEST(EpollPoller, AddAndRemoveAreOneCallEachAndAtOnce) {
  const auto calls = calls_of([](Watching& w) {
    w.poller->remove(w.pair.near.fd());
    w.poller->add(w.pair.near.fd(), kRead, kId);
  });
  ASSERT_TRUE(calls) << "tracing a child is not allowed here";
  EXPECT_EQ(total(*calls), 2);
  EXPECT_EQ(calls->at(SYS_epoll_ctl), 2);
}

// What it costs to find out whose number was closed while a duplicate of the file lives.

TEST(EpollPoller, L6_WhatIsReadyForEverIsRegisteredAnewOnceInAThousandWaits) {
  const auto calls = calls_of([](Watching& w) {
    for (int i = 0; i < 10'000; ++i) wait_into(w.events, *w.poller, Duration::zero());
  });
  ASSERT_TRUE(calls) << "tracing a child is not allowed here";
  EXPECT_EQ(calls->at(SYS_epoll_ctl), 10);
  EXPECT_EQ(total(*calls), 10'010);
}

TEST(EpollPoller, L6_WhatIsReadyInMostWaitsAndNotInAllCostsNothingMore) {
  const auto calls = calls_of([](Watching& w) {
    for (int i = 0; i < 500; ++i) {
      for (int ready = 0; ready < 7; ++ready) wait_into(w.events, *w.poller, Duration::zero());
      take(w.pair.near.fd());
      wait_into(w.events, *w.poller, Duration::zero());
      put(w.pair.far.fd());
    }
  });
  ASSERT_TRUE(calls) << "tracing a child is not allowed here";
  EXPECT_EQ(calls->count(SYS_epoll_ctl), 0U);
}

TEST(EpollPoller, L6_AnEdgeAndAOneShotAreLeftAlone) {
  for (const Trigger trigger : {Trigger::edge, Trigger::one_shot}) {
    const auto calls = calls_of([trigger](Watching& w) {
      w.poller->modify(w.pair.near.fd(), {.readable = true, .trigger = trigger}, kId);
      for (int i = 0; i < 2'000; ++i) {
        take(w.pair.near.fd());
        put(w.pair.far.fd());
        wait_into(w.events, *w.poller, Duration::zero());
      }
    });
    ASSERT_TRUE(calls) << "tracing a child is not allowed here";
    EXPECT_EQ(calls->at(SYS_epoll_ctl), 1) << "the change itself";
  }
}

// As before Linux 5.11, which does not know epoll_pwait2.
bool become_an_old_kernel() { return let_call_fail(SYS_epoll_pwait2, ENOSYS); }

TEST(EpollPoller, D6_WaitsAsLongWhereTheKernelCountsMilliseconds) {
  EXPECT_TRUE(holds_in_a_forked_child([] {
    ASSERT_TRUE(become_an_old_kernel());
    Watching watching;
    wait_into(watching.events, *watching.poller, 1h);
    EXPECT_EQ(watching.events.size(), 1U);
    watching.poller->modify(watching.pair.near.fd(), {}, kId);
    for (const Duration d : {Duration(1), Duration(999'999), Duration(2'500'001)}) {
      const TimePoint start = kernel_clock().now();
      wait_into(watching.events, *watching.poller, d);
      EXPECT_GE(kernel_clock().now() - start, d);
      EXPECT_TRUE(watching.events.empty());
    }
  }));
}

// As after a ring of io_uring was closed on this thread: epoll_wait(2) says EINTR, and there was no
// signal.
TEST(EpollPoller, S13_InterruptionsWithoutASignalNeitherEndAWaitNorMakeItLonger) {
  EXPECT_TRUE(holds_in_a_forked_child([] {
    ASSERT_TRUE(let_call_fail(SYS_epoll_pwait2, EINTR));
    Watching watching;
    watching.poller->modify(watching.pair.near.fd(), {}, kId);
    const TimePoint start = kernel_clock().now();
    wait_into(watching.events, *watching.poller,
              2ms);  // ends by a wait of zero, which is another call
    EXPECT_GE(kernel_clock().now() - start, Duration(2ms));
    EXPECT_TRUE(watching.events.empty());
  }));
}

TEST(EpollPoller, D6_DoesNotSpinWhereTheKernelCountsMilliseconds) {
  const auto calls = system_calls_of([] {
    EXPECT_TRUE(become_an_old_kernel());
    return [watching = std::make_shared<Watching>()] {
      watching->poller->modify(watching->pair.near.fd(), {}, kId);
      wait_into(watching->events, *watching->poller, 2'500us);
    };
  });
  ASSERT_TRUE(calls) << "tracing a child is not allowed here";
  // One that does not exist, one of 3 ms, and one more should that end early.
  EXPECT_LE(waits_in(*calls), 3);
}

}  // namespace
}  // namespace detent
