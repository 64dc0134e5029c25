// SPDX-License-Identifier: BSL-1.0
/// \file
/// Which system calls a piece of code makes: it runs in a child that is traced (ptrace(2)).
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <functional>
#include <map>
#include <numeric>
#include <optional>

#include "support/kernel_double.h"

namespace detent::testing_support {

/// How often each call number was used.
using SystemCalls = std::map<long, int>;

inline int total(const SystemCalls& calls) {
  return std::accumulate(calls.begin(), calls.end(), 0,
                         [](int sum, const auto& call) { return sum + call.second; });
}

namespace system_calls_detail {

// Nobody else asks for that; it brackets what is counted.
inline void mark() { ::syscall(SYS_getpgid, 0x0DE7E27); }

[[noreturn]] inline void run_traced(const std::function<std::function<void()>()>& set_up) {
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == -1) ::_exit(1);
  ::raise(SIGSTOP);
  const std::function<void()> counted = set_up();
  mark();
  counted();
  mark();
  ::_exit(0);
}

// The number of the call that the child is about to make, if that is why it stopped.
inline std::optional<long> entered_call(pid_t child) {
  __ptrace_syscall_info info = {};
  const auto size = ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
  if (size <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY) return std::nullopt;
  if (info.entry.nr == SYS_getpgid && info.entry.args[0] == 0x0DE7E27) return -1;
  return static_cast<long>(info.entry.nr);
}

// Whatever the machine and the sanitizers' runtimes add: where the vDSO cannot tell the time, and
// memory for shadow.
inline bool is_of_the_runtime(long call) {
  return call == SYS_clock_gettime || call == SYS_mmap || call == SYS_munmap ||
         call == SYS_madvise || call == SYS_futex || call == SYS_sched_yield;
}

}  // namespace system_calls_detail

/// What the function that `set_up` returns calls; both run in a child, so loops are made in
/// `set_up`. Nullopt where tracing is not allowed, or would show what the kernel's double calls.
inline std::optional<SystemCalls> system_calls_of(
    const std::function<std::function<void()>()>& set_up) {
  namespace detail = system_calls_detail;
  if (kKernelIsADouble) return std::nullopt;
  const pid_t child = ::fork();
  if (child == 0) detail::run_traced(set_up);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFSTOPPED(status)) return std::nullopt;
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);

  SystemCalls calls;
  int marks = 0;
  int signal = 0;
  for (;;) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, signal);
    ::waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) break;
    const bool at_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
    signal = at_call ? 0 : WSTOPSIG(status);
    const std::optional<long> call = at_call ? detail::entered_call(child) : std::nullopt;
    if (call == -1) ++marks;
    if (marks == 1 && call && *call != -1 && !detail::is_of_the_runtime(*call)) ++calls[*call];
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0 && marks == 2) << "status " << status;
  return calls;
}

}  // namespace detent::testing_support
