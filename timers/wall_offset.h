// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Tells that the wall clock was set, by its distance from the steady clock. This works on
/// every system, whatever the kernel tells.
#pragma once

#include <optional>

#include "detent/clock.h"

namespace detent {

/// For one thread at a time, whichever it is. `clock` must outlive it.
class WallOffset {
 public:
  explicit WallOffset(const Clock& clock) : clock_(&clock), last_(read(clock)) {}

  /// Reads the clocks. Returns the change since the last measurement, if it is too large for an
  /// inexact reading and for clocks that drift apart by themselves.
  [[nodiscard]] std::optional<ClockChange> measure();
  /// Wall time minus steady time, as last measured.
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
