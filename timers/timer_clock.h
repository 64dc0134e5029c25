// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What differs from one kind of timer service to the next: the clock.
#pragma once

#include <memory>

#include "detent/clock.h"

namespace detent {

/// One of the clocks of a Clock, which must outlive it. Times are nanoseconds since its epoch.
class TimerClock {
 public:
  TimerClock(Clock& clocks, ClockId id) noexcept : clocks_(&clocks), id_(id) {}

  [[nodiscard]] Duration now() const noexcept {
    if (id_ == ClockId::boot) return clocks_->boot_now().time_since_epoch();
    if (id_ == ClockId::wall) return clocks_->wall_now().time_since_epoch();
    return clocks_->now().time_since_epoch();
  }
  [[nodiscard]] bool is_steady() const noexcept { return id_ == ClockId::steady; }
  [[nodiscard]] bool can_be_set() const noexcept { return id_ == ClockId::wall; }

  /// Throws std::system_error.
  [[nodiscard]] std::unique_ptr<Alarm> make_alarm() const { return clocks_->make_alarm(id_); }
  [[nodiscard]] Clock& clocks() const noexcept { return *clocks_; }

 private:
  Clock* clocks_;
  ClockId id_;
};

}  // namespace detent
