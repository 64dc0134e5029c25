// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Ends the sleep of a loop. Unlike a Wakeup, it goes on, and reports it, when other code
/// closes its descriptor by mistake.
#pragma once

#include <atomic>

#include "detent/affinity.h"
#include "detent/poller.h"
#include "detent/unique_fd.h"

namespace detent {

/// Has two descriptors. The loop watches one. The other is a spare, with a number that other code
/// is unlikely to have had. When other code closes one, and perhaps reuses its number, signals
/// reach the loop by the other.
///
/// A poller without Capabilities::file_identity notices a number that was reused at once only when
/// the new file is ready. Until then signals do not reach the loop.
class LoopWakeup {
 public:
  /// Throws std::system_error.
  LoopWakeup();
  LoopWakeup(const LoopWakeup&) = delete;
  LoopWakeup& operator=(const LoopWakeup&) = delete;
  ~LoopWakeup();

  /// From any thread and any signal handler; keeps errno. If other code reused the number of the
  /// watched descriptor, does nothing to that file.
  void signal() const noexcept;

  // ---- the loop's thread
  /// Makes `poller` report signals under `id`. Throws as Poller::add does.
  void watch(Poller& poller, HandlerId id);
  /// Handles an event with this `id`: clears the signals. When it finds a descriptor lost, uses the
  /// other for both from then on, and throws std::logic_error once.
  void heard(Poller& poller, HandlerId id, Ready ready) {
    if (ready.invalid ? is_news() : !is_whole()) [[unlikely]]
      go_on_with_one(poller, id, ready);
  }
  /// Clears the signals, so that the watched descriptor is not readable. False if none came.
  bool clear() noexcept;

  [[nodiscard]] int fd() const noexcept { return watched_.fd(); }
  /// -1 when one was lost.
  [[nodiscard]] int spare() const noexcept { return spare_.fd(); }

 private:
  // ---- Each system has its own; also the constructor, and signal().
  static Interest interest(const Poller& poller) noexcept;
  // Clears the signals. False when a descriptor was lost.
  [[nodiscard]] bool is_whole() noexcept;
  [[nodiscard]] bool find_out() noexcept;
  // Whether the poller has to watch both from the beginning.
  static const bool kWatchesBoth;

  // Where the poller watches both, two events of one wait may show one loss.
  [[nodiscard]] bool is_news() noexcept { return !kWatchesBoth || spare_ || !is_whole(); }
  [[noreturn]] void go_on_with_one(Poller& poller, HandlerId id, Ready ready);

  UniqueFd watched_;
  UniqueFd spare_;
  std::atomic<int> first_;   // which is signalled,
  std::atomic<int> second_;  // and which if the first fails
  static_assert(std::atomic<int>::is_always_lock_free, "used in signal handlers");
  bool edge_ = false;  // the poller reports edges
  int question_ = 0;   // Linux: the fcntl(2) command that checks the watched one
  Affinity affinity_;
};

}  // namespace detent
