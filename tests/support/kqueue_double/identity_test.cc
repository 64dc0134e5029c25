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

TEST_F(KqueueDouble, ReadAndWriteOfOneDescriptorAreTwoRegistrationsAndTwoEvents) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, 0, {.udata = &tags[0]}), 0);
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_WRITE, 0, {.udata = &tags[1]}), 0);
  put(pair_.far.fd());
  const Events events = queue_.collect();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(of_filter(events, EVFILT_READ)->udata, &tags[0]);
  EXPECT_EQ(of_filter(events, EVFILT_WRITE)->udata, &tags[1]);

  ASSERT_EQ(queue_.apply(pair_.near.fd(), EVFILT_WRITE, EV_DELETE), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, ADescriptorAUserEventATimerASignalMayShareANumber) {
  const int number = checked(::dup2(pair_.near.fd(), SIGWINCH), "dup2");
  const UniqueFd owner(number);
  ASSERT_EQ(queue_.add(number, EVFILT_WRITE), 0);
  ASSERT_EQ(queue_.add(number, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER}), 0);
  ASSERT_EQ(queue_.add(number, EVFILT_SIGNAL), 0);
  ASSERT_EQ(queue_.add(number, EVFILT_TIMER, 0, {.fflags = NOTE_SECONDS, .data = 3600}), 0);
  ::raise(SIGWINCH);
  EXPECT_EQ(queue_.collect().size(), 3U);
  ASSERT_EQ(queue_.apply(number, EVFILT_USER, EV_DELETE), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);  // the writer; the signal was collected
}

TEST_F(KqueueDouble, ADescriptorIsRegisteredInEachKqueueForItself) {
  const TestQueue one;
  const TestQueue other;
  ASSERT_EQ(one.add(pair_.near.fd(), EVFILT_READ), 0);
  EXPECT_EQ(other.apply(pair_.near.fd(), EVFILT_READ, EV_DELETE), ENOENT);
  put(pair_.far.fd());
  EXPECT_EQ(one.collect().size(), 1U);
  EXPECT_EQ(other.collect().size(), 0U);
}

TEST_F(KqueueDouble, AddingAgainChangesUdataAndData) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, 0, {.udata = &tags[0]}), 0);
  put(pair_.far.fd(), "abc");
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, 0, {.udata = &tags[1]}), 0);
  ASSERT_EQ(queue_.collect().size(), 1U);
  EXPECT_EQ(queue_.collect()[0].udata, &tags[1]);
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, 0, {.fflags = NOTE_LOWAT, .data = 4}), 0);
  EXPECT_EQ(queue_.collect().size(), 0U);
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, 0, {.fflags = NOTE_LOWAT, .data = 3}), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, AddingAgainDoesNotTakeBackWhatHasTriggered) {
  ASSERT_EQ(queue_.add(1, EVFILT_USER), 0);
  ASSERT_EQ(queue_.trigger(1), 0);
  ASSERT_EQ(queue_.add(1, EVFILT_USER), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, AddingAgainDoesNotEnableUnlessAskedTo) {
  put(pair_.far.fd());
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, EV_DISABLE), 0);
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ), 0);
  EXPECT_EQ(queue_.collect().size(), 0U);
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, EV_ENABLE), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, AddingAgainDoesNotTurnALevelIntoAnEdge) {
  put(pair_.far.fd());
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ), 0);
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, AddingAnEdgeAgainReportsWhatIsReady) {
  put(pair_.far.fd());
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
  EXPECT_EQ(queue_.collect().size(), 0U);
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, ADescriptorThatIsNotOpenIsEbadf) {
  EXPECT_EQ(queue_.add(-1, EVFILT_READ), EBADF);
  EXPECT_EQ(queue_.add(9999, EVFILT_WRITE), EBADF);
  EXPECT_EQ(queue_.apply(9999, EVFILT_READ, EV_DELETE), EBADF);
  EXPECT_EQ(queue_.apply(9999, EVFILT_READ, EV_ENABLE), EBADF);
}

TEST_F(KqueueDouble, WhatIsNotRegisteredIsEnoent) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_WRITE), 0);
  for (const unsigned flag : std::array<unsigned, 4>{EV_DELETE, EV_ENABLE, EV_DISABLE, 0}) {
    EXPECT_EQ(queue_.apply(pair_.near.fd(), EVFILT_READ, flag), ENOENT);
    EXPECT_EQ(queue_.apply(1, EVFILT_USER, flag), ENOENT);
    EXPECT_EQ(queue_.apply(1, EVFILT_TIMER, flag), ENOENT);
  }
  EXPECT_EQ(queue_.trigger(1), ENOENT);
}

TEST_F(KqueueDouble, TheDescriptorIsLookedUpFirstSoDeletingAfterACloseIsEbadf) {
  const int number = pair_.near.fd();
  ASSERT_EQ(queue_.add(number, EVFILT_READ), 0);
  pair_.near.reset();
  EXPECT_EQ(queue_.apply(number, EVFILT_READ, EV_DELETE), EBADF);
}

TEST_F(KqueueDouble, AFilterThatDoesNotExistIsEinval) {
  for (const int filter : {EVFILT_AIO, EVFILT_FS, EVFILT_MACHPORT, 0, 1}) {
    EXPECT_EQ(queue_.add(pair_.near.fd(), filter), EINVAL) << filter;
  }
}

TEST_F(KqueueDouble, WhatIsNoKqueueIsEbadf) {
  Event event = {};
  for (const int fd : {-1, 9999, pair_.near.fd()}) {
    EXPECT_EQ(::kevent(fd, nullptr, 0, &event, 1, &kNoWait), -1);
    EXPECT_EQ(errno, EBADF);
  }
}

TEST_F(KqueueDouble, AKqueueCannotWatchItself) {
  EXPECT_EQ(queue_.add(queue_.fd(), EVFILT_READ), EINVAL);
  EXPECT_EQ(queue_.add(queue_.fd(), EVFILT_WRITE), EINVAL);
  EXPECT_EQ(queue_.apply(queue_.fd(), EVFILT_READ, EV_DELETE), EINVAL);
}

TEST_F(KqueueDouble, AKqueueIsWatchedByReadAlone) {
  const TestQueue outer;
  const TestQueue inner;
  EXPECT_EQ(outer.add(inner.fd(), EVFILT_WRITE), EINVAL);
  EXPECT_EQ(outer.add(inner.fd(), EVFILT_READ), 0);
}

TEST_F(KqueueDouble, AWriterOfABrokenPipeIsRefusedWhenMacOsIsPlayed) {
  SocketPair pipe = make_pipe();
  pipe.near.reset();
  set_broken_pipe_refuses_writer(true);
  EXPECT_EQ(queue_.add(pipe.far.fd(), EVFILT_WRITE), EPIPE);
  set_broken_pipe_refuses_writer(false);
  EXPECT_EQ(queue_.add(pipe.far.fd(), EVFILT_WRITE), 0);
}

// Not a rule of the kernels: the double must not be seen.
TEST_F(KqueueDouble, AProgramSeesOneDescriptorAKqueueWithTheNumberThatItWouldHave) {
  const int next = make_pipe().near.fd();
  const DescriptorsBefore before;
  const TestQueue queue;
  EXPECT_EQ(queue.fd(), next);
  for (const int fd : before.opened_since()) {
    EXPECT_EQ(is_hidden(fd), fd != queue.fd()) << fd;
  }
  EXPECT_EQ(make_pipe().near.fd(), next + 1);
  EXPECT_FALSE(is_close_on_exec(queue.fd()));
  ASSERT_EQ(::fcntl(queue.fd(), F_SETFD, FD_CLOEXEC), 0);
  EXPECT_TRUE(is_close_on_exec(queue.fd()));
}

TEST_F(KqueueDouble, NothingIsLeftOpen) {
  const DescriptorsBefore before;
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

TEST_F(KqueueDouble, WithoutAFreeDescriptorThereIsNoKqueue) {
  const DescriptorsBefore before;
  {
    const NoFreeDescriptor none;
    EXPECT_EQ(::kqueue(), -1);
    EXPECT_EQ(errno, EMFILE);
  }
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_F(KqueueDouble, SuccessLeavesErrnoAlone) {
  errno = ENOTTY;
  EXPECT_EQ(queue_.collect().size(), 0U);
  EXPECT_EQ(queue_.add(1, EVFILT_USER), 0);
  EXPECT_EQ(errno, ENOTTY);
}

}  // namespace
}  // namespace kqueue_double
