// SPDX-License-Identifier: BSL-1.0
#include "wait_time.h"

#include <algorithm>
#include <climits>

namespace detent {

using std::chrono::milliseconds;
using std::chrono::seconds;

timespec to_timespec(Duration d) noexcept {
  const Duration positive = std::max(d, Duration::zero());
  const auto whole = std::chrono::duration_cast<seconds>(positive);
  return {static_cast<std::time_t>(whole.count()), static_cast<long>((positive - whole).count())};
}

int to_milliseconds(std::optional<Duration> max_wait) noexcept {
  if (!max_wait) return -1;
  const auto down = std::chrono::duration_cast<milliseconds>(std::max(*max_wait, Duration::zero()));
  const auto up = down < *max_wait ? down + milliseconds(1) : down;
  return static_cast<int>(std::min<milliseconds::rep>(up.count(), INT_MAX));
}

WaitTime::WaitTime(std::optional<Duration> max_wait) : endless_(!max_wait) {
  if (max_wait && *max_wait > Duration::zero()) {
    end_ = saturating_add(kernel_clock().now(), *max_wait);
  }
}

std::optional<Duration> WaitTime::left() const {
  if (endless_) return std::nullopt;
  if (!end_) return Duration::zero();
  return std::max(*end_ - kernel_clock().now(), Duration::zero());
}

}  // namespace detent
