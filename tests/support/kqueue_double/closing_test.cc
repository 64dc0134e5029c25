// SPDX-License-Identifier: BSL-1.0
// Descriptors that are closed, a kqueue in a forked child, and a kqueue that is watched.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include "support/descriptor_table.h"
#include "support/processes.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "test_queue.h"

namespace kqueue_double {
namespace {

// Each way to close a descriptor.
const std::vector<std::pair<const char*, std::function<void(int)>>> kClosings = {
    {"close", [](int fd) { ::close(fd); }},
    {"dup2",
     [](int fd) {
       const SocketPair other = make_socket_pair();
       ::dup2(other.near.fd(), fd);
     }},
    {"dup3",
     [](int fd) {
       const SocketPair other = make_socket_pair();
       ::dup3(other.near.fd(), fd, O_CLOEXEC);
     }},
    {"close_range",
     [](int fd) { ::close_range(static_cast<unsigned>(fd), static_cast<unsigned>(fd), 0); }},
};

TEST_F(KqueueDouble, ClosingDropsTheRegistrationsAtOnceEvenWhileADuplicateLives) {
  for (const auto& [name, close_it] : kClosings) {
    SCOPED_TRACE(name);
    const TestQueue queue;
    SocketPair pair = make_socket_pair();
    const UniqueFd duplicate(::dup(pair.near.fd()));
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ), 0);
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_WRITE), 0);
    put(pair.far.fd());
    EXPECT_EQ(queue.collect().size(), 2U);
    close_it(pair.near.fd());
    EXPECT_EQ(queue.collect().size(), 0U);
    put(pair.far.fd());
    EXPECT_EQ(queue.collect().size(), 0U);
    EXPECT_FALSE(is_readable(queue.fd()));
    EXPECT_TRUE(is_open(duplicate.fd()));
  }
}

TEST_F(KqueueDouble, AReusedNumberGetsNoOldEventAndCanBeAdded) {
  SocketPair old = make_socket_pair();
  const UniqueFd duplicate(::dup(old.near.fd()));
  const int number = old.near.fd();
  ASSERT_EQ(queue_.add(number, EVFILT_READ, EV_CLEAR), 0);
  put(old.far.fd());
  old.near.reset();
  const SocketPair fresh = make_socket_pair();
  ASSERT_EQ(fresh.near.fd(), number);
  EXPECT_EQ(queue_.collect().size(), 0U);
  EXPECT_EQ(queue_.apply(number, EVFILT_READ, EV_DELETE), ENOENT);
  ASSERT_EQ(queue_.add(number, EVFILT_READ, EV_CLEAR), 0);
  put(old.far.fd());
  EXPECT_EQ(queue_.collect().size(), 0U);
  put(fresh.far.fd());
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, ADuplicateThatTakesTheNumberBackGetsNoOldEventEither) {
  const int number = pair_.near.fd();
  const UniqueFd duplicate(::dup(number));
  ASSERT_EQ(queue_.add(number, EVFILT_READ), 0);
  pair_.near.reset();
  const UniqueFd back(::dup3(duplicate.fd(), number, O_CLOEXEC));
  put(pair_.far.fd());
  EXPECT_EQ(queue_.collect().size(), 0U);
  ASSERT_EQ(queue_.add(number, EVFILT_READ), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, ADuplicationThatFailsOrDoesNothingClosesNothing) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_WRITE), 0);
  EXPECT_EQ(::dup2(9999, pair_.near.fd()), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(::dup2(pair_.near.fd(), pair_.near.fd()), pair_.near.fd());
  EXPECT_EQ(::dup3(pair_.near.fd(), pair_.near.fd(), 0), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, AnEventThatWasCopiedOutIsStaleAndTheOthersLive) {
  SocketPair one = make_socket_pair();
  const SocketPair other = make_socket_pair();
  ASSERT_EQ(queue_.add(one.near.fd(), EVFILT_READ), 0);
  ASSERT_EQ(queue_.add(other.near.fd(), EVFILT_READ), 0);
  put(one.far.fd());
  put(other.far.fd());
  EXPECT_EQ(queue_.collect().size(), 2U);
  one.near.reset();
  EXPECT_EQ(only(queue_.collect()).ident, static_cast<std::uintptr_t>(other.near.fd()));
}

TEST_F(KqueueDouble, ClosingAKqueueDropsAllOfIt) {
  for (const auto& [name, close_it] : kClosings) {
    SCOPED_TRACE(name);
    const SocketPair pair = make_socket_pair();
    const DescriptorsBefore before;
    UniqueFd kq(::kqueue());
    const Event add = change(pair.near.fd(), EVFILT_WRITE, EV_ADD);
    ASSERT_EQ(::kevent(kq.fd(), &add, 1, nullptr, 0, nullptr), 0);
    close_it(kq.fd());
    EXPECT_EQ(::kevent(kq.fd(), &add, 1, nullptr, 0, nullptr), -1);
    EXPECT_EQ(errno, EBADF);
    if (is_open(kq.fd())) {
      kq.reset();
    } else {
      static_cast<void>(kq.release());
    }
    EXPECT_TRUE(before.opened_since().empty());
    const TestQueue fresh;  // under the same number
    EXPECT_EQ(fresh.collect().size(), 0U);
  }
}

TEST_F(KqueueDouble, AKqueueThatIsClosedWhileAnotherThreadWaitsEndsTheWaitWithEbadf) {
  UniqueFd kq(::kqueue());
  std::atomic<pid_t> waiter = 0;
  std::thread thread([&waiter, kq = kq.fd()] {
    waiter = this_thread_number();
    Event event = {};
    EXPECT_EQ(::kevent(kq, nullptr, 0, &event, 1, nullptr), -1);
    EXPECT_EQ(errno, EBADF);
  });
  while (waiter == 0) std::this_thread::yield();
  wait_until_asleep(waiter);
  // Through libc alone: a thread sanitizer takes this for the mistake that it is in a program.
  const int number = kq.release();
  ::close_range(static_cast<unsigned>(number), static_cast<unsigned>(number), 0);
  thread.join();
}

TEST_F(KqueueDouble, ClosingARangeKeepsTheKqueuesBelowItAlive) {
  EXPECT_TRUE(holds_in_a_forked_child([] {
    const TestQueue queue;
    ASSERT_EQ(queue.add(1, EVFILT_USER), 0);
    ASSERT_EQ(::close_range(static_cast<unsigned>(queue.fd()) + 1, ~0U, 0), 0);
    ASSERT_EQ(queue.trigger(1), 0);
    EXPECT_EQ(queue.wait().size(), 1U);
  }));
}

TEST_F(KqueueDouble, AKqueueIsNotInheritedByFork) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ), 0);
  ASSERT_EQ(queue_.add(1, EVFILT_TIMER, EV_ONESHOT, {.data = 1}), 0);
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    EXPECT_FALSE(is_open(queue_.fd()));
    EXPECT_EQ(queue_.trigger(1), EBADF);
    for (const int fd : open_descriptors()) EXPECT_LT(fd, 1000);
    const TestQueue fresh;
    EXPECT_EQ(fresh.fd(), queue_.fd()) << "the number is free";
    ASSERT_EQ(fresh.add(pair_.near.fd(), EVFILT_WRITE), 0);
    EXPECT_EQ(fresh.collect().size(), 1U);
  }));
  EXPECT_EQ(queue_.wait().at(0).filter, EVFILT_TIMER) << "the parent's lives on";
  put(pair_.far.fd());
  EXPECT_EQ(queue_.wait().size(), 1U);
}

TEST_F(KqueueDouble, AChildOfAThreadThatIsNotTheWaiterHasNoneEither) {
  ASSERT_EQ(queue_.add(1, EVFILT_USER), 0);
  std::atomic<pid_t> waiter = 0;
  std::thread thread([&] {
    waiter = this_thread_number();
    EXPECT_EQ(queue_.wait().size(), 1U);
  });
  while (waiter == 0) std::this_thread::yield();
  wait_until_asleep(waiter);
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    EXPECT_FALSE(is_open(queue_.fd()));
    for (const int fd : open_descriptors()) EXPECT_LT(fd, 1000);
  }));
  EXPECT_EQ(queue_.trigger(1), 0);
  thread.join();
}

bool selects_as_readable(int fd) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd, &set);
  timeval now = {};
  return ::select(fd + 1, &set, nullptr, nullptr, &now) == 1;
}

TEST_F(KqueueDouble, AKqueueIsReadableWhileSomethingIsQueuedInIt) {
  const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event entry = {.events = EPOLLIN, .data = {}};
  ASSERT_EQ(::epoll_ctl(epoll.fd(), EPOLL_CTL_ADD, queue_.fd(), &entry), 0);
  const auto is_ready = [&] {
    const bool by_epoll = ::epoll_wait(epoll.fd(), &entry, 1, 0) == 1;
    EXPECT_EQ(by_epoll, is_readable(queue_.fd()));
    EXPECT_EQ(by_epoll, selects_as_readable(queue_.fd()));
    return by_epoll;
  };
  EXPECT_FALSE(is_ready());
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ), 0);
  EXPECT_FALSE(is_ready());
  put(pair_.far.fd());
  EXPECT_TRUE(is_ready());
  EXPECT_EQ(queue_.collect().size(), 1U);
  EXPECT_TRUE(is_ready()) << "a level stays queued";
  take(pair_.near.fd());
  EXPECT_EQ(queue_.collect().size(), 0U);
  EXPECT_FALSE(is_ready());
}

TEST_F(KqueueDouble, EachFilterMakesItReadable) {
  struct Case {
    const char* name;
    std::function<void(const TestQueue&, const SocketPair&)> start;
  };
  const std::vector<Case> cases = {
      {"writer", [](const auto& q, const auto& pair) { q.add(pair.near.fd(), EVFILT_WRITE); }},
      {"user",
       [](const auto& q, const auto&) { q.add(1, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER}); }},
      {"timer", [](const auto& q, const auto&) { q.add(1, EVFILT_TIMER, 0, {.data = 1}); }},
      {"kqueue", [](const auto& q, const auto& pair) {
         static TestQueue inner;
         inner.add(pair.near.fd(), EVFILT_WRITE);
         q.add(inner.fd(), EVFILT_READ);
       }}};
  for (const auto& [name, start] : cases) {
    SCOPED_TRACE(name);
    const TestQueue queue;
    const SocketPair pair = make_socket_pair();
    EXPECT_FALSE(is_readable(queue.fd()));
    start(queue, pair);
    wait_until_readable(queue.fd());
    EXPECT_EQ(queue.collect().size(), 1U);
  }
}

TEST_F(KqueueDouble, WhatIsCollectedOnceLeavesItUnreadable) {
  ASSERT_EQ(queue_.add(1, EVFILT_USER, EV_CLEAR), 0);
  ASSERT_EQ(queue_.add(2, EVFILT_USER, EV_CLEAR), 0);
  ASSERT_EQ(queue_.trigger(1), 0);
  ASSERT_EQ(queue_.trigger(2), 0);
  EXPECT_EQ(queue_.collect(1).size(), 1U);
  EXPECT_TRUE(is_readable(queue_.fd())) << "the second is still queued";
  EXPECT_EQ(queue_.collect(1).size(), 1U);
  EXPECT_FALSE(is_readable(queue_.fd()));
}

TEST_F(KqueueDouble, WhatIsQueuedMayBeGoneWhenCollectedALevelAndAnEdge) {
  for (const unsigned flags : std::array<unsigned, 2>{0, EV_CLEAR}) {
    put(pair_.far.fd());
    ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, flags), 0);
    take(pair_.near.fd());
    EXPECT_TRUE(is_readable(queue_.fd()));
    EXPECT_EQ(queue_.collect().size(), 0U);
    EXPECT_FALSE(is_readable(queue_.fd()));
    ASSERT_EQ(queue_.apply(pair_.near.fd(), EVFILT_READ, EV_DELETE), 0);
  }
}

TEST_F(KqueueDouble, KqueuesCanBeWatchedThroughOneAnother) {
  const TestQueue outer;
  const TestQueue middle;
  const TestQueue inner;
  ASSERT_EQ(outer.add(middle.fd(), EVFILT_READ), 0);
  ASSERT_EQ(middle.add(inner.fd(), EVFILT_READ), 0);
  ASSERT_EQ(inner.add(pair_.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  EXPECT_EQ(outer.collect().size(), 0U);
  put(pair_.far.fd());
  EXPECT_EQ(outer.wait().size(), 1U);
  EXPECT_EQ(middle.collect().size(), 1U);
  EXPECT_EQ(inner.collect().size(), 1U);
  EXPECT_EQ(middle.collect().size(), 0U);
  EXPECT_EQ(outer.collect().size(), 0U);
}

TEST_F(KqueueDouble, AnEdgeOfAWatchedKqueueComesWithEachKnoteThatIsQueued) {
  const TestQueue outer;
  const TestQueue inner;
  ASSERT_EQ(outer.add(inner.fd(), EVFILT_READ, EV_CLEAR), 0);
  ASSERT_EQ(inner.add(1, EVFILT_USER, EV_CLEAR), 0);
  ASSERT_EQ(inner.add(2, EVFILT_USER, EV_CLEAR), 0);
  ASSERT_EQ(inner.trigger(1), 0);
  EXPECT_EQ(outer.collect().size(), 1U);
  EXPECT_EQ(outer.collect().size(), 0U);
  ASSERT_EQ(inner.trigger(2), 0);
  EXPECT_EQ(outer.collect().size(), 1U);
}

TEST_F(KqueueDouble, AThreadThatWaitsIsWokenByAnother) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  ASSERT_EQ(queue_.add(1, EVFILT_USER, EV_CLEAR), 0);
  std::atomic<int> rounds = 0;
  std::thread thread([&] {
    for (int i = 1; i <= 200; ++i) {
      if (i % 2 == 0) {
        EXPECT_EQ(queue_.trigger(1), 0);
      } else {
        put(pair_.far.fd());
      }
      while (rounds < i) std::this_thread::yield();
    }
  });
  while (rounds < 200) {
    EXPECT_EQ(queue_.wait().size(), 1U);
    ++rounds;
  }
  thread.join();
}

}  // namespace
}  // namespace kqueue_double
