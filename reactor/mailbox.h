// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The part of a loop that other threads and signal handlers may use. It has the posted
/// functions, the requests to stop and to wake, and the descriptor that ends the loop's sleep.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "detent/affinity.h"
#include "detent/callback.h"
#include "loop_wakeup.h"
#include "turn_queue.h"

namespace detent {

/// Keep data that one thread writes this many bytes apart from data that another reads. Else each
/// write takes away a cache line that the other thread needs. Two lines, since some processors
/// fetch pairs; one on Apple's. std::hardware_destructive_interference_size is not everywhere, and
/// changes with compiler options.
constexpr std::size_t kDestructiveInterferenceSize = 128;

/// Shared by a Reactor and its Posters. The Reactor closes it when it is destroyed.
///
/// The wake-up protocol. A thread with a request sets its bit in `requests_`, then reads
/// `sleeping_`, and signals the wake-up if true. The loop first sets `sleeping_`, then reads
/// `requests_`. All of it is sequentially consistent, so at least one of the two sees the other.
/// The first to signal clears `sleeping_`, so a sleep costs at most one write.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): that is what the alignment is for
class alignas(kDestructiveInterferenceSize) Mailbox {
 public:
  // ---- any thread; the second group is async-signal-safe too
  /// False when closed; then it drops `function`. An empty function marks this place in the order
  /// for the next put-off function.
  bool post(Callback<void()>&& function);

  void request_stop() noexcept { request(kStop); }
  void request_wake() noexcept { request(kWake); }

  // ---- the loop's thread
  /// Call it if has_posts(). Appends the posted functions to `queue`. True if another thread posted
  /// the first of them.
  bool collect(TurnQueue<Callback<void()>>& queue) {
    const std::lock_guard lock(mutex_);
    queue.append(incoming_);
    take_back(kPost);
    return begun_elsewhere_;
  }
  [[nodiscard]] bool has_posts() const noexcept { return (requests_.load() & kPost) != 0; }
  [[nodiscard]] bool consume_stop() noexcept { return consume(kStop); }
  [[nodiscard]] bool consume_wake() noexcept { return consume(kWake); }

  /// Announces a sleep. False when there is a request: then do not sleep.
  [[nodiscard]] bool may_sleep() noexcept {
    // Storing sleeping_ takes the cache line from the posting threads, so check requests_ first.
    if (requests_.load() != 0) return false;
    sleeping_.store(true);
    if (requests_.load() == 0) return true;
    awake();
    return false;
  }
  void awake() noexcept { sleeping_.store(false, std::memory_order_relaxed); }
  /// Ends an announced sleep with one write; else does nothing.
  void interrupt() noexcept;

  /// Destroys the posted functions, on this thread and outside the lock. From then on drop()s new
  /// ones.
  void close();
  [[nodiscard]] LoopWakeup& wakeup() noexcept { return wakeup_; }

 private:
  using Requests = std::uint8_t;  // in one byte, so that a turn without any needs one load
  static constexpr Requests kPost = 1;
  static constexpr Requests kStop = 2;
  static constexpr Requests kWake = 4;

  static bool refuse(std::unique_lock<std::mutex>& lock, Callback<void()>& function) noexcept;
  void request(Requests what) noexcept;
  // A plain load first: an exchange each turn would cost more than the turn's own work.
  bool consume(Requests what) noexcept {
    return (requests_.load() & what) != 0 && (take_back(what) & what) != 0;
  }
  // Returns the requests before.
  Requests take_back(Requests what) noexcept {
    return requests_.fetch_and(static_cast<Requests>(~what));
  }

  Affinity affinity_;
  LoopWakeup wakeup_;
  std::atomic<bool> sleeping_ = false;
  std::atomic<Requests> requests_ = 0;
  static_assert(std::atomic<bool>::is_always_lock_free &&
                    std::atomic<Requests>::is_always_lock_free,
                "used in signal handlers");

  std::mutex mutex_;  // guards the rest
  std::vector<Callback<void()>> incoming_;
  bool begun_elsewhere_ = false;  // another thread posted the first of incoming_
  bool closed_ = false;
};

}  // namespace detent
