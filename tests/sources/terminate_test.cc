// SPDX-License-Identifier: BSL-1.0
// SIGTERM, and SIGKILL when the grace is over. The clock is virtual, the processes are real.
#include "detent/simulation.h"
#include "process_fixtures.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

constexpr Duration kGrace = 10s;

class TerminateOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  void TearDown() override { EXPECT_FALSE(has_children()) << "left, perhaps a zombie"; }

  [[nodiscard]] auto note() {
    return [this](const ProcessExit& exit) { exits_.push_back(exit); };
  }
  /// Runs a script that says "ready", and waits for that.
  [[nodiscard]] Child shell(const std::string& script, bool own_group = false) {
    Child child = children_.spawn({.arguments = {"sh", "-c", script},
                                   .own_group = own_group,
                                   .input = Stdio::pair,
                                   .output = Stdio::pair},
                                  note());
    output_ = child.take_output();
    pollfd readable = {.fd = output_.fd(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&readable, 1, kMilliseconds), 1);
    EXPECT_EQ(take(output_.fd()), "ready\n");
    return child;
  }
  /// Whether all that have its output open come to an end.
  [[nodiscard]] bool output_ends() const {
    pollfd readable = {.fd = output_.fd(), .events = POLLIN, .revents = 0};
    return ::poll(&readable, 1, kMilliseconds) == 1 && (readable.revents & POLLHUP) != 0;
  }
  [[nodiscard]] bool output_is_open() const {
    pollfd readable = {.fd = output_.fd(), .events = POLLIN, .revents = 0};
    return ::poll(&readable, 1, 0) == 0;
  }
  /// Of a child that is ending, and is the only one to be told.
  [[nodiscard]] ProcessExit exit_of(int pid) {
    run_until_ended(pid);
    EXPECT_EQ(exits_.size(), 1U);
    return exits_.empty() ? ProcessExit{} : exits_.front();
  }
  void run_until_ended(int pid) {
    siginfo_t info = {};  // a failure means that it is reaped
    ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
    reactor_.dispatch();
  }

  static constexpr int kMilliseconds = 20'000;
  static constexpr const char* kStubborn = "trap '' TERM; echo ready; read x";

  Simulation clock_;
  Reactor reactor_{{.poller = make_poller(GetParam()), .clock = &clock_}};
  std::vector<ProcessExit> exits_;
  Children children_{reactor_};
  UniqueFd output_;
};

TEST_P(TerminateOnEveryPoller, M2_TermEndsIt) {
  Child child = shell("echo ready; read x");
  EXPECT_TRUE(child.terminate(kGrace));
  EXPECT_EQ(exit_of(child.pid()).signal, SIGTERM);
  EXPECT_FALSE(child.terminate(kGrace)) << "its exit was told";
}

TEST_P(TerminateOnEveryPoller, M2_OneThatIgnoresTermIsKilledWhenTheGraceIsOver) {
  Child child = shell(kStubborn);
  EXPECT_TRUE(child.terminate(kGrace));
  clock_.advance(kGrace - 1ns);
  reactor_.dispatch();
  EXPECT_TRUE(output_is_open());
  clock_.advance(1ns);
  reactor_.dispatch();
  EXPECT_EQ(exit_of(child.pid()).signal, SIGKILL);
}

TEST_P(TerminateOnEveryPoller, M2_AnExitWithinTheGraceIsToldAsItIs) {
  Child child = shell("trap 'exit 5' TERM; echo ready; while :; do read x; done");
  EXPECT_TRUE(child.terminate(kGrace));
  EXPECT_EQ(exit_of(child.pid()).code, 5);
}

// The last child has the number in the table that the first had.
TEST_P(TerminateOnEveryPoller, M2_TheEndOfAGraceReachesNoLaterChild) {
  Child child = shell("echo ready; read x");
  EXPECT_TRUE(child.terminate(kGrace));
  EXPECT_EQ(exit_of(child.pid()).signal, SIGTERM);
  for (const Duration passes : {Duration::zero(), kGrace}) {
    exits_.clear();
    Child later = shell("echo ready; read x; exit 3");
    clock_.advance(passes);
    reactor_.dispatch();
    later.take_input().reset();
    EXPECT_EQ(exit_of(later.pid()).code, 3);
  }
}

TEST_P(TerminateOnEveryPoller, M2_TheGraceIsKeptThoughTheHandleGoes) {
  int pid = 0;
  UniqueFd input;
  {
    Child child = shell(kStubborn);
    input = child.take_input();
    pid = child.pid();
    EXPECT_TRUE(child.terminate(kGrace));
  }
  EXPECT_TRUE(output_is_open());
  clock_.advance(kGrace);
  reactor_.dispatch();
  EXPECT_TRUE(output_ends());
  run_until_ended(pid);
  EXPECT_EQ(exits_.size(), 0U);
}

TEST_P(TerminateOnEveryPoller, M2_ASecondCallSetsTheTimeAnew) {
  Child child = shell(kStubborn);
  EXPECT_TRUE(child.terminate(kGrace));
  EXPECT_TRUE(child.terminate(2 * kGrace));
  clock_.advance(kGrace);
  reactor_.dispatch();
  EXPECT_TRUE(output_is_open());
  EXPECT_TRUE(child.terminate(-1s)) << "no grace";
  reactor_.dispatch();
  EXPECT_EQ(exit_of(child.pid()).signal, SIGKILL);
}

TEST_P(TerminateOnEveryPoller, M2_TheLongestGraceIsForEver) {
  Child child = shell(kStubborn);
  EXPECT_TRUE(child.terminate(kGrace));
  EXPECT_TRUE(child.terminate(Duration::max()));
  clock_.advance(2 * kGrace);
  reactor_.dispatch();
  EXPECT_TRUE(output_is_open());
  EXPECT_TRUE(child.kill(SIGKILL));
  EXPECT_EQ(exit_of(child.pid()).signal, SIGKILL);
}

TEST_P(TerminateOnEveryPoller, M2_EachOfSeveralHasItsOwnGrace) {
  std::vector<Child> children;
  for (const Duration grace : {3s, 1s, 2s}) {
    children.push_back(shell(kStubborn));
    EXPECT_TRUE(children.back().terminate(grace));
  }
  std::vector<int> ended;
  for (const std::size_t next : {1U, 2U, 0U}) {
    clock_.advance(1s);
    reactor_.dispatch();
    run_until_ended(children[next].pid());
    ended.push_back(children[next].pid());
    ASSERT_EQ(exits_.size(), ended.size());
    EXPECT_EQ(exits_.back().pid, ended.back());
  }
}

// ---- groups

TEST_P(TerminateOnEveryPoller, M2_KillReachesAllOfItsGroup) {
  Child child = shell("sleep 1000 & echo ready; read x", true);
  EXPECT_TRUE(child.kill(SIGTERM));
  EXPECT_EQ(exit_of(child.pid()).signal, SIGTERM);
  EXPECT_TRUE(output_ends());
}

TEST_P(TerminateOnEveryPoller, M2_WithoutAGroupOfItsOwnItAloneIsSignalled) {
  Child child = shell("exec 3<&0; cat <&3 & echo ready; wait");
  UniqueFd input = child.take_input();
  EXPECT_TRUE(child.kill(SIGTERM));
  EXPECT_EQ(exit_of(child.pid()).signal, SIGTERM);
  EXPECT_TRUE(output_is_open()) << "of the other, which reads until its input ends";
  input.reset();
  EXPECT_TRUE(output_ends());
}

TEST_P(TerminateOnEveryPoller, M2_WhatIsLeftOfItsGroupIsKilledWhenTheGraceIsOver) {
  Child child = shell("(trap '' TERM; echo ready; exec sleep 1000) & wait", true);
  EXPECT_TRUE(child.terminate(kGrace));
  EXPECT_EQ(exit_of(child.pid()).signal, SIGTERM);
  EXPECT_TRUE(is_our_child(child.pid())) << "a zombie keeps the number of its group";
  reactor_.dispatch();
  EXPECT_TRUE(output_is_open());
  clock_.advance(kGrace);
  reactor_.dispatch();
  EXPECT_TRUE(output_ends());
  EXPECT_FALSE(is_our_child(child.pid()));
  EXPECT_EQ(exits_.size(), 1U);
}

TEST_P(TerminateOnEveryPoller, M2_AZombieThatKeepsItsGroupIsReapedWhenChildrenGoes) {
  Children children(reactor_);
  {
    Children shorter(reactor_);
    Child child = shorter.spawn({.arguments = {"sleep", "1000"}, .own_group = true}, note());
    EXPECT_TRUE(child.terminate(kGrace));
    EXPECT_EQ(exit_of(child.pid()).signal, SIGTERM);
    EXPECT_TRUE(has_children());
  }
  EXPECT_FALSE(has_children());
}

// ---- errors

TEST_P(TerminateOnEveryPoller, M2_ASignalThatDoesNotExistIsAnError) {
  Child child = shell("echo ready; read x");
  EXPECT_THROW(child.kill(-1), std::system_error);
  EXPECT_THROW(child.kill(1000), std::system_error);
  try {
    child.kill(1000);
  } catch (const std::system_error& error) {
    const std::string text = error.what();
    const std::string process = "Child::kill: process " + std::to_string(child.pid()) + ", ";
    EXPECT_TRUE(text.starts_with(process)) << text;
    EXPECT_NE(text.find("terminate_test.cc:"), std::string::npos) << text;
    EXPECT_NE(text.find("signal 1000: "), std::string::npos) << text;
  }
  EXPECT_TRUE(child.kill(0)) << "kill(2): asks only";
  EXPECT_TRUE(child.kill(SIGTERM));
  EXPECT_EQ(exit_of(child.pid()).signal, SIGTERM);
}

TEST_P(TerminateOnEveryPoller, M2_ToSignalByAHandleThatIsEmptyIsMisuse) {
  Child child = shell("echo ready; read x");
  const UniqueFd input = child.take_input();
  const int pid = child.pid();
  child.cancel();
  EXPECT_THROW(child.kill(SIGTERM), std::logic_error);
  EXPECT_THROW(child.terminate(kGrace), std::logic_error);
  EXPECT_THROW(Child().kill(SIGTERM), std::logic_error);
  EXPECT_TRUE(output_is_open()) << "it runs on";
  ::kill(pid, SIGTERM);
  run_until_ended(pid);
  EXPECT_EQ(exits_.size(), 0U);
}

DETENT_ON_EVERY_POLLER(TerminateOnEveryPoller);

}  // namespace
}  // namespace detent
