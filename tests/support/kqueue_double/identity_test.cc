// SPDX-License-Identifier: BSL-1.0
// What a registration is, and what a change of one does.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kqueue_double.h"
#include "support/descriptor_table.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "test_queue.h"

namespace kqueue_double {
namespace {

int tags[3];

TEST(KqueueDouble, ReadAndWriteOfOneDescriptorAreTwoRegistrationsAndTwoEvents) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, 0, {.udata = &tags[0]}), 0);
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_WRITE, 0, {.udata = &tags[1]}), 0);
  put(pair.far.fd());
  const Events events = queue.collect();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(of_filter(events, EVFILT_READ)->udata, &tags[0]);
  EXPECT_EQ(of_filter(events, EVFILT_WRITE)->udata, &tags[1]);

  ASSERT_EQ(queue.apply(pair.near.fd(), EVFILT_WRITE, EV_DELETE), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
}

TEST(KqueueDouble, ADescriptorAUserEventATimerASignalMayShareANumber) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  const int number = checked(::dup2(pair.near.fd(), SIGWINCH), "dup2");
  const UniqueFd owner(number);
  ASSERT_EQ(queue.add(number, EVFILT_WRITE), 0);
  ASSERT_EQ(queue.add(number, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER}), 0);
  ASSERT_EQ(queue.add(number, EVFILT_SIGNAL), 0);
  ASSERT_EQ(queue.add(number, EVFILT_TIMER, 0, {.fflags = NOTE_SECONDS, .data = 3600}), 0);
  ::raise(SIGWINCH);
  EXPECT_EQ(queue.collect().size(), 3U);
  ASSERT_EQ(queue.apply(number, EVFILT_USER, EV_DELETE), 0);
  EXPECT_EQ(queue.collect().size(), 1U);  // the writer; the signal was collected
}

TEST(KqueueDouble, ADescriptorIsRegisteredInEachKqueueForItself) {
  const TestQueue one;
  const TestQueue other;
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(one.add(pair.near.fd(), EVFILT_READ), 0);
  EXPECT_EQ(other.apply(pair.near.fd(), EVFILT_READ, EV_DELETE), ENOENT);
  put(pair.far.fd());
  EXPECT_EQ(one.collect().size(), 1U);
  EXPECT_EQ(other.collect().size(), 0U);
}

TEST(KqueueDouble, AddingAgainChangesUdataAndData) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, 0, {.udata = &tags[0]}), 0);
  put(pair.far.fd(), "abc");
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, 0, {.udata = &tags[1]}), 0);
  ASSERT_EQ(queue.collect().size(), 1U);
  EXPECT_EQ(queue.collect()[0].udata, &tags[1]);
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, 0, {.fflags = NOTE_LOWAT, .data = 4}), 0);
  EXPECT_EQ(queue.collect().size(), 0U);
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, 0, {.fflags = NOTE_LOWAT, .data = 3}), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
}

TEST(KqueueDouble, AddingAgainDoesNotTakeBackWhatHasTriggered) {
  const TestQueue queue;
  ASSERT_EQ(queue.add(1, EVFILT_USER), 0);
  ASSERT_EQ(queue.trigger(1), 0);
  ASSERT_EQ(queue.add(1, EVFILT_USER), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
}

TEST(KqueueDouble, AddingAgainDoesNotEnableUnlessAskedTo) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_DISABLE), 0);
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ), 0);
  EXPECT_EQ(queue.collect().size(), 0U);
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_ENABLE), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
}

TEST(KqueueDouble, AddingAgainDoesNotTurnALevelIntoAnEdge) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ), 0);
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
  EXPECT_EQ(queue.collect().size(), 1U);
}

TEST(KqueueDouble, AddingAnEdgeAgainReportsWhatIsReady) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
  EXPECT_EQ(queue.collect().size(), 0U);
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
}

TEST(KqueueDouble, ADescriptorThatIsNotOpenIsEbadf) {
  const TestQueue queue;
  EXPECT_EQ(queue.add(-1, EVFILT_READ), EBADF);
  EXPECT_EQ(queue.add(9999, EVFILT_WRITE), EBADF);
  EXPECT_EQ(queue.apply(9999, EVFILT_READ, EV_DELETE), EBADF);
  EXPECT_EQ(queue.apply(9999, EVFILT_READ, EV_ENABLE), EBADF);
}

TEST(KqueueDouble, WhatIsNotRegisteredIsEnoent) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_WRITE), 0);
  for (const unsigned flag : std::array<unsigned, 4>{EV_DELETE, EV_ENABLE, EV_DISABLE, 0}) {
    EXPECT_EQ(queue.apply(pair.near.fd(), EVFILT_READ, flag), ENOENT);
    EXPECT_EQ(queue.apply(1, EVFILT_USER, flag), ENOENT);
    EXPECT_EQ(queue.apply(1, EVFILT_TIMER, flag), ENOENT);
  }
  EXPECT_EQ(queue.trigger(1), ENOENT);
}

TEST(KqueueDouble, TheDescriptorIsLookedUpFirstSoDeletingAfterACloseIsEbadf) {
  const TestQueue queue;
  SocketPair pair = make_socket_pair();
  const int number = pair.near.fd();
  ASSERT_EQ(queue.add(number, EVFILT_READ), 0);
  pair.near.reset();
  EXPECT_EQ(queue.apply(number, EVFILT_READ, EV_DELETE), EBADF);
}

TEST(KqueueDouble, AFilterThatDoesNotExistIsEinval) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  for (const int filter : {EVFILT_VNODE, EVFILT_AIO, EVFILT_FS, EVFILT_MACHPORT, 0, 1}) {
    EXPECT_EQ(queue.add(pair.near.fd(), filter), EINVAL) << filter;
  }
}

TEST(KqueueDouble, WhatIsNoKqueueIsEbadf) {
  const SocketPair pair = make_socket_pair();
  Event event = {};
  for (const int fd : {-1, 9999, pair.near.fd()}) {
    EXPECT_EQ(::kevent(fd, nullptr, 0, &event, 1, &kNoWait), -1);
    EXPECT_EQ(errno, EBADF);
  }
}

TEST(KqueueDouble, AKqueueCannotWatchItself) {
  const TestQueue queue;
  EXPECT_EQ(queue.add(queue.fd(), EVFILT_READ), EINVAL);
  EXPECT_EQ(queue.add(queue.fd(), EVFILT_WRITE), EINVAL);
  EXPECT_EQ(queue.apply(queue.fd(), EVFILT_READ, EV_DELETE), EINVAL);
}

TEST(KqueueDouble, AKqueueIsWatchedByReadAlone) {
  const TestQueue outer;
  const TestQueue inner;
  EXPECT_EQ(outer.add(inner.fd(), EVFILT_WRITE), EINVAL);
  EXPECT_EQ(outer.add(inner.fd(), EVFILT_READ), 0);
}

TEST(KqueueDouble, AWriterOfABrokenPipeIsRefusedWhenMacOsIsPlayed) {
  const TestQueue queue;
  SocketPair pipe = make_pipe();
  pipe.near.reset();
  set_broken_pipe_refuses_writer(true);
  EXPECT_EQ(queue.add(pipe.far.fd(), EVFILT_WRITE), EPIPE);
  set_broken_pipe_refuses_writer(false);
  EXPECT_EQ(queue.add(pipe.far.fd(), EVFILT_WRITE), 0);
}

// Not a rule of the kernels: the double must not be seen.
TEST(KqueueDouble, AProgramSeesOneDescriptorAKqueueWithTheNumberThatItWouldHave) {
  const int next = make_pipe().near.fd();
  const detent::testing_support::DescriptorsBefore before;
  const TestQueue queue;
  EXPECT_EQ(queue.fd(), next);
  for (const int fd : before.opened_since()) {
    EXPECT_EQ(is_hidden(fd), fd != queue.fd()) << fd;
  }
  EXPECT_EQ(make_pipe().near.fd(), next + 1);
  EXPECT_FALSE(detent::testing_support::is_close_on_exec(queue.fd()));
  ASSERT_EQ(::fcntl(queue.fd(), F_SETFD, FD_CLOEXEC), 0);
  EXPECT_TRUE(detent::testing_support::is_close_on_exec(queue.fd()));
}

TEST(KqueueDouble, NothingIsLeftOpen) {
  const detent::testing_support::DescriptorsBefore before;
  {
    const TestQueue queue;
    const SocketPair pair = make_socket_pair();
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ), 0);
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_WRITE), 0);
    ASSERT_EQ(queue.add(1, EVFILT_TIMER, 0, {.data = 1}), 0);
    ASSERT_EQ(queue.add(1, EVFILT_PROC, 0, {.fflags = NOTE_EXIT}), 0);
  }
  EXPECT_TRUE(before.opened_since().empty());
}

TEST(KqueueDouble, WithoutAFreeDescriptorThereIsNoKqueue) {
  const detent::testing_support::DescriptorsBefore before;
  {
    const detent::testing_support::NoFreeDescriptor none;
    EXPECT_EQ(::kqueue(), -1);
    EXPECT_EQ(errno, EMFILE);
  }
  EXPECT_TRUE(before.opened_since().empty());
}

TEST(KqueueDouble, SuccessLeavesErrnoAlone) {
  const TestQueue queue;
  errno = ENOTTY;
  EXPECT_EQ(queue.collect().size(), 0U);
  EXPECT_EQ(queue.add(1, EVFILT_USER), 0);
  EXPECT_EQ(errno, ENOTTY);
}

}  // namespace
}  // namespace kqueue_double
