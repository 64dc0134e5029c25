// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The signals that one turn tells, sorted by their numbers, and how far it has come.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "detent/signals.h"
#include "signals/signal_inbox.h"

namespace detent {

/// Starts with nothing to tell.
class SignalBatch {
 public:
  /// Takes what waits in `inbox`, to be told to so many watches.
  void take(SignalInbox& inbox, std::size_t watches);

  /// Whether all of it was told.
  [[nodiscard]] bool is_done() const noexcept { return signal_ > kHighestSignal; }
  /// What is to be told next, and to which of the watches. Not when it is done.
  [[nodiscard]] CaughtSignal next() const noexcept;
  [[nodiscard]] std::size_t next_watch() const noexcept { return watch_; }
  /// That was told.
  void advance() noexcept;

 private:
  // The part of senders_ that a signal has.
  struct Part {
    std::size_t begin = 0;
    std::size_t size = 0;
    std::uint64_t count = 0;
  };

  void sort(SignalQueue& queue);
  void skip_absent_signals() noexcept;
  [[nodiscard]] Part& part_of(int signal) noexcept {
    return parts_[static_cast<std::size_t>(signal)];
  }

  std::array<Part, kHighestSignal + 1> parts_ = {};
  std::array<SignalSender, SignalQueue::kCapacity> senders_ = {};
  std::size_t watches_ = 0;
  int signal_ = kHighestSignal + 1;
  std::size_t watch_ = 0;
};

}  // namespace detent
