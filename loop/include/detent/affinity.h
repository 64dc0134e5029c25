// SPDX-License-Identifier: BSL-1.0
/// \file
/// The thread and the process that a loop belongs to: the ones in which it was made.
///
/// One thread uses a loop, and a forked child must not use its parent's loop. Parent and child
/// share the loop's kernel objects, so the child could change what the parent waits for. The checks
/// cost a few instructions and no system call, and stay on in release builds.
#pragma once

#include <atomic>

#include "detent/needs_cpp20.h"

namespace detent {

namespace affinity {
// Its address differs in each living thread. With `constinit` an access needs no wrapper call.
inline thread_local constinit char thread_mark = 0;
// Forks between the first process that made a loop and this one: pthread_atfork(3).
extern std::atomic<unsigned> fork_count;
}  // namespace affinity

/// Remembers the thread and the process that made it.
class Affinity {
 public:
  Affinity();

  /// True in a process forked from the one that made this.
  [[nodiscard]] bool in_forked_child() const noexcept {
    return forks_ != affinity::fork_count.load(std::memory_order_relaxed);
  }
  /// True in the thread that made this.
  [[nodiscard]] bool on_own_thread() const noexcept { return thread_ == &affinity::thread_mark; }

  /// Throws std::logic_error that names `call` when used by another thread or a forked child.
  void check(const char* call) const {
    if (!on_own_thread() || in_forked_child()) [[unlikely]]
      fail(call);
  }
  /// The same for functions that must not throw: on another thread, ends the program with a
  /// message. Lets a forked child pass, so that its destructors can run.
  void check_or_terminate(const char* call) const noexcept {
    if (!on_own_thread()) [[unlikely]]
      terminate_unless_forked(call);
  }

 private:
  [[noreturn]] void fail(const char* call) const;
  void terminate_unless_forked(const char* call) const noexcept;

  const char* thread_ = &affinity::thread_mark;
  unsigned forks_;
};

}  // namespace detent
