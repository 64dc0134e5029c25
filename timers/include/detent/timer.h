// SPDX-License-Identifier: BSL-1.0
/// \file
/// A timer, as TimerService makes it: its handle, its schedule, and what its callback is told.
///
///     detent::Timer idle = timers.make([&] { hung_up = true; });
///     idle.rearm(30s);                     // starts it
///     idle.rearm_at(reactor.now() + 30s);  // puts it off: no system call, and no clock is read
///     idle.disarm();                       // stops it, and keeps its callback
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "detent/clock.h"
#include "detent/handle.h"

namespace detent {

/// What a timer's callback is told.
template <class ClockT>
struct BasicTick {
  using Time = std::chrono::time_point<ClockT, Duration>;
  Time scheduled;  ///< When it was due: the first instant not yet told.
  Time now;        ///< The time of this turn.
  std::uint64_t expirations =
      1;  ///< What a read of a timerfd would have returned; 1 for one-shots.
};
using Tick = BasicTick<std::chrono::steady_clock>;
using BootTick = BasicTick<BootClock>;
using WallTick = BasicTick<std::chrono::system_clock>;

/// What becomes of the periods that passed while the loop was busy.
enum class Missed : std::uint8_t {
  coalesce,  ///< One call with the count of all, as a timerfd does.
  each       ///< One call for each, one a turn.
};

struct Periodic {
  Duration period;                     ///< Positive.
  std::optional<Duration> first = {};  ///< From now to the first tick; left out: one period.
  Missed missed = Missed::coalesce;
  /// How late a tick may be called on purpose, so that it shares a wake-up with other timers. The
  /// grid does not move. Any size does: Duration::max() means "when the service wakes anyway".
  /// std::invalid_argument when negative.
  Duration slack = {};
};

class TimerEngine;
template <class ClockT>
class BasicTimerService;

/// What the timers of all clocks have in common.
class [[nodiscard]] UntypedTimer : public Handle {
 public:
  UntypedTimer() noexcept = default;

  /// Arms it anew, `delay` from this call. A periodic one ticks on from there.
  void rearm(Duration delay);
  /// Changes the period: the next tick comes one new period after the last one, or after the start
  /// of the grid. A one-shot becomes periodic and keeps its deadline, if it is armed. One that is
  /// not armed is armed a period from now. std::invalid_argument when not positive.
  void set_period(Duration period);
  /// Unarms it and keeps its callback.
  void disarm();
  /// Time to the deadline; zero when it has passed or the timer is not armed.
  [[nodiscard]] Duration remaining() const noexcept;

 protected:
  using Handle::Handle;
  void rearm_at(Duration since_epoch);

 private:
  [[nodiscard]] TimerEngine* engine(const char* call) const;
};

/// The handle of a timer. Move-only; cancels when destroyed. A one-shot that has fired keeps its
/// callback and can be armed again. Changing a timer that was cancelled, or an empty handle, is
/// std::logic_error; one whose service is gone is inert and ignores changes. `active()`: armed.
template <class ClockT>
class [[nodiscard]] BasicTimer : public UntypedTimer {
 public:
  using Time = std::chrono::time_point<ClockT, Duration>;
  BasicTimer() noexcept = default;

  /// Arms it anew. To later is the cheapest call of all: `rearm_at(reactor.now() + 30s)` for each
  /// event of an idle connection costs no system call and reads no clock.
  void rearm_at(Time deadline) { UntypedTimer::rearm_at(deadline.time_since_epoch()); }

 private:
  friend class BasicTimerService<ClockT>;
  using UntypedTimer::UntypedTimer;
};
using Timer = BasicTimer<std::chrono::steady_clock>;
using BootTimer = BasicTimer<BootClock>;
using WallTimer = BasicTimer<std::chrono::system_clock>;

}  // namespace detent
