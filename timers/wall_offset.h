// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Tells that the wall clock was set, by its distance from the steady clock: that holds on
/// every system, whatever its kernel tells.
#pragma once

#include <optional>

#include "detent/clock.h"

namespace detent {

/// Not tied to a thread, but for one thread at a time. `clock` must outlive it.
class WallOffset {
 public:
  explicit WallOffset(const Clock& clock) : clock_(&clock), last_(read(clock)) {}

  /// Looks at the clocks. What has changed since the last look, if it is more than what the reading
  /// leaves in doubt and the clocks may have come apart by themselves.
  [[nodiscard]] std::optional<ClockChange> look();
  /// Wall time minus steady time, at the last look.
  [[nodiscard]] Duration value() const noexcept { return last_.offset; }

 private:
  struct Reading {
    TimePoint at;
    Duration offset;
    Duration doubt;  // how far `offset` may be off, either way
  };
  static Reading read(const Clock& clock);

  const Clock* clock_;
  Reading last_;
};

}  // namespace detent
