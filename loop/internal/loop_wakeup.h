// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What ends the sleep of a loop. Unlike a Wakeup it survives that other code closes its
/// descriptor by mistake, and then it says so.
#pragma once

#include <atomic>

#include "detent/affinity.h"
#include "detent/poller.h"
#include "detent/unique_fd.h"

namespace detent {

/// Has two descriptors. One is watched; the other is there for the case that the first is lost, and
/// has a number that other code is unlikely to have had before. When one is lost, whether closed or
/// closed and reused, signals reach the loop by the other.
///
/// Where the poller goes by numbers alone (Capabilities::file_identity), a number that was reused
/// at once is found out only when the new file is ready. Until then the loop hears no signal.
class LoopWakeup {
 public:
  /// Throws std::system_error.
  LoopWakeup();
  LoopWakeup(const LoopWakeup&) = delete;
  LoopWakeup& operator=(const LoopWakeup&) = delete;
  ~LoopWakeup();

  /// From any thread and any signal handler; keeps errno. Does nothing to the file of other code
  /// that has reused the number of the watched descriptor.
  void signal() const noexcept;

  // ---- the loop's thread
  /// Has `poller` report signals under `id`. Throws as Poller::add does.
  void watch(Poller& poller, HandlerId id);
  /// Answers an event that was reported under `id`: takes the signals back. Throws std::logic_error
  /// once when it finds that a descriptor was lost; from then on the other serves for both.
  void heard(Poller& poller, HandlerId id, Ready ready) {
    if (ready.invalid || !is_whole()) [[unlikely]]
      go_on_with_one(poller, id, ready);
  }
  /// Takes the signals back, so that the watched descriptor is not readable. False if none came.
  bool clear() noexcept;

  [[nodiscard]] int fd() const noexcept { return watched_.fd(); }
  /// -1 when one was lost.
  [[nodiscard]] int spare() const noexcept { return spare_.fd(); }

 private:
  // ---- Each system has its own; also the constructor, and signal().
  static Interest interest(const Poller& poller) noexcept;
  // Takes the signals back. False when a descriptor was lost.
  [[nodiscard]] bool is_whole() noexcept;
  [[nodiscard]] bool find_out() noexcept;
  // Whether the poller has to watch both from the beginning.
  static const bool kWatchesBoth;

  [[noreturn]] void go_on_with_one(Poller& poller, HandlerId id, Ready ready);

  UniqueFd watched_;
  UniqueFd spare_;
  std::atomic<int> first_;   // what is signalled,
  std::atomic<int> second_;  // and what if that cannot be
  static_assert(std::atomic<int>::is_always_lock_free, "used in signal handlers");
  bool edge_ = false;  // is what is told
  int question_ = 0;   // Linux: what the kernel is asked about the watched one
  Affinity affinity_;
};

}  // namespace detent
