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

int round_up_to_milliseconds(Duration positive) noexcept {
  const auto down = std::chrono::duration_cast<milliseconds>(positive);
  const auto up = down < positive ? down + milliseconds(1) : down;
  return static_cast<int>(std::min<milliseconds::rep>(up.count(), INT_MAX));
}

std::optional<Duration> WaitTime::left() const {
  if (!max_wait_) return std::nullopt;
  if (!counts_down()) return Duration::zero();
  return std::max(end_ - kernel_clock().now(), Duration::zero());
}

}  // namespace detent
