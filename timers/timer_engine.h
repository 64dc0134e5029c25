// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The timers of one service, of any clock: deadline in, callback out. All times are
/// nanoseconds since the epoch of the clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "alarm_keeper.h"
#include "clock_changes.h"
#include "detent/reactor.h"
#include "detent/untyped_timers.h"
#include "period_table.h"
#include "timer_clock.h"
#include "timer_queue.h"

namespace detent {

/// The table has the callables, the queue their deadlines, and the period table the grids. The
/// alarm wakes the loop. A slot of the table is the key in the queue.
class TimerEngine final : public UntypedTimers, private AlarmKeeper::User {
 public:
  TimerEngine(Reactor& reactor, ClockId clock, std::size_t timers_per_turn);

  void start(std::uint32_t slot, Duration deadline) override;
  void start(std::uint32_t slot, const Periodic& schedule) override;
  [[nodiscard]] Handle on_clock_change(Callback<void(const ClockChange&)> on_change,
                                       Name name) override;
  [[nodiscard]] Duration clock_now() const noexcept override { return clock_.now(); }
  void end() noexcept override;

  // What the handles ask for; see UntypedTimer. A handle that asks is registered, since cancelling,
  // the only way to end that, empties the handle.
  [[gnu::always_inline]] void rearm(HandlerId id, Duration deadline);
  void set_period(HandlerId id, Duration period);
  void disarm(HandlerId id);
  [[nodiscard]] Duration remaining(HandlerId id) noexcept;

 private:
  using Entry = Table::Entry;

  void cancel(HandlerId id) noexcept override;
  [[nodiscard]] bool active(HandlerId id) const noexcept override;

  [[gnu::always_inline]] void arm(std::uint32_t slot, Duration deadline);
  [[gnu::noinline]] void arm_anywhere(std::uint32_t slot, Duration deadline);
  void arm_alarm(Duration deadline);

  std::size_t on_ring(Duration armed_for) override;
  [[nodiscard]] bool tell_clock_changes(Duration armed_for, std::size_t& called);
  [[nodiscard]] bool collect_due(Duration now);
  void collect_within_slack(Duration now);
  [[nodiscard]] bool run_batch(Duration now, std::size_t& called);
  void put_back_what_is_not_due(Duration now);
  void begin_period(Period& period, std::uint32_t slot, UntypedTick& tick);
  [[nodiscard, gnu::always_inline]] bool call(Entry& entry, const UntypedTick& tick);
  [[gnu::always_inline]] void arm_for_the_next(Duration now, bool some_were_due);
  [[nodiscard]] bool has_passed(Duration deadline, Duration turn) const noexcept;
  [[nodiscard]] Duration turn_now() const;

  Reactor& reactor_;
  const std::uint64_t& turns_;  // the reactor's
  const TimerClock clock_;
  const std::size_t timers_per_turn_;
  TimerQueue queue_;  // a deadline there includes the slack
  PeriodTable periods_;

  // The slots of the due timers, in order; fixed when a run begins. The queue knows them as popped.
  // A timer that is cancelled or armed anew meanwhile no longer is, nor is a new timer in its slot.
  std::vector<std::uint32_t> batch_;
  std::size_t next_in_batch_ = 0;
  std::vector<std::uint32_t> set_this_turn_;  // scratch of collect_due

  AlarmKeeper alarm_;
  std::unique_ptr<ClockChanges> clock_changes_;  // null where the clock cannot be set
};

// In the header, for the handle to inline. Reads nothing in the table unless a timer has an
// uncommon period: that would be one more cache line.
inline void TimerEngine::rearm(HandlerId id, Duration deadline) {
  affinity().check("Timer::rearm");
  if (periods_.had_uncommon()) [[unlikely]] {
    if (const PeriodTable::Number number = callbacks_.at(id.slot).data.period; number != 0) {
      Period& period = periods_.at(number);
      period.length_in_tick = period.length;
      deadline = PeriodTable::deadline_of(period, deadline);
    }
  }
  arm(id.slot, deadline);
}

inline void TimerEngine::arm(std::uint32_t slot, Duration deadline) {
  queue_.begin_turn(turns_);
  const bool is_first = deadline < alarm_.armed_for();  // also each one before the epoch
  if (is_first || !queue_.try_set(slot, deadline)) arm_anywhere(slot, deadline);
}

}  // namespace detent
