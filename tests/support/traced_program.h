// SPDX-License-Identifier: BSL-1.0
/// \file
/// Looks into a running child with ptrace(2): which system calls it makes, what it leaves open.
/// Each function is nullopt where tracing is not allowed.
#pragma once

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <map>
#include <optional>
#include <string>

#include "support/child_program.h"
#include "support/kernel_double.h"
#include "support/system_calls.h"

namespace detent::testing_support {

/// The calls of its main thread until it has written `writes` times, which a program that prints
/// each line at once does a line; or 5,000 of them, for one that would never get there.
inline std::optional<SystemCalls> system_calls_until(const ChildProgram& program, int writes) {
  const pid_t pid = program.pid();
  if (kKernelIsADouble) return std::nullopt;
  if (::ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACESYSGOOD) == -1) return std::nullopt;
  ::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr);
  SystemCalls calls;
  int status = 0;
  while (::waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
    int signal = 0;
    if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
      const std::optional<EnteredCall> call = system_calls_detail::entered_call(pid);
      if (call && !system_calls_detail::is_of_the_runtime(call->number)) ++calls[call->number];
      if (calls[SYS_write] == writes || total(calls) == 5000) break;
    } else if (status >> 16 == 0) {
      signal = WSTOPSIG(status);
    }
    ::ptrace(PTRACE_SYSCALL, pid, nullptr, signal);
  }
  ::ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
  return calls;
}

/// Calls `end_it`, which makes the program end, and tells what it has left for the kernel to close.
/// LeakSanitizer does not work in a program that is traced: switch it off there.
template <class F>
std::optional<std::map<int, std::string>> descriptors_at_exit(const ChildProgram& program,
                                                              F&& end_it) {
  const pid_t pid = program.pid();
  if (::ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACEEXIT) == -1) return std::nullopt;
  end_it();
  std::map<int, std::string> left;
  int status = 0;
  while (::waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
    const bool at_exit = status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8);
    if (at_exit) {
      left = program.descriptors();
      break;
    }
    ::ptrace(PTRACE_CONT, pid, nullptr, status >> 16 == 0 ? WSTOPSIG(status) : 0);
  }
  ::ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
  return left;
}

}  // namespace detent::testing_support
