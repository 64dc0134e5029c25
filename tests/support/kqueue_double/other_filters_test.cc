// SPDX-License-Identifier: BSL-1.0
// EVFILT_USER, EVFILT_SIGNAL and EVFILT_PROC.
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/processes.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "test_queue.h"

namespace kqueue_double {
namespace {

TEST(KqueueDouble, AUserEventFiresWhenItIsTriggered) {
  const TestQueue queue;
  int tags[2];
  ASSERT_EQ(queue.add(1, EVFILT_USER, EV_CLEAR, {.udata = &tags[0]}), 0);
  EXPECT_EQ(queue.collect().size(), 0U);
  ASSERT_EQ(queue.apply(1, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER, .data = 5, .udata = &tags[1]}),
            0);
  const Events events = queue.wait();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].filter, EVFILT_USER);
  EXPECT_EQ(events[0].ident, 1U);
  EXPECT_EQ(events[0].data, 5);
  EXPECT_EQ(events[0].udata, &tags[1]) << "any change sets udata, as in FreeBSD";
}

TEST(KqueueDouble, CollectingResetsAUserEventWithClear) {
  const TestQueue queue;
  ASSERT_EQ(queue.add(1, EVFILT_USER, EV_CLEAR), 0);
  ASSERT_EQ(queue.trigger(1), 0);
  ASSERT_EQ(queue.trigger(1), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
  EXPECT_EQ(queue.collect().size(), 0U);
  EXPECT_FALSE(detent::testing_support::is_readable(queue.fd()));
  ASSERT_EQ(queue.trigger(1), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
}

TEST(KqueueDouble, WithoutClearItStaysTriggeredUntilAChangeWithClear) {
  const TestQueue queue;
  ASSERT_EQ(queue.add(1, EVFILT_USER), 0);
  ASSERT_EQ(queue.trigger(1), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
  EXPECT_EQ(queue.collect().size(), 1U);
  ASSERT_EQ(queue.apply(1, EVFILT_USER, EV_CLEAR, {.fflags = NOTE_TRIGGER}), 0);
  EXPECT_EQ(queue.collect().size(), 0U);
}

TEST(KqueueDouble, AUserEventThatIsDeletedOrDisabledIsQuiet) {
  const TestQueue queue;
  ASSERT_EQ(queue.add(1, EVFILT_USER, EV_CLEAR), 0);
  ASSERT_EQ(queue.trigger(1), 0);
  ASSERT_EQ(queue.apply(1, EVFILT_USER, EV_DISABLE), 0);
  EXPECT_EQ(queue.collect().size(), 0U);
  ASSERT_EQ(queue.apply(1, EVFILT_USER, EV_ENABLE), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
  ASSERT_EQ(queue.trigger(1), 0);
  ASSERT_EQ(queue.apply(1, EVFILT_USER, EV_DELETE), 0);
  EXPECT_EQ(queue.collect().size(), 0U);
  EXPECT_FALSE(detent::testing_support::is_readable(queue.fd()));
}

TEST(KqueueDouble, TheFlagsOfAUserEventAreCombinedAsTheNotesSay) {
  const TestQueue queue;
  ASSERT_EQ(queue.add(1, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER | 0x0fU}), 0);
  const auto flags_after = [&](std::uint32_t note) {
    EXPECT_EQ(queue.apply(1, EVFILT_USER, 0, {.fflags = note}), 0);
    return queue.collect().at(0).fflags;
  };
  EXPECT_EQ(flags_after(NOTE_FFNOP | 0x30U), 0x0fU);
  EXPECT_EQ(flags_after(NOTE_FFAND | 0x3cU), 0x0cU);
  EXPECT_EQ(flags_after(NOTE_FFOR | 0x30U), 0x3cU);
  EXPECT_EQ(flags_after(NOTE_FFCOPY | 0x01U), 0x01U);
}

// The program's disposition of a signal, while it lives.
class Disposition {
 public:
  Disposition(int signal, void (*handler)(int)) : signal_(signal) {
    struct sigaction action = {};
    action.sa_handler = handler;
    ::sigaction(signal, &action, &before_);
  }
  Disposition(const Disposition&) = delete;
  Disposition& operator=(const Disposition&) = delete;
  ~Disposition() { ::sigaction(signal_, &before_, nullptr); }

 private:
  int signal_;
  struct sigaction before_ = {};
};

std::atomic<int> handled = 0;
extern "C" void count_signal(int /*signal*/) { ++handled; }

TEST(KqueueDouble, SignalsAreCountedSinceTheLastCollection) {
  const Disposition ignored(SIGUSR2, SIG_IGN);
  const TestQueue queue;
  ASSERT_EQ(queue.add(SIGUSR2, EVFILT_SIGNAL), 0);
  for (int i = 0; i < 3; ++i) ::raise(SIGUSR2);
  EXPECT_TRUE(detent::testing_support::is_readable(queue.fd()));
  const Events events = queue.collect();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].data, 3);
  EXPECT_TRUE(has(events[0], EV_CLEAR));
  EXPECT_EQ(queue.collect().size(), 0U);
  ::raise(SIGUSR2);
  EXPECT_EQ(queue.collect().at(0).data, 1);
}

TEST(KqueueDouble, ASignalIsWatchedBesideItsHandlerAndInEachKqueue) {
  handled = 0;
  const Disposition handler(SIGUSR2, &count_signal);
  const TestQueue one;
  const TestQueue other;
  ASSERT_EQ(one.add(SIGUSR2, EVFILT_SIGNAL), 0);
  ASSERT_EQ(other.add(SIGUSR2, EVFILT_SIGNAL), 0);
  ::raise(SIGUSR2);
  EXPECT_EQ(handled, 1);
  EXPECT_EQ(one.collect().size(), 1U);
  EXPECT_EQ(other.collect().size(), 1U);
  ASSERT_EQ(one.apply(SIGUSR2, EVFILT_SIGNAL, EV_DELETE), 0);
  ASSERT_EQ(other.apply(SIGUSR2, EVFILT_SIGNAL, EV_DELETE), 0);
  ::raise(SIGUSR2);
  EXPECT_EQ(handled, 2);
  struct sigaction now = {};
  ::sigaction(SIGUSR2, nullptr, &now);
  EXPECT_EQ(now.sa_handler, &count_signal);
}

TEST(KqueueDouble, AnIgnoredSignalIsAnEventForTheThreadThatWaitsAndNoInterruption) {
  const Disposition ignored(SIGUSR2, SIG_IGN);
  const TestQueue queue;
  ASSERT_EQ(queue.add(SIGUSR2, EVFILT_SIGNAL), 0);
  const std::jthread sender = detent::testing_support::when_asleep(
      [to = ::pthread_self()] { ::pthread_kill(to, SIGUSR2); });
  const Events events = queue.wait();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].data, 1);
}

TEST(KqueueDouble, WhatIsNoSignalIsEinval) {
  const TestQueue queue;
  EXPECT_EQ(queue.add(0, EVFILT_SIGNAL), EINVAL);
  EXPECT_EQ(queue.add(1000, EVFILT_SIGNAL), EINVAL);
}

pid_t exiting_child(int code) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(code);
  return child;
}

void wait_until_zombie(pid_t child) {
  siginfo_t info = {};
  checked(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), "waitid");
}

TEST(KqueueDouble, NoSuchProcessIsEsrch) {
  const TestQueue queue;
  const pid_t child = exiting_child(0);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(queue.add(child, EVFILT_PROC, 0, {.fflags = NOTE_EXIT}), ESRCH);
  EXPECT_EQ(queue.add(0, EVFILT_PROC, 0, {.fflags = NOTE_EXIT}), ESRCH);
  EXPECT_EQ(queue.add(-1, EVFILT_PROC, 0, {.fflags = NOTE_EXIT}), ESRCH);
}

TEST(KqueueDouble, AZombieReportsItsExitAtOnceAndCanStillBeWaitedFor) {
  const TestQueue queue;
  const pid_t child = exiting_child(7);
  wait_until_zombie(child);
  ASSERT_EQ(queue.add(child, EVFILT_PROC, 0, {.fflags = NOTE_EXIT | NOTE_EXITSTATUS}), 0);
  const Events events = queue.collect();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].ident, static_cast<std::uintptr_t>(child));
  EXPECT_NE(events[0].fflags & NOTE_EXIT, 0U);
  EXPECT_EQ(events[0].data, 7 << 8);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, events[0].data);
}

TEST(KqueueDouble, TheRegistrationEndsWithTheExit) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  ASSERT_EQ(queue.add(child, EVFILT_PROC, 0, {.fflags = NOTE_EXIT | NOTE_EXITSTATUS}), 0);
  EXPECT_EQ(queue.collect().size(), 0U);
  ::kill(child, SIGTERM);
  const Events events = queue.wait();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(has(events[0], EV_EOF));
  EXPECT_EQ(events[0].data, SIGTERM);
  EXPECT_EQ(queue.collect().size(), 0U);
  EXPECT_EQ(queue.apply(child, EVFILT_PROC, EV_DELETE), ENOENT);
  ::waitpid(child, nullptr, 0);
}

TEST(KqueueDouble, TheStatusIsToldOnlyWhenItIsAskedForAsOnMacOs) {
  const TestQueue queue;
  const pid_t child = exiting_child(7);
  ASSERT_EQ(queue.add(child, EVFILT_PROC, 0, {.fflags = NOTE_EXIT}), 0);
  EXPECT_EQ(queue.wait().at(0).data, 0);
  ::waitpid(child, nullptr, 0);
}

TEST(KqueueDouble, OnlyTheExitCanBeWatched) {
  const TestQueue queue;
  EXPECT_EQ(queue.add(::getpid(), EVFILT_PROC, 0, {.fflags = NOTE_FORK}), EINVAL);
  EXPECT_EQ(queue.add(::getpid(), EVFILT_PROC, 0, {.fflags = 0}), EINVAL);
}

}  // namespace
}  // namespace kqueue_double
