// SPDX-License-Identifier: BSL-1.0
/// \file
/// What a kernel keeps for a process: its kqueues by their numbers, under one lock.
#pragma once

#include <signal.h>
#include <time.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "unseen_memory.h"

namespace kqueue_double {

class Queue;

template <class Key, class Value>
using UnseenMap =
    std::map<Key, Value, std::less<Key>, UnseenAllocator<std::pair<const Key, Value>>>;

struct Kernel : Unseen {
  UnseenMap<int, std::shared_ptr<Queue>> queues = {};
  std::set<int, std::less<int>, UnseenAllocator<int>> hidden = {};  // what is_hidden() knows
};

/// Whoever holds one is inside of the kernel. No signal interrupts it there, so that a handler may
/// call kevent() whatever its thread was doing: the lock is never held below it.
class InKernel {
 public:
  InKernel() noexcept;
  InKernel(const InKernel&) = delete;
  InKernel& operator=(const InKernel&) = delete;
  ~InKernel();

  /// Sleeps outside of the lock, with the thread's own signal mask, until `fd` is readable, `most`
  /// is over (never, when empty), or a handler has run: then it is false.
  [[nodiscard]] bool sleep(int fd, const std::optional<timespec>& most) const noexcept;

 private:
  sigset_t mask_ = {};
};

/// For whoever is InKernel.
[[nodiscard]] Kernel& kernel() noexcept;

/// Whether there is any kqueue. While there is none, closing costs nothing.
[[nodiscard]] bool in_use() noexcept;

/// Makes `queue` the kqueue of that number; for whoever is InKernel.
void adopt(int number, std::shared_ptr<Queue> queue);

/// Forgets what is known of the descriptors from `first` to `last`, which are about to be closed:
/// their registrations everywhere and, where one is a kqueue, all of it.
void forget(unsigned first, unsigned last) noexcept;

/// A handler that has run for the double alone does not end a sleep.
void hide_this_interruption() noexcept;

}  // namespace kqueue_double
