// SPDX-License-Identifier: BSL-1.0
/// \file
/// Which system calls a piece of code makes: it runs in a child that is traced (ptrace(2)).
#pragma once

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <numeric>

#include "support/kernel_double.h"
#include "support/standard.h"

namespace detent::testing_support {

/// How often each call number was used.
using SystemCalls = std::map<long, int>;

/// One call, as it is entered by the process that waits for the tracer meanwhile.
struct EnteredCall {
  pid_t process = 0;
  long number = 0;
  std::array<std::uint64_t, 6> arguments = {};
};

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

// The call that the child is about to make, if that is why it stopped.
inline std::optional<EnteredCall> entered_call(pid_t child) {
  __ptrace_syscall_info info = {};
  const auto size = ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
  if (size <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY) return std::nullopt;
  EnteredCall call = {.process = child, .number = static_cast<long>(info.entry.nr)};
  std::copy_n(info.entry.args, call.arguments.size(), call.arguments.begin());
  return call;
}

inline bool is_mark(const EnteredCall& call) {
  return call.number == SYS_getpgid && call.arguments[0] == 0x0DE7E27;
}

// Whatever the machine and the runtimes add: where the vDSO cannot tell the time, and memory, for a
// sanitizer's shadow or for a queue that grows to its size, which may or may not fit what malloc
// has in hand. That nothing is allocated in steady state is counted by itself:
// support/allocations.h.
inline bool is_of_the_runtime(long call) {
  return call == SYS_clock_gettime || call == SYS_brk || call == SYS_mmap || call == SYS_munmap ||
         call == SYS_madvise || call == SYS_futex || call == SYS_sched_yield;
}

}  // namespace system_calls_detail

/// What the function that `set_up` returns calls; both run in a child, so loops are made in
/// `set_up`. `look`, if any, is shown each call. Nullopt where tracing is not allowed, or would
/// show what the kernel's double calls.
inline std::optional<SystemCalls> system_calls_of(
    const std::function<std::function<void()>()>& set_up,
    const std::function<void(const EnteredCall&)>& look = {}) {
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
    const std::optional<EnteredCall> call = at_call ? detail::entered_call(child) : std::nullopt;
    if (!call || detail::is_of_the_runtime(call->number)) continue;
    if (detail::is_mark(*call)) {
      ++marks;
    } else if (marks == 1) {
      ++calls[call->number];
      if (look) look(*call);
    }
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0 && marks == 2) << "status " << status;
  return calls;
}

}  // namespace detent::testing_support
