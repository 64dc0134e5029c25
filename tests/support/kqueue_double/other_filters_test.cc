// SPDX-License-Identifier: BSL-1.0
// EVFILT_USER, EVFILT_SIGNAL and EVFILT_PROC.
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kqueue_double.h"
#include "support/processes.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "test_queue.h"

namespace kqueue_double {
namespace {

TEST_F(KqueueDouble, AUserEventFiresWhenItIsTriggered) {
  int tags[2];
  ASSERT_EQ(queue_.add(1, EVFILT_USER, EV_CLEAR, {.udata = &tags[0]}), 0);
  EXPECT_EQ(queue_.collect().size(), 0U);
  ASSERT_EQ(queue_.apply(1, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER, .data = 5, .udata = &tags[1]}),
            0);
  const Event event = only(queue_.wait());
  EXPECT_EQ(event.filter, EVFILT_USER);
  EXPECT_EQ(event.ident, 1U);
  EXPECT_EQ(event.data, 5);
  EXPECT_EQ(event.udata, &tags[1]) << "any change sets udata, as in FreeBSD";
}

TEST_F(KqueueDouble, CollectingResetsAUserEventWithClear) {
  ASSERT_EQ(queue_.add(1, EVFILT_USER, EV_CLEAR), 0);
  ASSERT_EQ(queue_.trigger(1), 0);
  ASSERT_EQ(queue_.trigger(1), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
  EXPECT_EQ(queue_.collect().size(), 0U);
  EXPECT_FALSE(is_readable(queue_.fd()));
  ASSERT_EQ(queue_.trigger(1), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, WithoutClearItStaysTriggeredUntilAChangeWithClear) {
  ASSERT_EQ(queue_.add(1, EVFILT_USER), 0);
  ASSERT_EQ(queue_.trigger(1), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
  EXPECT_EQ(queue_.collect().size(), 1U);
  ASSERT_EQ(queue_.apply(1, EVFILT_USER, EV_CLEAR, {.fflags = NOTE_TRIGGER}), 0);
  EXPECT_EQ(queue_.collect().size(), 0U);
}

TEST_F(KqueueDouble, AUserEventThatIsDeletedOrDisabledIsQuiet) {
  ASSERT_EQ(queue_.add(1, EVFILT_USER, EV_CLEAR), 0);
  ASSERT_EQ(queue_.trigger(1), 0);
  ASSERT_EQ(queue_.apply(1, EVFILT_USER, EV_DISABLE), 0);
  EXPECT_EQ(queue_.collect().size(), 0U);
  ASSERT_EQ(queue_.apply(1, EVFILT_USER, EV_ENABLE), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
  ASSERT_EQ(queue_.trigger(1), 0);
  ASSERT_EQ(queue_.apply(1, EVFILT_USER, EV_DELETE), 0);
  EXPECT_EQ(queue_.collect().size(), 0U);
  EXPECT_FALSE(is_readable(queue_.fd()));
}

TEST_F(KqueueDouble, TheFlagsOfAUserEventAreCombinedAsTheNotesSay) {
  ASSERT_EQ(queue_.add(1, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER | 0x0fU}), 0);
  const auto flags_after = [&](std::uint32_t note) {
    EXPECT_EQ(queue_.apply(1, EVFILT_USER, 0, {.fflags = note}), 0);
    return queue_.collect().at(0).fflags;
  };
  EXPECT_EQ(flags_after(NOTE_FFNOP | 0x30U), 0x0fU);
  EXPECT_EQ(flags_after(NOTE_FFAND | 0x3cU), 0x0cU);
  EXPECT_EQ(flags_after(NOTE_FFOR | 0x30U), 0x3cU);
  EXPECT_EQ(flags_after(NOTE_FFCOPY | 0x01U), 0x01U);
}

std::atomic<int> handled = 0;
extern "C" void count_signal(int /*signal*/) { ++handled; }

TEST_F(KqueueDouble, SignalsAreCountedSinceTheLastCollection) {
  const Disposition ignored(SIGUSR2, SIG_IGN);
  ASSERT_EQ(queue_.add(SIGUSR2, EVFILT_SIGNAL), 0);
  for (int i = 0; i < 3; ++i) ::raise(SIGUSR2);
  EXPECT_TRUE(is_readable(queue_.fd()));
  const Event event = only(queue_.collect());
  EXPECT_EQ(event.data, 3);
  EXPECT_TRUE(has(event, EV_CLEAR));
  EXPECT_EQ(queue_.collect().size(), 0U);
  ::raise(SIGUSR2);
  EXPECT_EQ(queue_.collect().at(0).data, 1);
}

TEST_F(KqueueDouble, ASignalIsWatchedBesideItsHandlerAndInEachKqueue) {
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

TEST_F(KqueueDouble, AnIgnoredSignalIsAnEventForTheThreadThatWaitsAndNoInterruption) {
  const Disposition ignored(SIGUSR2, SIG_IGN);
  ASSERT_EQ(queue_.add(SIGUSR2, EVFILT_SIGNAL), 0);
  const std::jthread sender = when_asleep([to = ::pthread_self()] { ::pthread_kill(to, SIGUSR2); });
  EXPECT_EQ(only(queue_.wait()).data, 1);
}

TEST_F(KqueueDouble, WhatIsNoSignalIsEinval) {
  EXPECT_EQ(queue_.add(0, EVFILT_SIGNAL), EINVAL);
  EXPECT_EQ(queue_.add(1000, EVFILT_SIGNAL), EINVAL);
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

TEST_F(KqueueDouble, NoSuchProcessIsEsrch) {
  const pid_t child = exiting_child(0);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(queue_.add(child, EVFILT_PROC, 0, {.fflags = NOTE_EXIT}), ESRCH);
  EXPECT_EQ(queue_.add(0, EVFILT_PROC, 0, {.fflags = NOTE_EXIT}), ESRCH);
  EXPECT_EQ(queue_.add(-1, EVFILT_PROC, 0, {.fflags = NOTE_EXIT}), ESRCH);
}

TEST_F(KqueueDouble, AZombieReportsItsExitAtOnceAndCanStillBeWaitedFor) {
  const pid_t child = exiting_child(7);
  wait_until_zombie(child);
  ASSERT_EQ(queue_.add(child, EVFILT_PROC, 0, {.fflags = NOTE_EXIT | NOTE_EXITSTATUS}), 0);
  const Event event = only(queue_.collect());
  EXPECT_EQ(event.ident, static_cast<std::uintptr_t>(child));
  EXPECT_NE(event.fflags & NOTE_EXIT, 0U);
  EXPECT_EQ(event.data, 7 << 8);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, event.data);
}

TEST_F(KqueueDouble, TheRegistrationEndsWithTheExit) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  ASSERT_EQ(queue_.add(child, EVFILT_PROC, 0, {.fflags = NOTE_EXIT | NOTE_EXITSTATUS}), 0);
  EXPECT_EQ(queue_.collect().size(), 0U);
  ::kill(child, SIGTERM);
  const Event event = only(queue_.wait());
  EXPECT_TRUE(has(event, EV_EOF));
  EXPECT_EQ(event.data, SIGTERM);
  EXPECT_EQ(queue_.collect().size(), 0U);
  EXPECT_EQ(queue_.apply(child, EVFILT_PROC, EV_DELETE), ENOENT);
  ::waitpid(child, nullptr, 0);
}

TEST_F(KqueueDouble, TheStatusIsToldOnlyWhenItIsAskedForAsOnMacOs) {
  const pid_t child = exiting_child(7);
  ASSERT_EQ(queue_.add(child, EVFILT_PROC, 0, {.fflags = NOTE_EXIT}), 0);
  EXPECT_EQ(queue_.wait().at(0).data, 0);
  ::waitpid(child, nullptr, 0);
}

TEST_F(KqueueDouble, TheStatusOfAProcessThatIsNoChildIsRefusedAsOnMacOs) {
  EXPECT_EQ(queue_.add(::getppid(), EVFILT_PROC, 0, {.fflags = NOTE_EXIT | NOTE_EXITSTATUS}),
            EACCES);
  EXPECT_EQ(queue_.add(::getppid(), EVFILT_PROC, 0, {.fflags = NOTE_EXIT}), 0);
}

TEST_F(KqueueDouble, AZombieMayBeUnknownOrSilent) {
  const pid_t child = exiting_child(7);
  wait_until_zombie(child);
  set_zombies(Zombies::unknown);
  EXPECT_EQ(queue_.add(child, EVFILT_PROC, 0, {.fflags = NOTE_EXIT}), ESRCH);
  set_zombies(Zombies::silent);
  EXPECT_EQ(queue_.add(child, EVFILT_PROC, 0, {.fflags = NOTE_EXIT}), 0);
  EXPECT_EQ(queue_.collect().size(), 0U);
  set_zombies(Zombies::reported);
  ::waitpid(child, nullptr, 0);
}

TEST_F(KqueueDouble, OnlyTheExitCanBeWatched) {
  EXPECT_EQ(queue_.add(::getpid(), EVFILT_PROC, 0, {.fflags = NOTE_FORK}), EINVAL);
  EXPECT_EQ(queue_.add(::getpid(), EVFILT_PROC, 0, {.fflags = 0}), EINVAL);
}

}  // namespace
}  // namespace kqueue_double
