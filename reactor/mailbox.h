// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What other threads and signal handlers may touch of a loop: posted functions, the
/// requests to stop and to wake, and the descriptor that ends its sleep.
#pragma once

#include <atomic>
#include <mutex>

#include "detent/affinity.h"
#include "detent/callback.h"
#include "function_queue.h"
#include "wakeup.h"

namespace detent {

/// Shared by a Reactor and its Posters; closed when the Reactor goes.
///
/// The wake-up protocol: whoever wants the loop's attention first sets its flag and then writes to
/// the wake-up only if the loop had announced its sleep; the loop first announces and then looks
/// at the flags. As all four are sequentially consistent, one of the two sees the other. The
/// announcement is taken back by the first writer, so a sleep costs at most one write.
class Mailbox {
 public:
  // ---- any thread; the second group is async-signal-safe too
  /// False when closed.
  bool post(Callback<void()> function);

  void request_stop() noexcept { request(stop_); }
  void request_wake() noexcept { request(wake_); }

  // ---- the loop's thread
  /// Moves what was posted behind what is in `queue`.
  void collect(FunctionQueue& queue);
  [[nodiscard]] bool has_posts() const noexcept { return posted_.load(); }
  [[nodiscard]] bool consume_stop() noexcept { return consume(stop_); }
  [[nodiscard]] bool consume_wake() noexcept { return consume(wake_); }

  /// Announces a sleep. False when somebody wants attention: then do not sleep.
  [[nodiscard]] bool may_sleep() noexcept;
  void awake() noexcept { sleeping_.store(false, std::memory_order_relaxed); }

  /// Destroys what is posted, on this thread and outside the lock, and refuses more.
  void close();
  [[nodiscard]] const Wakeup& wakeup() const noexcept { return wakeup_; }

 private:
  void request(std::atomic<bool>& flag) noexcept;
  void interrupt() noexcept;
  // A plain look first: an exchange each turn would cost more than the turn's own work.
  static bool consume(std::atomic<bool>& flag) noexcept {
    return flag.load() && flag.exchange(false);
  }

  Affinity affinity_;
  Wakeup wakeup_;
  std::atomic<bool> sleeping_ = false;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> wake_ = false;
  std::atomic<bool> posted_ = false;
  static_assert(std::atomic<bool>::is_always_lock_free, "used in signal handlers");

  std::mutex mutex_;  // guards the rest
  FunctionQueue incoming_;
  bool closed_ = false;
};

}  // namespace detent
