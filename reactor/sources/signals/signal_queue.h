// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Carries signals from handlers, in any thread, to the thread of one loop.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

#include "detent/signals.h"

namespace detent {

struct QueuedSignal {
  int signal = 0;
  SignalSender sender = {};
};

/// A ring of cells without locks. A handler may interrupt a thread anywhere, even in push(), so no
/// push() waits for another one. A push() takes a position first and fills the cell then. Its cell
/// and those behind it become visible to the loop when it is filled.
class SignalQueue {
 public:
  static constexpr std::size_t kCapacity = 1024;

  SignalQueue() noexcept {
    for (std::size_t i = 0; i < kCapacity; ++i) cells_[i].sequence = i;
  }

  /// Any thread, any signal handler. False when it is full.
  bool push(const QueuedSignal& signal) noexcept {
    std::size_t position = end_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[position % kCapacity];
      const std::size_t sequence = cell.sequence.load(std::memory_order_acquire);
      if (sequence == position) {
        if (!end_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed))
          continue;
        cell.signal = signal;
        cell.sequence.store(position + 1, std::memory_order_release);
        return true;
      }
      const std::size_t end = end_.load(std::memory_order_relaxed);
      if (end == position) return false;  // the cell still has the signal of the last round
      position = end;
    }
  }
  /// The same; true when the next push() is likely to fail.
  [[nodiscard]] bool is_full() const noexcept {
    const std::size_t begin = begin_.load(std::memory_order_acquire);
    return end_.load(std::memory_order_relaxed) - begin >= kCapacity;
  }

  // ---- the loop's thread
  /// How many signals are there, up to the first cell that is not filled yet.
  [[nodiscard]] std::size_t size() const noexcept {
    const std::size_t begin = begin_.load(std::memory_order_relaxed);
    std::size_t size = 0;
    while (size < kCapacity && is_filled(begin + size)) ++size;
    return size;
  }
  /// `index` is less than size().
  [[nodiscard]] const QueuedSignal& at(std::size_t index) const noexcept {
    return cells_[(begin_.load(std::memory_order_relaxed) + index) % kCapacity].signal;
  }
  /// Removes the first `count` ones.
  void pop(std::size_t count) noexcept {
    std::size_t position = begin_.load(std::memory_order_relaxed);
    for (; count > 0; --count, ++position) {
      cells_[position % kCapacity].sequence.store(position + kCapacity, std::memory_order_release);
    }
    begin_.store(position, std::memory_order_release);
  }

 private:
  // The sequence is the position for which the cell is free, or that position + 1 when it is
  // filled.
  struct Cell {
    std::atomic<std::size_t> sequence;
    QueuedSignal signal;
  };
  static_assert(std::atomic<std::size_t>::is_always_lock_free, "used in signal handlers");

  [[nodiscard]] bool is_filled(std::size_t position) const noexcept {
    const auto& sequence = cells_[position % kCapacity].sequence;
    return sequence.load(std::memory_order_acquire) == position + 1;
  }

  std::array<Cell, kCapacity> cells_;
  std::atomic<std::size_t> end_ = 0;    // where the next push() goes
  std::atomic<std::size_t> begin_ = 0;  // the first that was not popped
};

}  // namespace detent
