// SPDX-License-Identifier: BSL-1.0
#include "detent/affinity.h"

#include <pthread.h>

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include "sys.h"

namespace detent {

std::atomic<unsigned> affinity::fork_count = 0;

namespace {

// Counts forks for the life of the process, since an atfork handler cannot be removed.
void count_forks() {
  static const int registered = pthread_atfork(
      nullptr, nullptr, [] { affinity::fork_count.fetch_add(1, std::memory_order_relaxed); });
  sys::check_code(registered, "pthread_atfork");
}

}  // namespace

Affinity::Affinity() {
  count_forks();
  forks_ = affinity::fork_count.load(std::memory_order_relaxed);
}

void Affinity::fail(const char* call) const {
  const char* const why = in_forked_child()
                              ? ": this loop belongs to the parent process; make a new Reactor"
                              : ": this loop belongs to another thread; use post, stop or wake";
  throw std::logic_error(std::string(call) + why);
}

void Affinity::terminate_unless_forked(const char* call) const noexcept {
  // The child's only thread may be the copy of any of the parent's.
  if (in_forked_child()) return;
  std::fprintf(stderr, "detent: %s: this loop belongs to another thread\n", call);
  std::terminate();
}

}  // namespace detent
