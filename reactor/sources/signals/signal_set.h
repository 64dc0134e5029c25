// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Sets of signal numbers.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <cstddef>

namespace detent {

/// No system has a higher one. (NSIG is no such limit: FreeBSD's leaves out the real-time signals.)
constexpr int kHighestSignal = 128;

using SignalSet = std::bitset<kHighestSignal + 1>;

/// Calls visit(signal) for each of the set, from the lowest on.
template <class Visit>
void for_each_signal(const SignalSet& set, Visit visit) {
  for (int signal = 1; signal <= kHighestSignal; ++signal) {
    if (set[static_cast<std::size_t>(signal)]) visit(signal);
  }
}

/// One that signal handlers may use.
class AtomicSignalSet {
 public:
  void assign(const SignalSet& set) noexcept {
    for (std::size_t i = 0; i < signals_.size(); ++i) signals_[i] = set[i];
  }
  void insert(int signal) noexcept { at(signal) = true; }
  void erase(int signal) noexcept { at(signal) = false; }
  [[nodiscard]] bool contains(int signal) const noexcept {
    return signals_[static_cast<std::size_t>(signal)];
  }

 private:
  std::atomic<bool>& at(int signal) noexcept { return signals_[static_cast<std::size_t>(signal)]; }

  std::array<std::atomic<bool>, kHighestSignal + 1> signals_ = {};
  static_assert(std::atomic<bool>::is_always_lock_free, "used in signal handlers");
};

}  // namespace detent
