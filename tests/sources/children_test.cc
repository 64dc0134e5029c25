// SPDX-License-Identifier: BSL-1.0
// The exits of processes: whose, when, how many, and how they ended.
#include "detent/children.h"

#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <future>

#include "process_fixtures.h"
#include "support/allocations.h"
#include "support/errors.h"
#include "support/failing_calls.h"
#include "support/kernel_double.h"
#include "support/processes.h"
#include "support/standard.h"
#include "support/temporary_folder.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

// ---- how it ended

TEST_P(ChildrenOnEveryPoller, M2_K10_AnExitIsToldOnceWithItsCode) {
  const Child child = shell("exit 7");
  EXPECT_GT(child.pid(), 0);
  EXPECT_TRUE(child.active());
  const ProcessExit exit = next_exit();
  EXPECT_EQ(exit.pid, child.pid());
  EXPECT_EQ(exit.code, 7);
  EXPECT_FALSE(exit.signal);
  EXPECT_TRUE(exit.is_known());
  EXPECT_FALSE(child.active());
  EXPECT_FALSE(is_our_child(child.pid())) << "it is reaped";
}

TEST_P(ChildrenOnEveryPoller, M2_ASignalThatEndedItIsTold) {
  Child child = spawn({"sleep", "1000"});
  EXPECT_TRUE(child.kill(SIGKILL));
  const ProcessExit exit = next_exit();
  EXPECT_EQ(exit.signal, SIGKILL);
  EXPECT_FALSE(exit.code);
  EXPECT_FALSE(exit.dumped_core);
  EXPECT_FALSE(child.kill(SIGKILL)) << "its exit was told, so its number may be another's";
}

// Whether there is a core is the machine's choice: core(5). A twin shows it.
TEST_P(ChildrenOnEveryPoller, M2_ACoreDumpIsToldAsWaitTellsIt) {
  constexpr const char* kScript = "ulimit -c unlimited; kill -ABRT $$";
  const TemporaryFolder folder;  // as two cores of one name cannot be written at once
  const pid_t twin = ::fork();
  if (twin == 0) {
    if (::chdir(folder.path().c_str()) == 0) ::execlp("sh", "sh", "-c", kScript, nullptr);
    ::_exit(127);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(twin, &status, 0), twin);
  const Child child = children_.spawn(
      {.arguments = {"sh", "-c", kScript}, .directory = folder.path(), .error = Stdio::null},
      note());
  const ProcessExit exit = next_exit();
  EXPECT_EQ(exit.signal, SIGABRT);
  EXPECT_EQ(exit.dumped_core, WCOREDUMP(status) != 0);
}

// ---- when it ended

TEST_P(ChildrenOnEveryPoller, M2_AnExitBeforeTheRegistrationIsTold) {
  TestProcess process;
  process.end(7);
  const Handle watch = children_.watch(process.pid(), note());
  EXPECT_EQ(next_exit().code, 7);
}

TEST_P(ChildrenOnEveryPoller, M2_AnExitAfterTheRegistrationIsTold) {
  TestProcess process;
  const Handle watch = children_.watch(process.pid(), note());
  EXPECT_EQ(turn(), 0U);
  process.end(7);
  EXPECT_EQ(next_exit().code, 7);
}

TEST_P(ChildrenOnEveryPoller, M2_AnExitDuringTheRegistrationIsToldOnce) {
  constexpr int kTries = 25;
  for (int i = 0; i < kTries; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int spins = 0; spins < i * 400; ++spins) look_at(&spins);
      ::_exit(i);
    }
    const Handle watch = children_.watch(child, note());
    EXPECT_EQ(next_exit().code, i);
    EXPECT_EQ(::waitpid(child, nullptr, 0), child) << "it was left to us";
  }
}

TEST_P(ChildrenOnEveryPoller, M2_FiveHundredChildrenAtOnceAreToldOnceEach) {
  // The poller sees one descriptor whatever their number is, so the others have fewer.
  const std::size_t many = GetParam() == poller_names().front() ? 500 : 50;
  std::vector<Child> children;
  std::map<int, int> told;
  for (std::size_t i = 0; i < many; ++i) {
    children.push_back(children_.spawn({.arguments = {"/bin/true"}}, [&](const ProcessExit& exit) {
      ++told[exit.pid];
      exits_.push_back(exit);
    }));
  }
  run_until_told(many);
  for (const Child& child : children) EXPECT_EQ(told[child.pid()], 1);
  for (const ProcessExit& exit : exits_) EXPECT_EQ(exit.code, 0);
}

TEST_P(ChildrenOnEveryPoller, M2_SeveralWatchesOfAProcessAreAllTold) {
  TestProcess process;
  const std::array<Handle, 3> watches = {children_.watch(process.pid(), note()),
                                         children_.watch(process.pid(), note()),
                                         children_.watch(process.pid(), note())};
  Handle gone = children_.watch(process.pid(), [](const ProcessExit&) { FAIL(); });
  gone.cancel();
  process.end(7);
  run_until_told(3);
  for (const ProcessExit& exit : exits_) EXPECT_EQ(exit.code, 7);
}

TEST_P(ChildrenOnEveryPoller, M2_ASpawnedChildMayBeWatchedBesideByAnotherChildren) {
  Children other(reactor_);
  Child child = spawn({"sleep", "1000"});
  const Handle here = children_.watch(child.pid(), note());
  const Handle there = other.watch(child.pid(), note());
  EXPECT_TRUE(child.kill(SIGTERM));
  run_until_told(3);
  for (const ProcessExit& exit : exits_) {
    EXPECT_EQ(exit.pid, child.pid());
    EXPECT_TRUE(exit.signal == SIGTERM || !exit.is_known());
  }
}

// ---- whose it is

TEST_P(ChildrenOnEveryPoller, M2_AnothersChildIsToldAtItsExit) {
  ForeignProcess other;
  const Handle watch = children_.watch(other.pid(), note());
  EXPECT_EQ(turn(), 0U);
  other.end_by(SIGKILL);
  const ProcessExit exit = next_exit();
  EXPECT_EQ(exit.pid, other.pid());
  EXPECT_FALSE(exit.is_known()) << "its parent has not waited for it";
  EXPECT_FALSE(watch.active());
}

TEST_P(ChildrenOnEveryPoller, M2_AnothersZombieIsToldToo) {
  ForeignProcess other;
  other.end_by(SIGKILL);
  const Handle watch = children_.watch(other.pid(), note());
  EXPECT_EQ(next_exit().pid, other.pid());
}

TEST_P(ChildrenOnEveryPoller, M2_WithWaitForStatusAnothersChildIsToldWithItsStatus) {
  if (!knows_status_of_others()) GTEST_SKIP() << "Linux 6.15 does";
  ForeignProcess other;
  const Handle watch = children_.watch(other.pid(), {.wait_for_status = true}, note());
  other.end_by(SIGKILL);
  EXPECT_EQ(reactor_.run_once(0ns), 0U) << "told before its parent has waited for it";
  other.reap();
  EXPECT_EQ(next_exit().signal, SIGKILL);
}

TEST_P(ChildrenOnEveryPoller, M2_WithWaitForStatusAChildOfOursIsToldWhenWeHaveWaitedForIt) {
  if (!knows_status_of_others()) GTEST_SKIP() << "Linux 6.15 does";
  TestProcess process;
  const Handle watch = children_.watch(process.pid(), {.wait_for_status = true}, note());
  process.end(7);
  EXPECT_EQ(reactor_.run_once(0ns), 0U);
  process.reap();
  EXPECT_EQ(next_exit().code, 7);
}

// wait_for_status, as at the first notice the kernel may not have stored the status yet.
TEST_P(ChildrenOnEveryPoller, M2_WithWaitForStatusWhatTheKernelReapedItselfIsToldWithItsStatus) {
  if (!knows_status_of_others()) GTEST_SKIP() << "Linux 6.15 does";
  EXPECT_TRUE(holds_in_a_forked_child([] {
    ::signal(SIGCHLD, SIG_IGN);
    Reactor reactor(on_poller(GetParam()));
    Children children(reactor);
    const SocketPair pair = make_socket_pair();
    ::fcntl(pair.far.fd(), F_SETFL, 0);  // blocks
    const int pid = start({"sh", "-c", "read code; exit $code"}, pair.far.fd());
    std::optional<ProcessExit> told;
    const Handle watch = children.watch(pid, {.wait_for_status = true},
                                        [&](const ProcessExit& exit) { told = exit; });
    put(pair.near.fd(), "7\n");
    while (!told) ASSERT_NE(reactor.run_once(kPatience), 0U);
    EXPECT_EQ(told->code, 7);
    EXPECT_EQ(::waitpid(pid, nullptr, 0), -1) << "nobody here has waited for it";
  }));
}

TEST_P(ChildrenOnEveryPoller, M2_WithWaitForStatusAKernelThatDoesNotTellItIsNotSupported) {
  EXPECT_TRUE(holds_in_a_forked_child([] {
    Reactor reactor(on_poller(GetParam()));
    Children children(reactor);
    ASSERT_TRUE(let_call_fail(SYS_ioctl, ENOTTY)) << "as before Linux 6.13";
    const pid_t parent = ::getppid();
    EXPECT_EQ(
        error_of([&] {
          static_cast<void>(children.watch(parent, {.wait_for_status = true}, [](const auto&) {}));
        }),
        std::errc::not_supported);
    EXPECT_TRUE(children.watch(parent, [](const auto&) {})) << "without it there is no need";
  }));
}

TEST_P(ChildrenOnEveryPoller, M2_NeverWaitsForAChildItWasNotGiven) {
  TestProcess zombie;
  zombie.end(3);
  TestProcess watched;
  const Handle watch = children_.watch(watched.pid(), note());
  std::array<Child, kFew> children;
  for (Child& child : children) child = spawn({"/bin/true"});
  watched.end(4);
  run_until_told(kFew + 1);
  EXPECT_EQ(WEXITSTATUS(zombie.reap()), 3);
  EXPECT_EQ(WEXITSTATUS(watched.reap()), 4);
}

TEST_P(ChildrenOnEveryPoller, M2_AChildThatOtherCodeHasReapedIsToldOnce) {
  const Child child = shell("exit 7");
  ASSERT_EQ(::waitpid(child.pid(), nullptr, 0), child.pid());
  const ProcessExit exit = next_exit();
  EXPECT_EQ(exit.pid, child.pid());
  EXPECT_EQ(exit.code.value_or(7), 7);
  EXPECT_FALSE(exit.signal);
  if (knows_status_of_others()) {
    EXPECT_TRUE(exit.is_known());
  }
}

// The kernel may have reaped such a child before it can be watched.
TEST_P(ChildrenOnEveryPoller, M2_WhileTheProgramIgnoresSigchldEachExitIsToldOnce) {
  EXPECT_TRUE(holds_in_a_forked_child([] {
    ::signal(SIGCHLD, SIG_IGN);
    Reactor reactor(on_poller(GetParam()));
    Children children(reactor);
    std::map<int, int> told;
    std::array<Child, 20> all;
    for (Child& child : all) {
      child = children.spawn({.arguments = {"/bin/true"}}, [&](const ProcessExit& exit) {
        ++told[exit.pid];
        EXPECT_EQ(exit.code.value_or(0), 0);
      });
      EXPECT_EQ(told.count(child.pid()), 0U) << "told before the handle was there";
    }
    while (told.size() < all.size()) ASSERT_NE(reactor.run_once(kPatience), 0U);
    EXPECT_EQ(reactor.dispatch(), 0U);
    for (const Child& child : all) EXPECT_EQ(told[child.pid()], 1);
  }));
}

// The same for certain.
TEST_P(ChildrenOnEveryPoller, M2_AChildThatIsGoneBeforeItIsWatchedIsToldOnce) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  EXPECT_TRUE(holds_in_a_forked_child([] {
    Reactor reactor(on_poller(GetParam()));
    Children children(reactor);
    ASSERT_TRUE(let_call_fail(SYS_pidfd_open, ESRCH));
    int told = 0;
    Child child = children.spawn({.arguments = {"sleep", "1000"}}, [&](const ProcessExit& exit) {
      ++told;
      EXPECT_FALSE(exit.is_known());
    });
    EXPECT_FALSE(child.kill(SIGKILL)) << "its number may be another's";
    EXPECT_EQ(reactor.dispatch(), 1U);
    EXPECT_EQ(reactor.dispatch(), 0U);
    EXPECT_EQ(told, 1);
    ::kill(child.pid(), SIGKILL);  // it is there after all
    ::waitpid(child.pid(), nullptr, 0);
  }));
}

/// Traces a process, as a debugger does.
class Tracer {
 public:
  explicit Tracer(int pid) {
    SocketPair pair = make_socket_pair();
    for (const int fd : {pair.near.fd(), pair.far.fd()}) ::fcntl(fd, F_SETFL, 0);
    tracer_ = checked(::fork(), "fork");
    if (tracer_ == 0) {
      pair.near.reset();
      run(pair.far.fd(), pid);
    }
    to_it_ = std::move(pair.near);
    is_tracing_ = answer() == 'y';
  }
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;
  ~Tracer() {
    to_it_.reset();
    ::waitpid(tracer_, nullptr, 0);
  }
  [[nodiscard]] bool is_tracing() const { return is_tracing_; }
  void see_it_end() const { ask('z'); }
  void let_it_go() const { ask('r'); }

 private:
  [[noreturn]] static void run(int commands, int pid) {
    const bool traces = ::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0;
    char command = traces ? 'y' : 'n';
    while (::write(commands, &command, 1) == 1 && ::read(commands, &command, 1) == 1) {
      siginfo_t info = {};
      const int keep = command == 'z' ? WNOWAIT : 0;
      ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | __WALL | keep);
    }
    ::_exit(0);
  }
  [[nodiscard]] char answer() const {
    char byte = 0;
    EXPECT_EQ(::read(to_it_.fd(), &byte, 1), 1);
    return byte;
  }
  void ask(char command) const {
    put(to_it_.fd(), {&command, 1});
    EXPECT_EQ(answer(), command);
  }

  int tracer_ = -1;
  UniqueFd to_it_;
  bool is_tracing_ = false;
};

// A zombie that its tracer has not waited for is none for its parent yet: ptrace(2). But its pidfd
// is readable.
TEST_P(ChildrenOnEveryPoller, M2_AnExitThatATracerHoldsBackIsToldLaterAndDoesNotSpin) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  Child child = spawn({"sleep", "1000"});
  {
    const Tracer tracer(child.pid());
    EXPECT_TRUE(child.kill(SIGKILL));
    if (tracer.is_tracing()) {
      tracer.see_it_end();
      EXPECT_LT(turns_in(5ms), kFewTurns);
      EXPECT_EQ(exits_.size(), 0U);
      tracer.let_it_go();
    }
    EXPECT_EQ(next_exit().signal, SIGKILL);
  }
}

// ---- numbers

// Calls it as the first process of a namespace, where numbers of processes are small.
template <class Body>
[[nodiscard]] bool holds_in_own_pid_namespace(Body body) {
  return holds_in_a_forked_child([&] {
    if (::unshare(CLONE_NEWPID) == -1 && ::unshare(CLONE_NEWUSER | CLONE_NEWPID) == -1) {
      GTEST_SKIP() << "it may not have one: unshare(2)";
    }
    EXPECT_TRUE(holds_in_a_forked_child(body));
  });
}

void have_a_process_and_a_descriptor_of_one_number(std::string_view poller) {
  Reactor reactor(on_poller(poller));
  Children children(reactor);
  const SocketPair pair = make_socket_pair();
  int exits = 0;
  int events = 0;
  // Each try uses up a number, so the next number is that of no descriptor.
  for (int i = 0; i < 64; ++i) {
    EXPECT_THROW(static_cast<void>(children.spawn({.arguments = {"/no/such"}}, [](auto&) {})),
                 std::system_error);
  }
  Child child = children.spawn({.arguments = {"cat"}, .input = Stdio::pair},
                               [&](const ProcessExit&) { ++exits; });
  const UniqueFd same(::fcntl(pair.near.fd(), F_DUPFD_CLOEXEC, child.pid()));
  ASSERT_EQ(same.fd(), child.pid());
  const Watch watch = reactor.watch(same, {.readable = true}, [&](Ready) {
    ++events;
    EXPECT_EQ(take(same.fd()), "x");
  });
  put(pair.far.fd());
  while (events == 0) ASSERT_NE(reactor.run_once(kPatience), 0U);
  EXPECT_EQ(exits, 0);
  EXPECT_TRUE(child.kill(SIGTERM));
  while (exits == 0) ASSERT_NE(reactor.run_once(kPatience), 0U);
  EXPECT_EQ(events, 1);
  put(pair.far.fd());
  EXPECT_EQ(reactor.run_once(kPatience), 1U) << "the exit does not end the watch";
  EXPECT_EQ(exits, 1);
}

TEST_P(ChildrenOnEveryPoller, M2_AProcessAndADescriptorOfOneNumberDoNotClash) {
  EXPECT_TRUE(holds_in_own_pid_namespace(
      [] { have_a_process_and_a_descriptor_of_one_number(GetParam()); }));
}

// ---- a turn

TEST_P(ChildrenOnEveryPoller, O2_ATurnTellsAsManyAsItsBudget) {
  Children two_a_turn(reactor_, {.exits_per_turn = 2});
  std::array<TestProcess, 5> processes;
  std::vector<Handle> watches;
  for (TestProcess& process : processes) {
    process.end(0);
    watches.push_back(two_a_turn.watch(process.pid(), note()));
  }
  std::vector<std::size_t> turns;
  while (exits_.size() < processes.size()) {
    turns.push_back(turn());
    ASSERT_LE(turns.size(), 3U);
  }
  EXPECT_EQ(turns, (std::vector<std::size_t>{2, 2, 1}));
}

TEST_P(ChildrenOnEveryPoller, O6_AThrowLosesNoOtherExit) {
  std::array<TestProcess, kFew> processes;
  std::vector<Handle> watches;
  for (TestProcess& process : processes) {
    process.end(0);
    watches.push_back(children_.watch(process.pid(), [&](const ProcessExit& exit) {
      exits_.push_back(exit);
      if (exits_.size() < kFew) throw std::runtime_error("told");
    }));
  }
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(turn(), 0U);
  std::set<int> pids;
  for (const ProcessExit& exit : exits_) pids.insert(exit.pid);
  EXPECT_EQ(pids.size(), kFew);
}

TEST_P(ChildrenOnEveryPoller, M2_TellingExitsAllocatesNothing) {
  int told = 0;
  std::array<TestProcess, 2 * kFew> processes;
  std::vector<Handle> watches;
  const auto tell_half = [&](std::size_t first) {
    for (std::size_t i = first; i < first + kFew; ++i) {
      processes.at(i).end(0);
      watches.push_back(
          children_.watch(processes.at(i).pid(), [&](const ProcessExit&) { ++told; }));
    }
    return allocations_in([&] { turn(); });
  };
  static_cast<void>(tell_half(0));
  watches.reserve(2 * kFew);
  EXPECT_EQ(tell_half(kFew), 0U);
  EXPECT_EQ(told, 6);
}

TEST_P(ChildrenOnEveryPoller, M2_WatchingAndLettingGoAllocatesNothing) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  const TestProcess process;
  const auto watch_many = [&] {
    for (int i = 0; i < 1000; ++i) {
      const Handle watch = children_.watch(process.pid(), [](const ProcessExit&) {});
    }
  };
  watch_many();
  EXPECT_EQ(allocations_in(watch_many), 0U);
}

TEST_P(ChildrenOnEveryPoller, M5_AnObserverHearsTheNameOfEachCallback) {
  struct Names final : Observer {
    void before(const Call& call) noexcept override { names.emplace_back(call.name.text); }
    void after(const Call& /*call*/) noexcept override {}
    void turn(Duration /*waited*/, Duration /*worked*/) noexcept override {}
    std::vector<std::string> names;
  } observer;
  const Handle observing = reactor_.observe(observer);
  const Child child = children_.spawn({.arguments = {"/bin/true"}}, note(), "backup");
  run_until_told(1);
  EXPECT_EQ(observer.names, std::vector<std::string>{"backup"});
}

// ---- handles

TEST_P(ChildrenOnEveryPoller, M2_AChildWhoseHandleWentRunsOnAndIsReapedAtItsExit) {
  UniqueFd input;
  int pid = 0;
  {
    Child child = children_.spawn({.arguments = {"cat"}, .input = Stdio::pair},
                                  [](const ProcessExit&) { FAIL() << "its handle has gone"; });
    input = child.take_input();
    pid = child.pid();
  }
  EXPECT_EQ(turn(), 0U);
  EXPECT_TRUE(is_our_child(pid));
  input.reset();
  wait_until_zombie(pid);
  EXPECT_EQ(turn(), 0U);
  EXPECT_FALSE(is_our_child(pid));
}

TEST_P(ChildrenOnEveryPoller, M2_WhatHasEndedWhenChildrenGoesIsReaped) {
  auto children = std::make_unique<Children>(reactor_);
  const Child child = children->spawn({.arguments = {"/bin/true"}}, note());
  wait_until_zombie(child.pid());
  children.reset();
  EXPECT_FALSE(is_our_child(child.pid()));
  EXPECT_EQ(exits_.size(), 0U);
}

TEST_P(ChildrenOnEveryPoller, M2_WhatStillRunsWhenChildrenGoesIsReapedByALaterOne) {
  auto children = std::make_unique<Children>(reactor_);
  Child child = children->spawn({.arguments = {"cat"}, .input = Stdio::pair}, note());
  UniqueFd input = child.take_input();
  children.reset();
  EXPECT_TRUE(is_our_child(child.pid())) << "it is not killed";
  EXPECT_FALSE(child.active());
  EXPECT_FALSE(child.kill(SIGTERM));
  EXPECT_FALSE(child.terminate(0ns));
  input.reset();
  wait_until_zombie(child.pid());
  const Child another = spawn({"/bin/true"});
  EXPECT_FALSE(is_our_child(child.pid()));
  run_until_told(1);
}

// ---- threads and forks

// pidfd_open(2), without PIDFD_THREAD.
TEST_P(ChildrenOnEveryPoller, M2_AThreadIsNoProcess) {
#ifdef DETENT_KQUEUE_DOUBLE
  GTEST_SKIP() << "here kill(2), which the double asks, takes a thread for a process";
#endif
  std::atomic<pid_t> number = 0;
  std::promise<void> end;
  std::thread thread([&] {
    number = this_thread_number();
    end.get_future().wait();
  });
  while (number == 0) std::this_thread::yield();
  EXPECT_EQ(error_of([&] { static_cast<void>(children_.watch(number, note())); }),
            std::errc::no_such_process);
  end.set_value();
  thread.join();
}

TEST_P(ChildrenOnEveryPoller, O7_AnotherThreadMayNotUseIt) {
  Child child = spawn({"sleep", "1000"});
  std::thread([&] {
    EXPECT_THROW(static_cast<void>(spawn({"/bin/true"})), std::logic_error);
    EXPECT_THROW(static_cast<void>(children_.watch(child.pid(), note())), std::logic_error);
    EXPECT_THROW(child.kill(SIGTERM), std::logic_error);
    EXPECT_THROW(child.terminate(0ns), std::logic_error);
  }).join();
  EXPECT_TRUE(child.kill(SIGTERM));
  run_until_told(1);
}

TEST_P(ChildrenOnEveryPoller, O8_AForkedChildReapsAndSignalsNothing) {
  auto children = std::make_unique<Children>(reactor_);
  auto child = std::make_unique<Child>(
      children->spawn({.arguments = {"cat"}, .input = Stdio::pair}, note()));
  TestProcess process;
  auto watch = std::make_unique<Handle>(children->watch(process.pid(), note()));
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    EXPECT_THROW(child->kill(SIGKILL), std::logic_error);
    EXPECT_THROW(child->terminate(0ns), std::logic_error);
    EXPECT_THROW(static_cast<void>(children->watch(::getppid(), note())), std::logic_error);
    child.reset();
    watch.reset();
    children.reset();
  }));
  EXPECT_EQ(turn(), 0U);
  child->take_input().reset();
  process.end(0);
  run_until_told(2);
}

// ---- errors

TEST_P(ChildrenOnEveryPoller, M2_AProcessThatDoesNotExistIsNoSuchProcess) {
  TestProcess process;
  process.end(0);
  process.reap();
  try {
    static_cast<void>(children_.watch(process.pid(), note(), "the daemon"));
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::no_such_process);
    const std::string text = error.what();
    for (const std::string& part : {std::string("Children::watch"), std::string("the daemon"),
                                    std::to_string(process.pid()), std::string(__FILE__)}) {
      EXPECT_NE(text.find(part), std::string::npos) << text;
    }
  }
}

TEST_P(ChildrenOnEveryPoller, M2_MisuseIsAnInvalidArgument) {
  const auto watch = [&](int pid) {
    return message_of<std::invalid_argument>(
        [&] { static_cast<void>(children_.watch(pid, note())); });
  };
  EXPECT_NE(watch(0).find("0 is no number"), std::string::npos) << watch(0);
  EXPECT_NE(watch(-5).find("-5 is no number"), std::string::npos);
  EXPECT_NE(watch(::getpid()).find("this process"), std::string::npos);
  EXPECT_THROW(static_cast<void>(children_.watch(1, nullptr)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(children_.spawn({.arguments = {"/bin/true"}}, nullptr)),
               std::invalid_argument);
  EXPECT_THROW(Children(reactor_, {.exits_per_turn = 0}), std::invalid_argument);
}

DETENT_ON_EVERY_POLLER(ChildrenOnEveryPoller);

}  // namespace
}  // namespace detent
