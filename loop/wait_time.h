// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The length of a wait: as the kernel's calls want it, and what is left of it.
#pragma once

#include <ctime>
#include <optional>

#include "detent/clock.h"

namespace detent {

/// Negative durations become 0, since the kernel knows none.
[[nodiscard]] timespec to_timespec(Duration d) noexcept;

/// For epoll_wait(2) and poll(2): rounded up, so that a wait is never short, at most INT_MAX, and
/// -1 for ever.
[[nodiscard]] int to_milliseconds(std::optional<Duration> max_wait) noexcept;

/// Counts a maximum wait down, over interruptions and waits that the kernel cut short.
class WaitTime {
 public:
  explicit WaitTime(std::optional<Duration> max_wait);

  /// Nullopt: for ever. Never negative. Reads the clock only while there is something to count.
  [[nodiscard]] std::optional<Duration> left() const;

 private:
  std::optional<TimePoint> end_;
  bool endless_;
};

}  // namespace detent
