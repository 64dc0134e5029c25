// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What one Signals object and the process's signal handler share.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstddef>

#include "signals/signal_queue.h"
#include "signals/signal_set.h"
#include "wakeup.h"

namespace detent {

/// Belongs to the thread that makes it.
class SignalInbox {
 public:
  /// Throws std::system_error.
  SignalInbox() = default;

  // ---- signal handlers, in any thread
  /// Keeps the signal if it is wanted, and wakes the loop. Returns whether this thread is the
  /// loop's, and has to run the loop before there is room for another signal.
  [[nodiscard]] bool put(const QueuedSignal& caught) noexcept {
    if (!wanted_.contains(caught.signal)) return false;
    if (!queue_.push(caught)) ++lost_[static_cast<std::size_t>(caught.signal)];
    if (!is_awake_.exchange(true)) wakeup_.signal();
    return queue_.is_full() && ::pthread_equal(thread_, ::pthread_self()) != 0;
  }

  // ---- the loop's thread
  void want(const SignalSet& signals) noexcept { wanted_.assign(signals); }
  /// Readable after put(), until listen().
  [[nodiscard]] int fd() const noexcept { return wakeup_.fd(); }
  /// From now on put() wakes the loop again. So call this first, and then take what is there.
  void listen() noexcept {
    wakeup_.clear();
    is_awake_.exchange(false);  // reads what put() wrote, so the queue has what put() pushed before
  }
  [[nodiscard]] SignalQueue& queue() noexcept { return queue_; }
  /// How often `signal` found the queue full. Starts again from 0.
  [[nodiscard]] std::size_t take_lost(int signal) noexcept {
    return lost_[static_cast<std::size_t>(signal)].exchange(0);
  }

 private:
  Wakeup wakeup_;
  std::atomic<bool> is_awake_ = false;  // the loop was woken and has not begun to listen
  AtomicSignalSet wanted_;
  SignalQueue queue_;
  std::array<std::atomic<std::size_t>, kHighestSignal + 1> lost_ = {};
  const pthread_t thread_ = ::pthread_self();
};

}  // namespace detent
