// SPDX-License-Identifier: BSL-1.0
#include "wall_offset.h"

#include <algorithm>
#include <utility>

namespace detent {
namespace {

// The kernel may hold the thread up between two readings. Another try is likely to be quick.
constexpr int kTries = 4;
constexpr Duration kQuick = std::chrono::microseconds(1);

}  // namespace

std::optional<ClockChange> WallOffset::measure() {
  const Reading now = read(*clock_);
  const Reading before = std::exchange(last_, now);
  const Duration drift = clock_->wall_drift(saturating_subtract(now.at, before.at));
  const Duration doubt = now.doubt + before.doubt + drift;
  const Duration change = saturating_subtract(now.offset, before.offset);
  if (-doubt <= change && change <= doubt) return std::nullopt;
  return ClockChange{.old_offset = before.offset, .new_offset = now.offset};
}

// Reads the steady clock before and after the wall clock. The wall clock's reading lies between.
WallOffset::Reading WallOffset::read(const Clock& clock) {
  Reading best = {};
  for (int i = 0; i < kTries; ++i) {
    const TimePoint before = clock.now();
    const WallTime wall = clock.wall_now();
    const Duration half = (clock.now() - before) / 2;
    const TimePoint at = before + half;
    const Reading reading = {
        .at = at,
        .offset = saturating_subtract(wall.time_since_epoch(), at.time_since_epoch()),
        .doubt = half};
    if (i == 0 || reading.doubt < best.doubt) best = reading;
    if (best.doubt <= kQuick) break;
  }
  return best;
}

}  // namespace detent
