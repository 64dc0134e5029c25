// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The length of a wait: as the kernel's calls want it, and what is left of it.
#pragma once

#include <cerrno>
#include <ctime>
#include <optional>

#include "detent/clock.h"
#include "sys.h"

namespace detent {

/// The longest that some systems let select(2) and kevent(2) wait in one call is not much longer.
constexpr Duration kLongestWait = std::chrono::hours(24);

/// Negative durations become 0, since the kernel knows none.
[[nodiscard]] timespec to_timespec(Duration d) noexcept;

/// So that a wait is never short; at most INT_MAX.
[[nodiscard]] int round_up_to_milliseconds(Duration positive) noexcept;

/// For epoll_wait(2) and poll(2): -1 for ever, 0 not at all.
[[nodiscard]] inline int to_milliseconds(std::optional<Duration> max_wait) noexcept {
  if (!max_wait) return -1;
  return *max_wait <= Duration::zero() ? 0 : round_up_to_milliseconds(*max_wait);
}

/// Counts a maximum wait down, over interruptions and waits that the kernel cut short.
class WaitTime {
 public:
  explicit WaitTime(std::optional<Duration> max_wait) : max_wait_(max_wait) {
    if (counts_down()) end_ = saturating_add(kernel_clock().now(), *max_wait);
  }

  /// Nullopt: for ever. Never negative. Reads the clock only while there is something to count.
  [[nodiscard]] std::optional<Duration> left() const;

 private:
  [[nodiscard]] bool counts_down() const noexcept { return max_wait_ > Duration::zero(); }

  std::optional<Duration> max_wait_;
  TimePoint end_;
};

/// Calls wait(left), which returns how much it found or -1, until it found something or the time is
/// over: signals, and kernels that come back early, do not end it. Returns how much, or throws for
/// any error but EINTR, naming `call`.
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
    // In any case, since g++ 12's thread sanitizer, which does not know all of the waits, puts a
    // signal's handler off until it sees a call that it knows.
    static_cast<void>(kernel_clock().now());
  }
}

}  // namespace detent
