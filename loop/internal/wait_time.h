// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The length of a wait: in the units of the kernel's calls, and what is left of it.
#pragma once

#include <cerrno>
#include <ctime>
#include <optional>

#include "detent/clock.h"
#include "sys.h"

namespace detent {

/// For one call. Some systems let select(2) and kevent(2) wait not much longer.
constexpr Duration kLongestWait = std::chrono::hours(24);

/// Negative durations become 0, since the kernel refuses them.
[[nodiscard]] timespec to_timespec(Duration d) noexcept;

/// Rounds up, so that a wait is never short; at most INT_MAX.
[[nodiscard]] int round_up_to_milliseconds(Duration positive) noexcept;

/// For epoll_wait(2) and poll(2): -1 for ever, 0 not at all.
[[nodiscard]] inline int to_milliseconds(std::optional<Duration> max_wait) noexcept {
  if (!max_wait) return -1;
  return *max_wait <= Duration::zero() ? 0 : round_up_to_milliseconds(*max_wait);
}

/// Counts a maximum wait down, across interruptions and waits that the kernel ends early.
class WaitTime {
 public:
  explicit WaitTime(std::optional<Duration> max_wait) : max_wait_(max_wait) {
    if (counts_down()) end_ = saturating_add(kernel_clock().now(), *max_wait);
  }

  /// Nullopt: for ever. Never negative. Reads the clock only for a finite wait of more than zero.
  [[nodiscard]] std::optional<Duration> left() const;

 private:
  [[nodiscard]] bool counts_down() const noexcept { return max_wait_ > Duration::zero(); }

  std::optional<Duration> max_wait_;
  TimePoint end_;
};

/// Calls wait(left), which returns how much it found or -1, until it finds something or the time is
/// over. Signals and early returns of the kernel do not end it. Returns how much it found. Throws
/// for any error but EINTR, naming `call`.
template <class Wait>
int wait_in_full(const char* call, std::optional<Duration> max_wait, Wait wait) {
  const WaitTime time(max_wait);
  for (std::optional<Duration> left = max_wait;; left = time.left()) {
    const int count = wait(left);
    if (count > 0) return count;
    if (count == 0) {
      if (time.left() == Duration::zero()) return 0;
      continue;
    }
    if (errno != EINTR) sys::fail(call);
    // Called even without a need for the time. The thread sanitizer of g++ 12 delays signal
    // handlers until a call that it knows. It does not know all of the waits.
    static_cast<void>(kernel_clock().now());
  }
}

}  // namespace detent
