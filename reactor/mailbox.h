// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What other threads and signal handlers may touch of a loop: posted functions, the
/// requests to stop and to wake, and the descriptor that ends its sleep.
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

/// What one thread writes to and what another looks at for other reasons lie in different blocks of
/// so many bytes; else each write takes away a cache line that the other needs. Two lines, since
/// some processors fetch pairs; one on Apple's. std::hardware_destructive_interference_size is not
/// everywhere, and changes with compiler options.
constexpr std::size_t kDestructiveInterferenceSize = 128;

/// Shared by a Reactor and its Posters; closed when the Reactor goes.
///
/// The wake-up protocol: whoever wants the loop's attention first says so in `requests_` and then
/// writes to the wake-up only if the loop had announced its sleep; the loop first announces and
/// then looks at the requests. As all of it is sequentially consistent, one of the two sees the
/// other. The announcement is taken back by the first writer, so a sleep costs at most one write.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): that is what the alignment is for
class alignas(kDestructiveInterferenceSize) Mailbox {
 public:
  // ---- any thread; the second group is async-signal-safe too
  /// False when closed; then `function` was dropped. An empty one stands for something else that
  /// has this place in the order.
  bool post(Callback<void()>&& function);

  void request_stop() noexcept { request(kStop); }
  void request_wake() noexcept { request(kWake); }

  // ---- the loop's thread
  /// Moves what was posted behind what is in `queue`, if has_posts(). True if the first of it came
  /// from another thread.
  bool collect(TurnQueue<Callback<void()>>& queue) {
    const std::lock_guard lock(mutex_);
    queue.append(incoming_);
    take_back(kPost);
    return begun_elsewhere_;
  }
  [[nodiscard]] bool has_posts() const noexcept { return (requests_.load() & kPost) != 0; }
  [[nodiscard]] bool consume_stop() noexcept { return consume(kStop); }
  [[nodiscard]] bool consume_wake() noexcept { return consume(kWake); }

  /// Announces a sleep. False when somebody wants attention: then do not sleep.
  [[nodiscard]] bool may_sleep() noexcept {
    // To announce takes the cache line from those who want attention.
    if (requests_.load() != 0) return false;
    sleeping_.store(true);
    if (requests_.load() == 0) return true;
    awake();
    return false;
  }
  void awake() noexcept { sleeping_.store(false, std::memory_order_relaxed); }
  /// Ends a sleep that was announced, with one write; else does nothing.
  void interrupt() noexcept;

  /// Destroys what is posted, on this thread and outside the lock, and refuses more: drop().
  void close();
  [[nodiscard]] LoopWakeup& wakeup() noexcept { return wakeup_; }

 private:
  using Requests = std::uint8_t;  // all in one, so that a turn with none is one look
  static constexpr Requests kPost = 1;
  static constexpr Requests kStop = 2;
  static constexpr Requests kWake = 4;

  static bool refuse(std::unique_lock<std::mutex>& lock, Callback<void()>& function) noexcept;
  void request(Requests what) noexcept;
  // A plain look first: an exchange each turn would cost more than the turn's own work.
  bool consume(Requests what) noexcept {
    return (requests_.load() & what) != 0 && (take_back(what) & what) != 0;
  }
  // Returns what there was.
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
