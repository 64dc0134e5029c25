// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The grids of periodic timers: where their ticks lie, and how late each may come.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "detent/clock.h"
#include "detent/timer.h"

namespace detent {

/// Return what they get. std::invalid_argument that names `call` for a period that is not positive,
/// and for a negative slack.
Duration checked_period(Duration period, const char* call);
Duration checked_slack(Duration slack, const char* call);

/// The grid of one timer. Near the end of what its clock can count, there is room only for a part
/// of the slack or the length. The table notes these parts, so that neither a tick's own instant
/// nor the grid is lost.
struct Period {
  Duration length;
  Duration slack = {};
  Missed missed = Missed::coalesce;
  Duration slack_in_deadline = {};  // of the deadline that the timer has now
  Duration length_in_tick = {};     // of the tick that this deadline is for
};

/// The periods of a service's timers, by numbers from 1 on. 0 is the number of timers without one.
class PeriodTable {
 public:
  using Number = std::uint32_t;

  [[nodiscard]] Number add(Period period);
  /// Does nothing for 0.
  void remove(Number number) noexcept {
    if (number != 0) free_.push_back(number);
  }
  [[nodiscard]] Period& at(Number number) noexcept { return periods_[number - 1]; }
  [[nodiscard]] Duration slack_in_deadline(Number number) const noexcept {
    return number == 0 ? Duration::zero() : periods_[number - 1].slack_in_deadline;
  }

  /// Whether a period ever had a slack, or ended later than its clock can count. Until then each
  /// deadline is a tick, and the engine need not ask this table.
  [[nodiscard]] bool had_uncommon() const noexcept { return had_uncommon_; }

  /// The tick behind `last`, or the end of what the clock can count.
  [[nodiscard]] Duration tick_after(Period& period, Duration last) noexcept {
    period.length_in_tick = period.length;
    std::int64_t tick = 0;
    if (!__builtin_add_overflow(last.count(), period.length.count(), &tick)) [[likely]]
      return Duration(tick);
    period.length_in_tick = Duration::max() - last;
    had_uncommon_ = true;
    return Duration::max();
  }
  /// The deadline for a tick: the end of its slack, or of what the clock can count.
  [[nodiscard]] static Duration deadline_of(Period& period, Duration tick) noexcept {
    tick = std::max(tick, Duration::zero());
    const Duration deadline = saturating_add(tick, period.slack);
    period.slack_in_deadline = deadline - tick;
    return deadline;
  }

 private:
  std::vector<Period> periods_;
  std::vector<Number> free_;  // has room for all, so that remove() cannot fail
  bool had_uncommon_ = false;
};

}  // namespace detent
