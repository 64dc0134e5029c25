// SPDX-License-Identifier: BSL-1.0
/// \file
/// Makes system calls fail, or end the process, in a child that a test has forked for that.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace detent::testing_support {

/// From now on, in this process, the kernel answers the calls of those numbers (SYS_...) with
/// `action`, as seccomp(2) has it. False where that is not allowed. There is no way back.
[[nodiscard]] inline bool answer_calls(std::initializer_list<long> numbers, std::uint32_t action) {
  std::vector<sock_filter> program = {
      sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)}};
  for (const long number : numbers) {
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(number)});
    program.push_back({BPF_RET | BPF_K, 0, 0, action});
  }
  program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
  const sock_fprog filter = {.len = static_cast<unsigned short>(program.size()),
                             .filter = program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// The call does nothing and says `error`.
[[nodiscard]] inline bool let_call_fail(long number, int error) {
  return answer_calls({number}, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
}

/// The calls end the process.
[[nodiscard]] inline bool let_calls_kill(std::initializer_list<long> numbers) {
  return answer_calls(numbers, SECCOMP_RET_KILL_PROCESS);
}

}  // namespace detent::testing_support
