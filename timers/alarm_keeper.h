// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The one kernel alarm behind all timers of a service.
#pragma once

#include <cstddef>
#include <memory>

#include "detent/clock.h"
#include "detent/reactor.h"
#include "detent/watch.h"
#include "timer_clock.h"

namespace detent {

/// Counts how often an alarm rings too early though its clock was not set.
class FalseRings {
 public:
  /// Counts one more. Returns whether there were too many within a second.
  [[nodiscard]] bool too_many(TimePoint now) noexcept;

 private:
  TimePoint first_ = {};
  int count_ = 0;
};

/// Owns the alarm and its watch, and knows what the alarm is armed for. Nothing ever reads the
/// alarm. It is level-triggered, so arming or disarming it after each ring makes it quiet. An alarm
/// that is left alone rings again in the next turn, and so does one whose user throws.
class AlarmKeeper {
 public:
  class User {
   public:
    /// The alarm, armed for `deadline`, rang. The clock says what is due: kernels wake early too.
    /// Ends with arm(), disarm() or leave_readable(), unless it throws or destroys the keeper.
    /// Returns how many callbacks it made.
    virtual std::size_t on_ring(Duration deadline) = 0;

   protected:
    ~User() = default;
  };

  /// What armed_for() is while the alarm is readable, or its user serves it.
  static constexpr Duration kAtOnce = Duration::zero();
  /// What it is while the alarm is disarmed.
  static constexpr Duration kNever = Duration::max();

  /// All must outlive it. Throws std::system_error.
  AlarmKeeper(Reactor& reactor, const TimerClock& clock, User& user);
  AlarmKeeper(const AlarmKeeper&) = delete;
  AlarmKeeper& operator=(const AlarmKeeper&) = delete;

  /// The alarm rings at this instant, or before. A timer that is due later needs no arm().
  [[nodiscard]] Duration armed_for() const noexcept { return armed_for_; }

  /// Throws std::system_error, as does disarm(). An alarm armed for kNever still rings when its
  /// clock is set.
  void arm(Duration deadline);
  void disarm();
  /// Spares a call of the kernel when the next deadline has passed too. Only in on_ring(), and only
  /// when the deadline that the alarm rang for has passed.
  void leave_readable() noexcept { armed_for_ = kAtOnce; }

  /// Tells that the alarm rang though its deadline has not passed and its clock was not set. A
  /// kernel may report for ever that the clock was set, and a loop that listened to that would
  /// never sleep. So after too many false rings the keeper polls the wall clock instead.
  void count_false_ring();

  /// For an owner that is going: the user hears of no ring any more.
  void stop() noexcept { watch_.cancel(); }

 private:
  [[nodiscard]] Watch watch(const Alarm& alarm);

  Reactor& reactor_;
  const TimerClock clock_;
  User& user_;
  std::unique_ptr<Alarm> alarm_;
  Watch watch_;
  Duration armed_for_ = kNever;
  FalseRings false_rings_;
};

}  // namespace detent
