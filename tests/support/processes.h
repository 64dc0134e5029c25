// SPDX-License-Identifier: BSL-1.0
/// \file
/// Children, and other threads' states, for tests that must not guess with sleeps.
#pragma once

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "support/standard.h"

namespace detent::testing_support {

/// Runs `body`, with its EXPECTs, in a forked child and waits for it. True when all held there.
template <class Body>
[[nodiscard]] bool holds_in_a_forked_child(Body body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      body();
    } catch (const std::exception& e) {
      ADD_FAILURE() << "the child threw " << e.what();
    }
    std::fflush(nullptr);
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  EXPECT_EQ(child, ::waitpid(child, &status, 0));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

inline pid_t this_thread_number() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

/// Returns when that thread, of this process or of another, sleeps in the kernel.
inline void wait_until_asleep(pid_t thread) {
  const std::string file = "/proc/" + std::to_string(thread) + "/stat";
  for (;;) {
    std::string line;
    std::getline(std::ifstream(file), line);
    // "number (name) state ...", and the name may hold anything.
    const std::size_t end_of_name = line.rfind(')');
    if (end_of_name == std::string::npos) return;  // it has ended
    if (line.compare(end_of_name, 3, ") S") == 0) return;
    std::this_thread::yield();
  }
}

/// Does that in another thread when the calling one sleeps.
template <class Act>
[[nodiscard]] std::jthread when_asleep(Act act) {
  return std::jthread([act = std::move(act), waiting = this_thread_number()]() mutable {
    wait_until_asleep(waiting);
    act();
  });
}

}  // namespace detent::testing_support
