// SPDX-License-Identifier: BSL-1.0
/// \file
/// Processes for tests: children of the test, children of others, and proof that none is left.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detent/children.h"
#include "detent/reactor.h"
#include "support/child_program.h"
#include "support/connected_pair.h"
#include "support/errors.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"

namespace detent::testing_support {

/// Waits until a child of this process is a zombie, and leaves it one.
inline void wait_until_zombie(int pid) {
  siginfo_t info = {};
  checked(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), "waitid");
}

/// Whether that child of this process runs or is a zombie.
[[nodiscard]] inline bool is_our_child(int pid) {
  siginfo_t info = {};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/// Whether this process has any child, that runs or is a zombie.
[[nodiscard]] inline bool has_children() {
  siginfo_t info = {};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/// Starts a program as a child of the test, with its input from `input`. Cheaper than a fork of the
/// test, above all under a sanitizer.
[[nodiscard]] inline int start(std::vector<std::string> arguments, int input = STDIN_FILENO) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  pid_t pid = -1;
  EXPECT_EQ(::posix_spawnp(&pid, pointers.front(), &actions, nullptr, pointers.data(), environ), 0);
  ::posix_spawn_file_actions_destroy(&actions);
  return pid;
}

/// A child of the test, which ends when it is told to, and is reaped when this goes.
class TestProcess {
 public:
  TestProcess() {
    SocketPair pair = make_socket_pair();
    ::fcntl(pair.far.fd(), F_SETFL, 0);  // blocks
    pid_ = start({"sh", "-c", "read code; exit $code"}, pair.far.fd());
    to_it_ = std::move(pair.near);
  }
  TestProcess(const TestProcess&) = delete;
  TestProcess& operator=(const TestProcess&) = delete;
  ~TestProcess() {
    if (is_reaped_) return;
    end(0);
    reap();
  }
  [[nodiscard]] int pid() const { return pid_; }
  /// It is a zombie when this returns.
  void end(int code) {
    if (to_it_) put(to_it_.fd(), std::to_string(code) + "\n");
    to_it_.reset();
    wait_until_zombie(pid_);
  }
  int reap() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    is_reaped_ = true;
    return status;
  }

 private:
  int pid_ = -1;
  bool is_reaped_ = false;
  UniqueFd to_it_;
};

/// A child of another process, which reaps it when told to.
class ForeignProcess {
 public:
  ForeignProcess() {
    SocketPair pair = make_socket_pair();
    for (const int fd : {pair.near.fd(), pair.far.fd()}) ::fcntl(fd, F_SETFL, 0);
    parent_ = checked(::fork(), "fork");
    if (parent_ == 0) {
      pair.near.reset();
      run(pair.far.fd());
    }
    to_parent_ = std::move(pair.near);
    checked(static_cast<int>(::read(to_parent_.fd(), &pid_, sizeof pid_)), "read");
  }
  ForeignProcess(const ForeignProcess&) = delete;
  ForeignProcess& operator=(const ForeignProcess&) = delete;
  ~ForeignProcess() {
    to_parent_.reset();  // the parent ends, and kills it if it runs
    ::waitpid(parent_, nullptr, 0);
  }
  [[nodiscard]] int pid() const { return pid_; }
  /// It is a zombie when this returns.
  void end_by(int signal) {
    checked(::kill(pid_, signal), "kill");
    ask('z');
  }
  void reap() { ask('r'); }

 private:
  [[noreturn]] static void run(int commands) {
    const int child = ::fork();
    if (child == 0) {
      ::close(commands);
      for (;;) ::pause();
    }
    if (::write(commands, &child, sizeof child) != sizeof child) ::_exit(1);
    for (char command = 0; ::read(commands, &command, 1) == 1;) {
      siginfo_t info = {};
      ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | (command == 'z' ? WNOWAIT : 0));
      if (::write(commands, &command, 1) != 1) break;
    }
    ::kill(child, SIGKILL);
    ::_exit(0);
  }
  void ask(char command) const {
    put(to_parent_.fd(), {&command, 1});
    EXPECT_EQ(::read(to_parent_.fd(), &command, 1), 1);
  }

  int parent_ = -1;
  int pid_ = -1;
  UniqueFd to_parent_;
};

/// Has a Children on each poller, notes what it tells, and finds no child left at the end.
class ChildrenOnEveryPoller : public ReactorOnEveryPoller {
 protected:
  static constexpr std::size_t kFew = 3;

  void TearDown() override { EXPECT_FALSE(has_children()) << "left, perhaps a zombie"; }

  [[nodiscard]] auto note() {
    return [this](const ProcessExit& exit) { exits_.push_back(exit); };
  }
  [[nodiscard]] Child spawn(std::vector<std::string> arguments) {
    return children_.spawn({.arguments = std::move(arguments)}, note());
  }
  [[nodiscard]] Child shell(const std::string& script) { return spawn({"sh", "-c", script}); }

  /// Until so many exits were told in all.
  void run_until_told(std::size_t count) {
    while (exits_.size() < count) {
      ASSERT_NE(reactor_.run_once(kPatience), 0U) << exits_.size() << " exits were told";
    }
    EXPECT_EQ(turn(), 0U);
    EXPECT_EQ(exits_.size(), count);
  }
  /// The exit that is told next.
  [[nodiscard]] ProcessExit next_exit() {
    run_until_told(exits_.size() + 1);
    return exits_.empty() ? ProcessExit{} : exits_.back();
  }

  std::vector<ProcessExit> exits_;
  Children children_{reactor_};
};

/// Whether the kernel tells the status of a process that its parent has reaped (Linux 6.15), or of
/// any process that has ended (BSD).
[[nodiscard]] inline bool knows_status_of_others() {
  static const bool knows = [] {
    Reactor reactor;
    Children children(reactor);
    const auto watch_parent = [&] {
      static_cast<void>(
          children.watch(::getppid(), {.wait_for_status = true}, [](const ProcessExit&) {}));
    };
    return error_of(watch_parent) != std::errc::not_supported;
  }();
  return knows;
}

}  // namespace detent::testing_support
