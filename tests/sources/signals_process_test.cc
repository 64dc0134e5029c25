// SPDX-License-Identifier: BSL-1.0
// Signals and the processes that a process makes: forked ones, daemons, programs that it starts.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>

#include "detent/signals.h"
#include "support/child_program.h"
#include "support/errors.h"
#include "support/kept_disposition.h"
#include "support/kernel_double.h"
#include "support/processes.h"
#include "support/reactor_fixtures.h"
#include "support/signal_senders.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

class SignalsAndForkOnEveryPoller : public ReactorOnEveryPoller {
 protected:
  // A loop of the calling process hears its signals.
  static void expect_a_loop_works() {
    Reactor reactor(on_poller(GetParam()));
    Signals signals(reactor);
    Told told;
    const Handle watch = signals.watch({SIGUSR1}, told.recorder());
    ::raise(SIGUSR1);
    EXPECT_EQ(reactor.run_once(kPatience), 1U);
    EXPECT_EQ(told.count, 1U);
  }

  const int real_time_ = SIGRTMIN + 3;
  KeptDisposition ignored_{SIGUSR1, SIG_IGN};
  Told told_;
  Signals signals_{reactor_};
};

// ---- forked

TEST_P(SignalsAndForkOnEveryPoller, M1_FiftyChildrenThatEndAtOnceAreOneSigchldOfAnyOfThem) {
  const Handle watch = signals_.watch({SIGCHLD}, told_.recorder());
  std::set<std::int64_t> children;
  {
    const BlockedSignal blocked(SIGCHLD);
    for (int i = 0; i < 50; ++i) {
      const pid_t child = ::fork();
      if (child == 0) ::_exit(0);
      children.insert(child);
    }
    for (const std::int64_t child : children) {
      siginfo_t info = {};
      EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
    }
  }
  let_handlers_run();
  EXPECT_EQ(turn(), 1U);
  for (const std::int64_t child : children) ::waitpid(static_cast<pid_t>(child), nullptr, 0);
  EXPECT_EQ(told_.count, 1U);
  ASSERT_EQ(told_.senders.size(), 1U);
  EXPECT_TRUE(children.contains(told_.senders[0].pid));
}

TEST_P(SignalsAndForkOnEveryPoller, M1_O8_InAForkedChildTheHandlerDoesNothing) {
  const Handle watch = signals_.watch({SIGUSR1}, told_.recorder());
  const bool held_in_child = holds_in_a_forked_child([] {
    for (int i = 0; i < 3; ++i) ::raise(SIGUSR1);
  });
  EXPECT_TRUE(held_in_child);
  EXPECT_LE(turns_in(10ms), kFewTurns);
  EXPECT_EQ(told_.calls, 0);
}

// Such a child uses the memory of its parent, and no fork handler has run: vfork(2),
// posix_spawn(3).
TEST_P(SignalsAndForkOnEveryPoller, M1_ASignalToAChildThatSharesOurMemoryIsNotOurs) {
  if (kSignalsAreDelayed) GTEST_SKIP() << "this sanitizer does not know such children";
  const Handle watch = signals_.watch({SIGUSR1}, told_.recorder());
  const auto child = [](void* /*unused*/) {
    ::kill(::getpid(), SIGUSR1);
    return 0;
  };
  std::vector<char> stack(64 * 1024);
  const pid_t number =
      ::clone(child, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr);
  int status = -1;
  ASSERT_EQ(::waitpid(number, &status, 0), number);
  EXPECT_EQ(status, 0) << "and it survived the signal";
  EXPECT_EQ(turn(), 0U);
  EXPECT_EQ(told_.calls, 0);
}

TEST_P(SignalsAndForkOnEveryPoller, O8_InAForkedChildWatchingThrowsAndDestroyingLeavesAllAsItIs) {
  auto owned = std::make_unique<Signals>(reactor_);
  auto watch = std::make_unique<Handle>(owned->watch({SIGUSR1}, told_.recorder()));
  auto other = std::make_unique<Handle>(owned->watch({SIGUSR1}, told_.recorder()));
  const bool held_in_child = holds_in_a_forked_child([&] {
    const std::string message = message_of<std::logic_error>(
        [&] { static_cast<void>(owned->watch({SIGUSR1}, told_.recorder())); });
    EXPECT_NE(message.find("parent process"), std::string::npos) << message;
    EXPECT_THROW(Signals{reactor_}, std::logic_error);
    const auto before = disposition_of(SIGUSR1).sa_sigaction;
    watch.reset();
    owned.reset();
    EXPECT_EQ(disposition_of(SIGUSR1).sa_sigaction, before);
    other.reset();
    EXPECT_EQ(disposition_of(SIGUSR1).sa_sigaction, before);
  });
  EXPECT_TRUE(held_in_child);
  ::raise(SIGUSR1);
  EXPECT_EQ(turn(), 2U) << "the parent's go on";
}

TEST_P(SignalsAndForkOnEveryPoller, M1_AForkedChildMayHaveItsOwn) {
  const Handle watch = signals_.watch({SIGUSR1}, told_.recorder());
  EXPECT_TRUE(holds_in_a_forked_child([] {
    expect_a_loop_works();
    EXPECT_EQ(disposition_of(SIGUSR1).sa_handler, SIG_IGN) << "what was there before the parent's";
    expect_a_loop_works();
  }));
  ::raise(SIGUSR1);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told_.count, 1U);
}

TEST_P(SignalsAndForkOnEveryPoller, M1_AChildForkedWhileOtherThreadsHandleSignalsMayHaveItsOwn) {
  const Handle watch = signals_.watch({SIGUSR1}, [](const CaughtSignal&) {});
  // What a sanitizer does when a thread begins has locks, which a child of that moment never gets.
  std::promise<void> began;
  const std::jthread busy([&](const std::stop_token& stop) {
    ::raise(SIGUSR1);
    began.set_value();
    while (!stop.stop_requested()) ::raise(SIGUSR1);
  });
  began.get_future().wait();
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(holds_in_a_forked_child([] { expect_a_loop_works(); }));
  }
}

TEST_P(SignalsAndForkOnEveryPoller, M1_AForkedChildDoesNotBlockWhatItsParentsLoopCannotTakeYet) {
  if (kSignalsAreDelayed) GTEST_SKIP() << "this sanitizer has no context to change";
  const Handle watch = signals_.watch({real_time_}, told_.recorder());
  for (int value = 0; value < 2'000; ++value) queue_to_this_thread(real_time_, value);
  ASSERT_TRUE(is_blocked(real_time_));
  const int signal = real_time_;
  EXPECT_TRUE(holds_in_a_forked_child([signal] { EXPECT_FALSE(is_blocked(signal)); }));
  while (told_.count < 2'000) ASSERT_EQ(turn(), 1U);
}

// ---- daemons

// As daemon(3) does it; returns in the child. What it finds goes to the end of a pipe.
template <class Body>
void run_as_a_daemon(Body body, int report) {
  const pid_t child = ::fork();
  if (child != 0) ::_exit(0);
  ::setsid();
  body();
  const char outcome = testing::Test::HasFailure() ? '-' : '+';
  static_cast<void>(::write(report, &outcome, 1));
  ::_exit(0);
}

// Forks, and lets the child become a daemon. True when all that `body` expects held there.
template <class Body>
[[nodiscard]] bool holds_in_a_daemon(Body body) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) run_as_a_daemon(body, ends[1]);
  ::close(ends[1]);
  ::waitpid(child, nullptr, 0);
  char outcome = 0;
  EXPECT_EQ(::read(ends[0], &outcome, 1), 1);
  ::close(ends[0]);
  return outcome == '+';
}

TEST_P(SignalsAndForkOnEveryPoller, M1_ADaemonThatForksBeforeItMakesItsLoopIsTold) {
  EXPECT_TRUE(holds_in_a_daemon([] { expect_a_loop_works(); }));
}

TEST_P(SignalsAndForkOnEveryPoller, M1_O8_ADaemonThatForksAfterItMadeItsLoopIsToldThatItMayNot) {
  const Handle watch = signals_.watch({SIGUSR1}, told_.recorder());
  EXPECT_TRUE(holds_in_a_daemon([&] {
    EXPECT_THROW(reactor_.run(), std::logic_error);
    EXPECT_THROW(static_cast<void>(signals_.watch({SIGTERM}, told_.recorder())), std::logic_error);
    expect_a_loop_works();
  }));
}

// ---- other programs

// What the kernel says of the signals of a program that `start` starts, with its output in a pipe.
template <class Start>
std::string signals_of_a_program(Start start) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = start(ends[1]);
  ::close(ends[1]);
  std::string said;
  std::array<char, 512> some = {};
  for (ssize_t size = 0; (size = ::read(ends[0], some.data(), some.size())) > 0;) {
    said.append(some.data(), static_cast<std::size_t>(size));
  }
  ::close(ends[0]);
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return said;
}

std::array<char*, 4> program() {
  static std::string grep = "grep";
  static std::string which = "^Sig[BIC]";
  static std::string where = "/proc/self/status";
  return {grep.data(), which.data(), where.data(), nullptr};
}

pid_t fork_and_exec(int output) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::dup2(output, 1);
  ::execvp("grep", program().data());
  ::_exit(127);
}

pid_t spawn(int output) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, output, 1);
  pid_t child = -1;
  EXPECT_EQ(::posix_spawnp(&child, "grep", &actions, nullptr, program().data(), environ), 0);
  ::posix_spawn_file_actions_destroy(&actions);
  return child;
}

TEST_P(SignalsAndForkOnEveryPoller, M1_ProgramsThatAreStartedHaveNothingOfIt) {
  for (const auto start : {fork_and_exec, spawn}) {
    const std::string before = signals_of_a_program(start);
    const Handle watch = signals_.watch({SIGUSR2, SIGTERM, real_time_}, told_.recorder());
    EXPECT_EQ(signals_of_a_program(start), before);
  }
}

// ---- the limit of signals that wait: RLIMIT_SIGPENDING

TEST_P(SignalsAndForkOnEveryPoller, M1_AtTheLimitOfPendingSignalsSomeHaveNoSender) {
  const int real_time = real_time_;
  EXPECT_TRUE(holds_in_a_forked_child([real_time] {
    Reactor reactor(on_poller(GetParam()));
    Signals signals(reactor);
    Told told;
    const std::array watches = {signals.watch({SIGUSR1}, told.recorder()),
                                signals.watch({real_time}, told.recorder())};
    const rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    ASSERT_EQ(::setrlimit(RLIMIT_SIGPENDING, &none), 0);
    ::kill(::getpid(), SIGUSR1);
    ::kill(::getpid(), real_time);
    EXPECT_EQ(::sigqueue(::getpid(), real_time, {}), -1) << "the sender of a value is told";
    let_handlers_run();
    EXPECT_EQ(reactor.dispatch(), 2U);
    ASSERT_EQ(told.senders.size(), 2U);
    EXPECT_EQ(told.senders[0].pid, ::getpid()) << "standard signals of kill(2) have theirs";
    EXPECT_EQ(told.senders[1].pid, 0);
  }));
}

DETENT_ON_EVERY_POLLER(SignalsAndForkOnEveryPoller);

// ---- the end of the program

void exit_with_static_objects() {
  static Handle outlives_them;
  static Reactor reactor;
  static Signals signals(reactor);
  outlives_them = signals.watch({SIGUSR1}, [](const CaughtSignal&) { std::exit(7); });
  ::raise(SIGUSR1);
  reactor.run();
}

TEST(SignalsDeathTest, L7_ExitInACallbackOfStaticObjectsEndsTheProgramAsItSays) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(exit_with_static_objects(), testing::ExitedWithCode(7), "^$");
}

}  // namespace
}  // namespace detent
