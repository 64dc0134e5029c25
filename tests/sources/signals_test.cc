// SPDX-License-Identifier: BSL-1.0
// What watches of signals are told, and what they do to the process.
#include "detent/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <barrier>

#include "detent/timer_service.h"
#include "support/allocations.h"
#include "support/child_program.h"
#include "support/errors.h"
#include "support/kept_disposition.h"
#include "support/processes.h"
#include "support/reactor_fixtures.h"
#include "support/signal_senders.h"
#include "support/standard.h"
#include "support/system_calls.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

class SignalsOnEveryPoller : public ReactorOnEveryPoller {
 protected:
  // Ends the test's wait for something that does not come.
  void run() {
    TimerService timers(reactor_);
    const Timer patience = timers.after(kPatience, [&] {
      ADD_FAILURE() << "nothing came";
      reactor_.stop();
    });
    reactor_.run();
  }

  const int real_time_ = SIGRTMIN + 3;
  Told told_;
  Signals signals_{reactor_};
};

// ---- how often

TEST_P(SignalsOnEveryPoller, M1_K12_TellsOnceATurnHowOftenASignalCame) {
  const Handle watch = signals_.watch({SIGUSR1}, told_.recorder());
  for (int i = 0; i < 3; ++i) ::raise(SIGUSR1);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told_.calls, 1);
  EXPECT_EQ(told_.count, 3U);
  EXPECT_EQ(turn(), 0U);
  ::raise(SIGUSR1);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told_.count, 4U);
}

TEST_P(SignalsOnEveryPoller, M1_K12_ThreeSignalsThatTheKernelMergedWhileBlockedAreOne) {
  const Handle watch = signals_.watch({SIGUSR1, real_time_}, told_.recorder());
  {
    const BlockedSignal blocked(SIGUSR1);
    for (int i = 0; i < 3; ++i) ::raise(SIGUSR1);
    EXPECT_EQ(turn(), 0U);
  }
  let_handlers_run();
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told_.count, 1U);
}

TEST_P(SignalsOnEveryPoller, M1_WakesALoopThatSleepsAndLetsItSleepAgain) {
  const Handle watch = signals_.watch({SIGUSR1}, told_.recorder());
  const std::jthread sender = when_asleep([] { ::kill(::getpid(), SIGUSR1); });
  EXPECT_EQ(reactor_.run_once(kPatience), 1U);
  EXPECT_LE(turns_in(10ms), kFewTurns);
}

TEST_P(SignalsOnEveryPoller, M1_ManySignalsWakeTheLoopWithOneWrite) {
  const auto calls = system_calls_of([&]() -> std::function<void()> {
    static Reactor reactor(on_poller(GetParam()));
    static Signals signals(reactor);
    static const Handle watch = signals.watch({SIGUSR1}, [](const CaughtSignal&) {});
    return [] {
      for (int i = 0; i < 5; ++i) ::raise(SIGUSR1);
    };
  });
  if (!calls) GTEST_SKIP() << kUntraced;
  EXPECT_EQ(calls->at(SYS_write), 1);
}

TEST_P(SignalsOnEveryPoller, M1_ASignalAllocatesNothing) {
  std::uint64_t count = 0;
  const Handle watch =
      signals_.watch({SIGUSR1}, [&](const CaughtSignal& caught) { count += caught.count; });
  const auto some = [&] {
    for (int i = 0; i < 10; ++i) ::raise(SIGUSR1);
    turn();
  };
  some();
  EXPECT_EQ(allocations_in([&] {
              for (int i = 0; i < 1'000; ++i) some();
            }),
            0U);
  EXPECT_EQ(count, 10'010U);
}

// ---- by whom

TEST_P(SignalsOnEveryPoller, M1_NamesTheProcessAndTheUserThatSentIt) {
  const Handle watch = signals_.watch({SIGUSR1, SIGCHLD}, told_.recorder());
  const pid_t child = ::fork();
  if (child == 0) {
    ::kill(::getppid(), SIGUSR1);
    ::_exit(3);
  }
  ::waitpid(child, nullptr, 0);
  let_handlers_run();
  EXPECT_EQ(turn(), 2U) << "the signal, and that the child has ended";
  ASSERT_EQ(told_.senders.size(), 2U);
  for (const SignalSender& sender : told_.senders) {
    EXPECT_EQ(sender.pid, child);
    EXPECT_EQ(sender.user, ::getuid());
  }
}

TEST_P(SignalsOnEveryPoller, M1_TheKernelsOwnSignalsHaveNoSenderButForABrokenPipes) {
  const Handle watch = signals_.watch({SIGALRM}, told_.recorder());
  const itimerval soon = {.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 1}};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &soon, nullptr), 0);
  EXPECT_EQ(reactor_.run_once(kPatience), 1U);
  ASSERT_EQ(told_.senders.size(), 1U);
  EXPECT_EQ(told_.senders[0].pid, 0);

  // Linux says that the process which writes has sent it.
  const Handle pipes = signals_.watch({SIGPIPE}, told_.recorder());
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ::close(ends[0]);
  EXPECT_EQ(::write(ends[1], "", 1), -1);
  ::close(ends[1]);
  let_handlers_run();
  EXPECT_EQ(turn(), 1U);
  ASSERT_EQ(told_.senders.size(), 2U);
  EXPECT_EQ(told_.senders[1].pid, ::getpid());
}

TEST_P(SignalsOnEveryPoller, M1_ATimerOfTheKernelSendsItsValueAndNoSender) {
  const Handle watch = signals_.watch({real_time_}, told_.recorder());
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = real_time_;
  event.sigev_value.sival_ptr = this;
  timer_t timer = {};
  ASSERT_EQ(::timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  const itimerspec soon = {.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 1}};
  ASSERT_EQ(::timer_settime(timer, 0, &soon, nullptr), 0);
  EXPECT_EQ(reactor_.run_once(kPatience), 1U);
  ::timer_delete(timer);
  ASSERT_EQ(told_.senders.size(), 1U);
  EXPECT_EQ(told_.senders[0].pid, 0);
  EXPECT_EQ(told_.senders[0].pointer, this);
}

TEST_P(SignalsOnEveryPoller, M1_RealTimeSignalsComeWithTheirValuesInOrder) {
  const Handle watch = signals_.watch({real_time_}, told_.recorder());
  for (int value = 0; value < 100; ++value) queue_to_this_thread(real_time_, value);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told_.count, 100U);
  EXPECT_EQ(told_.values(), numbers(0, 100));
}

TEST_P(SignalsOnEveryPoller, M1_RealTimeSignalsThatWaitedInTheKernelComeInOrderToo) {
  const Handle watch = signals_.watch({real_time_}, told_.recorder());
  {
    const BlockedSignal blocked(real_time_);
    for (int value = 0; value < 100; ++value) queue_to_this_thread(real_time_, value);
  }
  let_handlers_run();
  EXPECT_EQ(turn(), 1U);
  const int kept = kSignalsAreDelayed ? 1 : 100;
  EXPECT_EQ(told_.values(), numbers(0, kept));
}

// ---- to whom

TEST_P(SignalsOnEveryPoller, M1_TellsSignalsByNumberAndTheWatchesOfEachInTheirOrder) {
  std::vector<std::pair<char, int>> calls;
  std::vector<Handle> watches;
  for (const char who : {'a', 'b', 'c'}) {
    watches.push_back(signals_.watch({SIGUSR2, SIGUSR1, SIGUSR2}, [&, who](const auto& caught) {
      calls.emplace_back(who, caught.signal);
    }));
  }
  watches[0].cancel();
  watches.push_back(signals_.watch(
      {SIGUSR2}, [&](const CaughtSignal& caught) { calls.emplace_back('d', caught.signal); }));
  for (const int signal : {SIGUSR2, SIGUSR1, SIGUSR2}) ::raise(signal);
  EXPECT_EQ(turn(), 5U);
  EXPECT_EQ(calls,
            (decltype(calls){
                {'b', SIGUSR1}, {'c', SIGUSR1}, {'b', SIGUSR2}, {'c', SIGUSR2}, {'d', SIGUSR2}}));
}

TEST_P(SignalsOnEveryPoller, M1_TwoObjectsOnOneLoopAreBothTold) {
  Signals others(reactor_);
  Told told_too;
  const Handle watch = signals_.watch({SIGUSR1}, told_.recorder());
  const Handle other = others.watch({SIGUSR1, SIGUSR2}, told_too.recorder());
  for (const int signal : {SIGUSR1, SIGUSR1, SIGUSR2}) ::raise(signal);
  EXPECT_EQ(turn(), 3U);
  EXPECT_EQ(told_.count, 2U);
  EXPECT_EQ(told_too.count, 3U);
}

TEST_P(SignalsOnEveryPoller, M1_EightLoopsInEightThreadsAreEachTold) {
  std::barrier all_watch(9);
  std::atomic<int> told = 0;
  const auto run_a_loop = [&] {
    Reactor reactor(on_poller(GetParam()));
    Signals signals(reactor);
    const Handle watch = signals.watch({SIGUSR1}, [&](const CaughtSignal& caught) {
      told += static_cast<int>(caught.count);
      reactor.stop();
    });
    all_watch.arrive_and_wait();
    reactor.run();
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back(run_a_loop);
  all_watch.arrive_and_wait();
  ::kill(::getpid(), SIGUSR1);
  threads.clear();
  EXPECT_EQ(told, 8);
}

TEST_P(SignalsOnEveryPoller, M1_ASignalThatCameAndWasNotToldIsToldToANewWatchToo) {
  Handle first = signals_.watch({SIGUSR1}, [](const CaughtSignal&) { FAIL(); });
  ::raise(SIGUSR1);
  const Handle second = signals_.watch({SIGUSR1}, told_.recorder());
  first.cancel();
  EXPECT_EQ(turn(), 1U) << "so that one can take over from another";
  EXPECT_EQ(told_.count, 1U);
}

TEST_P(SignalsOnEveryPoller, O6_AfterAThrowTheRestIsToldInTheNextTurn) {
  Told after_it;
  Told other_signal;
  const std::array watches = {signals_.watch({SIGUSR1},
                                             [&](const CaughtSignal&) {
                                               ++told_.calls;
                                               throw std::runtime_error("thrown by a callback");
                                             }),
                              signals_.watch({SIGUSR1}, after_it.recorder()),
                              signals_.watch({SIGUSR2}, other_signal.recorder())};
  for (const int signal : {SIGUSR1, SIGUSR1, SIGUSR2}) ::raise(signal);
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_EQ(after_it.calls + other_signal.calls, 0);
  ::raise(SIGUSR2);
  EXPECT_EQ(turn(), 2U);
  EXPECT_EQ(told_.calls, 1);
  EXPECT_EQ(after_it.count, 2U);
  EXPECT_EQ(other_signal.count, 1U) << "the one that came later waits for its turn";
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(other_signal.count, 2U);
}

TEST_P(SignalsOnEveryPoller, M5_AnObserverHearsTheNameOfTheWatch) {
  struct Names final : Observer {
    void before(const Call& call) noexcept override { names.emplace_back(call.name.text); }
    void after(const Call& /*call*/) noexcept override {}
    void turn(Duration /*waited*/, Duration /*worked*/) noexcept override {}
    std::vector<std::string> names;
  } observer;
  const Handle observing = reactor_.observe(observer);
  const Handle watch = signals_.watch({SIGUSR1}, told_.recorder(), "reload");
  ::raise(SIGUSR1);
  turn();
  EXPECT_EQ(observer.names, std::vector<std::string>{"reload"});
}

// ---- many

TEST_P(SignalsOnEveryPoller, M1_AFullQueueLosesSendersAndNoCounts) {
  const Handle watch = signals_.watch({real_time_, SIGUSR1}, told_.recorder());
  std::jthread([this] {
    for (int value = 0; value < 2'000; ++value) queue_to_this_thread(real_time_, value);
  }).join();
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told_.count, 2'000U);
  EXPECT_EQ(told_.values(), numbers(0, 1'024)) << "the first ones";
  queue_to_this_thread(real_time_, 1);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told_.count, 2'001U);
}

TEST_P(SignalsOnEveryPoller, M1_WhatTheLoopsOwnThreadCannotQueueWaitsInTheKernel) {
  if (kSignalsAreDelayed) GTEST_SKIP() << "this sanitizer has no context to change";
  const KeptDisposition ignored(real_time_, SIG_IGN);
  const Handle watch = signals_.watch({real_time_}, told_.recorder());
  for (int value = 0; value < 2'000; ++value) queue_to_this_thread(real_time_, value);
  EXPECT_TRUE(is_blocked(real_time_));
  const Handle other = signals_.watch({real_time_}, [](const CaughtSignal&) {});
  EXPECT_TRUE(other) << "this is not what the user blocks";
  turn();
  EXPECT_EQ(told_.values(), numbers(0, 1'024));
  turn();
  EXPECT_EQ(told_.count, 2'000U);
  EXPECT_EQ(told_.values(), numbers(0, 2'000));
  EXPECT_FALSE(is_blocked(real_time_));
}

// The default action of this signal would end the process.
TEST_P(SignalsOnEveryPoller, M1_WhatWaitsInTheKernelGoesWithTheLastWatch) {
  for (const bool by_handle : {true, false}) {
    std::optional<Signals> signals(std::in_place, reactor_);
    Handle watch = signals->watch({real_time_}, told_.recorder());
    for (int value = 0; value < 2'000; ++value) queue_to_this_thread(real_time_, value);
    EXPECT_EQ(is_blocked(real_time_), !kSignalsAreDelayed);
    if (by_handle) {
      watch.cancel();
    } else {
      signals.reset();
    }
    EXPECT_FALSE(is_blocked(real_time_));
    EXPECT_EQ(turn(), 0U);
  }
  EXPECT_EQ(told_.calls, 0);
}

TEST_P(SignalsOnEveryPoller, M1_WhatWaitsInTheKernelIsToldToTheWatchesThatAreLeft) {
  const Handle rest = signals_.watch({real_time_}, told_.recorder());
  Signals signals(reactor_);
  Handle watch = signals.watch({real_time_}, [](const CaughtSignal&) { FAIL(); });
  for (int value = 0; value < 2'000; ++value) queue_to_this_thread(real_time_, value);
  watch.cancel();
  while (turn() > 0) {
  }
  EXPECT_EQ(told_.count, 2'000U);
}

// Sends two signals to `thread` as fast as it can until `is_over`, and then the last one. Real-time
// ones fill a queue that all processes of this user share, so few of them wait at a time.
void storm(pthread_t thread, int real_time, const std::atomic<bool>& is_over,
           const std::atomic<std::uint64_t>& told) {
  constexpr std::uint64_t kWaitingAtMost = 2'000;
  std::uint64_t sent = 0;
  const auto at_most_until = std::chrono::steady_clock::now() + kPatience;
  while (!is_over && std::chrono::steady_clock::now() < at_most_until) {
    ::pthread_kill(thread, SIGUSR1);
    if (sent - told < kWaitingAtMost && ::pthread_sigqueue(thread, real_time, {}) == 0) ++sent;
    // There the handler cannot hold signals back, so they would leave the loop no time.
    if (kSignalsAreDelayed) std::this_thread::sleep_for(100us);
  }
  sigval last = {};
  last.sival_int = 1;
  while (::pthread_sigqueue(thread, real_time, last) == EAGAIN) std::this_thread::yield();
}

// For a second, as a timer of 10 ms counts it. On two processors the thread of the loop would come
// to nothing but its handler.
TEST_P(SignalsOnEveryPoller, M1_AStormOfSignalsNeitherStarvesTimersNorLosesTheLast) {
  const KeptDisposition ignored(SIGUSR1, SIG_IGN);
  const KeptDisposition ignored_too(real_time_, SIG_IGN);
  std::atomic<bool> is_over = false;
  std::atomic<std::uint64_t> told = 0;
  bool has_heard_the_last = false;
  const Handle watch = signals_.watch({SIGUSR1, real_time_}, [&](const CaughtSignal& caught) {
    if (caught.signal == real_time_) told += caught.count;
    for (const SignalSender& sender : caught.senders) has_heard_the_last |= sender.value == 1;
    if (has_heard_the_last || (kSignalsAreDelayed && is_over)) reactor_.stop();
  });
  TimerService timers(reactor_);
  int calls = 0;
  std::uint64_t ticks = 0;
  const Timer timer = timers.every(10ms, [&](const Tick& tick) {
    ++calls;
    ticks += tick.expirations;
    is_over = ticks >= 100 && calls >= 5;
  });
  const std::jthread stormy(storm, ::pthread_self(), real_time_, std::cref(is_over),
                            std::cref(told));
  run();
  EXPECT_TRUE(is_over) << calls << " calls of the timer";
  EXPECT_TRUE(has_heard_the_last || kSignalsAreDelayed);
}

TEST_P(SignalsOnEveryPoller, M1_ObjectsComeAndGoWhileOtherThreadsHandleTheirSignals) {
  const KeptDisposition ignored(SIGUSR1, SIG_IGN);
  std::atomic<bool> is_over = false;
  std::vector<std::jthread> storms;
  for (int i = 0; i < 2; ++i) {
    storms.emplace_back([&] {
      while (!is_over) ::raise(SIGUSR1);
    });
  }
  for (int i = 0; i < 200; ++i) {
    Signals signals(reactor_);
    const Handle watch = signals.watch({SIGUSR1}, told_.recorder());
    while (turn() == 0) std::this_thread::yield();
  }
  is_over = true;
  EXPECT_GE(told_.count, 200U);
}

// ---- what it does to the process

TEST_P(SignalsOnEveryPoller, M1_ACallThatTheHandlerInterruptsGoesOn) {
  if (kSignalsAreDelayed) GTEST_SKIP() << "this sanitizer runs handlers after such a call";
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Handle watch = signals_.watch({SIGUSR1}, [&](const CaughtSignal&) { reactor_.stop(); });
  std::atomic<pid_t> number = 0;
  ssize_t result = 0;
  std::jthread reader([&] {
    number = this_thread_number();
    char byte = 0;
    result = ::read(ends[0], &byte, 1);
  });
  while (number == 0) std::this_thread::yield();
  wait_until_asleep(number);
  ::pthread_kill(reader.native_handle(), SIGUSR1);
  run();
  EXPECT_EQ(::write(ends[1], "x", 1), 1);
  reader.join();
  EXPECT_EQ(result, 1) << "it was not interrupted";
  for (const int end : ends) ::close(end);
}

void do_nothing(int /*signal*/) {}

TEST_P(SignalsOnEveryPoller, M1_TheLastWatchInTheProcessPutsTheFormerDispositionBack) {
  for (const sighandler_t former : {SIG_DFL, SIG_IGN, do_nothing}) {
    const KeptDisposition kept(SIGUSR1, former);
    Signals others(reactor_);
    Handle first = signals_.watch({SIGUSR1}, told_.recorder());
    Handle second = signals_.watch({SIGUSR1, SIGUSR2}, told_.recorder());
    Handle third = others.watch({SIGUSR1}, told_.recorder());
    first.cancel();
    second.cancel();
    EXPECT_NE(disposition_of(SIGUSR1).sa_handler, former);
    EXPECT_EQ(disposition_of(SIGUSR2).sa_handler, SIG_DFL);
    ::raise(SIGUSR1);
    EXPECT_EQ(turn(), 1U);
    third.cancel();
    EXPECT_EQ(disposition_of(SIGUSR1).sa_handler, former);
  }
}

TEST_P(SignalsOnEveryPoller, M1_ADispositionThatOtherCodeHasSetMeanwhileStays) {
  const KeptDisposition kept(SIGUSR1, SIG_IGN);
  Handle watch = signals_.watch({SIGUSR1}, told_.recorder());
  const KeptDisposition others(SIGUSR1, do_nothing);
  watch.cancel();
  EXPECT_EQ(disposition_of(SIGUSR1).sa_handler, do_nothing);

  watch = signals_.watch({SIGUSR1}, told_.recorder());
  ::raise(SIGUSR1);
  EXPECT_EQ(turn(), 1U) << "a new watch takes it over";
  watch.cancel();
  EXPECT_EQ(disposition_of(SIGUSR1).sa_handler, do_nothing);
}

TEST_P(SignalsOnEveryPoller, M1_ANewWatchTakesOverWhatOtherCodeHasSetForAllOfThem) {
  const KeptDisposition kept(SIGUSR1, SIG_DFL);
  Signals others(reactor_);
  const Handle first = others.watch({SIGUSR1}, told_.recorder());
  const KeptDisposition taken(SIGUSR1, do_nothing);
  ::raise(SIGUSR1);
  EXPECT_EQ(turn(), 0U);
  const Handle second = signals_.watch({SIGUSR1}, told_.recorder());
  ::raise(SIGUSR1);
  EXPECT_EQ(turn(), 2U);
}

// ---- what cannot be watched

TEST_P(SignalsOnEveryPoller, M1_ASignalThatThisThreadBlocksIsAnInvalidArgument) {
  const BlockedSignal blocked(SIGUSR2);
  const std::string message = message_of<std::invalid_argument>([&] {
    static_cast<void>(signals_.watch({SIGUSR1, SIGUSR2}, told_.recorder(), "reload"));
  });
  EXPECT_NE(message.find("signal " + std::to_string(SIGUSR2) + ", \"reload\""), std::string::npos)
      << message;
  EXPECT_NE(message.find("blocks"), std::string::npos) << message;
  EXPECT_EQ(disposition_of(SIGUSR1).sa_handler, SIG_DFL);
}

TEST_P(SignalsOnEveryPoller, M1_TheSignalsOfFaultsAndNoneAreInvalidArguments) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    const std::string message = message_of<std::invalid_argument>(
        [&] { static_cast<void>(signals_.watch({signal}, told_.recorder())); });
    EXPECT_NE(message.find("signal " + std::to_string(signal)), std::string::npos) << message;
  }
  EXPECT_THROW(static_cast<void>(signals_.watch({}, told_.recorder())), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(signals_.watch({SIGUSR1}, {})), std::invalid_argument);
}

TEST_P(SignalsOnEveryPoller, M1_WhatTheSystemRefusesIsItsErrorAndNoneIsWatched) {
  const KeptDisposition ignored(SIGUSR1, SIG_IGN);
  // Two between the standard and the real-time ones are the C library's own.
  for (const int signal : {SIGKILL, SIGSTOP, 32, 33, 65, 128, 129, 0, -1, INT_MAX, INT_MIN}) {
    const auto watch = [&] {
      static_cast<void>(signals_.watch({SIGUSR1, signal}, told_.recorder(), "all"));
    };
    EXPECT_EQ(error_of(watch), std::errc::invalid_argument) << signal;
    const std::string message = message_of<std::system_error>(watch);
    const std::string about = "signal " + std::to_string(signal) + ", \"all\" of " __FILE__ ":";
    EXPECT_NE(message.find(about), std::string::npos) << message;
    EXPECT_NE(message.find("sigaction"), std::string::npos) << message;
    EXPECT_EQ(disposition_of(SIGUSR1).sa_handler, SIG_IGN);
  }
}

TEST_P(SignalsOnEveryPoller, M1_AllOthersCanBeWatched) {
  std::vector<Handle> watches;
  for (int signal = 1; signal < NSIG; ++signal) {
    const std::set refused = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 32, 33};
    if (refused.contains(signal)) continue;
    watches.push_back(signals_.watch({signal}, told_.recorder()));
    ::raise(signal);
    let_handlers_run();
  }
  EXPECT_EQ(turn(), watches.size());
  EXPECT_EQ(watches.size(), 56U);
}

TEST_P(SignalsOnEveryPoller, O7_AnotherThreadCannotWatch) {
  std::thread([&] {
    EXPECT_THROW(static_cast<void>(signals_.watch({SIGUSR1}, told_.recorder())), std::logic_error);
    EXPECT_THROW(Signals{reactor_}, std::logic_error);
  }).join();
}

DETENT_ON_EVERY_POLLER(SignalsOnEveryPoller);

}  // namespace
}  // namespace detent
