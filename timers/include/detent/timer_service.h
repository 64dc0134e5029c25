// SPDX-License-Identifier: BSL-1.0
/// \file
/// Calls a function of yours at a time, or again and again.
///
///     detent::TimerService timers(reactor);
///     auto once = timers.after(250ms, [] { std::puts("now"); });
///     auto tick = timers.every(1s, [](const detent::Tick& t) { use(t.expirations); });
///
/// Never early by a nanosecond, in the order of deadlines and, where these are equal, of arming.
/// A periodic timer keeps its grid, start + n * period, for ever: being late once moves no later
/// tick. All timers of a service share one kernel timer, which is set again only when the earliest
/// deadline gets earlier, and after it went off.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "detent/callback.h"
#include "detent/clock.h"
#include "detent/drop.h"
#include "detent/handle.h"
#include "detent/handler_table.h"
#include "detent/name.h"
#include "detent/reactor.h"
#include "detent/service.h"
#include "detent/timer_queue.h"

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

struct TimerServiceOptions {
  /// How many timers are called in one turn at most; the rest are called in the next. At least 1.
  std::size_t timers_per_turn = 1024;
};

template <class ClockT>
class BasicTimer;

/// Timers on one clock. Lives on its reactor's thread, and is to go before the reactor. Not moved.
/// Its functions throw std::logic_error on another thread, in a forked child, and when the reactor
/// is gone; std::invalid_argument for an empty callback. A callback may do anything to any timer,
/// its own included, and may destroy the service.
template <class ClockT>
class BasicTimerService final : private Service {
 public:
  using Time = std::chrono::time_point<ClockT, Duration>;
  using TickType = BasicTick<ClockT>;
  using TimerType = BasicTimer<ClockT>;

  /// Makes the kernel timer; throws std::system_error. std::invalid_argument for an option of 0.
  explicit BasicTimerService(Reactor& reactor, TimerServiceOptions options = {});
  BasicTimerService(const BasicTimerService&) = delete;
  BasicTimerService& operator=(const BasicTimerService&) = delete;
  ~BasicTimerService() override;

  /// Calls `on_expiry`, with a const TickType& or with nothing, once when `delay` has passed from
  /// this call (not from the turn's now()). Zero and less means the next turn, never this one.
  template <class F>
  [[nodiscard]] TimerType after(Duration delay, F&& on_expiry, Name name = {}) {
    return at(deadline_after(delay), std::forward<F>(on_expiry), name);
  }
  /// The same at an instant; one that has passed means the next turn.
  template <class F>
  [[nodiscard]] TimerType at(Time deadline, F&& on_expiry, Name name = {}) {
    TimerType timer = add("TimerService::at", std::forward<F>(on_expiry), name);
    if (!timer.is_empty()) start(timer.id().slot, deadline);
    return timer;
  }
  /// Calls `on_tick` one period from now and then at each further period. std::invalid_argument
  /// when the period is not positive.
  template <class F>
  [[nodiscard]] TimerType every(Duration period, F&& on_tick, Name name = {}) {
    return every(Periodic{.period = period}, std::forward<F>(on_tick), name);
  }
  template <class F>
  [[nodiscard]] TimerType every(Periodic schedule, F&& on_tick, Name name = {}) {
    TimerType timer = add("TimerService::every", std::forward<F>(on_tick), name);
    if (!timer.is_empty()) start(timer.id().slot, schedule);
    return timer;
  }
  /// A timer that waits to be armed with TimerType::rearm.
  template <class F>
  [[nodiscard]] TimerType make(F&& on_expiry, Name name = {}) {
    return add("TimerService::make", std::forward<F>(on_expiry), name);
  }

  /// On the wall clock only. Calls `on_change` each time the wall clock was set, whether or not a
  /// timer is armed, and before the timers that are due by then. It was set when its distance from
  /// the steady clock changed, so a suspended machine that wakes counts, too, where the steady
  /// clock stood still meanwhile (Linux). Where the kernel does not tell (macOS and BSD) the clocks
  /// are compared when a timer wakes the loop, and at least every ten seconds; by how little it
  /// must have moved says Clock::wall_drift. The callback may destroy anything, this service
  /// included.
  [[nodiscard]] Handle on_clock_change(
      Callback<void(const ClockChange&)> on_change,
      Name name = {}) requires std::is_same_v<ClockT, std::chrono::system_clock>;

  /// std::logic_error when it is gone.
  [[nodiscard]] Reactor& reactor() const { return Service::reactor("TimerService::reactor"); }
  /// Reads the clock that these timers go by.
  [[nodiscard]] Time clock_now() const noexcept;

 private:
  friend class BasicTimer<ClockT>;

  struct Period {
    Duration length;
    Duration slack = {};
    Missed missed = Missed::coalesce;
    Duration in_deadline = {};  // the part of the slack that is in the deadline now: see latest()
    Duration in_tick = {};      // the part of the length that is: see tick_after()
  };
  // Four bytes beside each callable; what only periodic timers need lies in periods_.
  struct Data {
    std::uint32_t period = 0;  // 1 + its index in periods_; 0: none
  };
  using Table = HandlerTable<void(const TickType&), Data>;
  using Entry = typename Table::Entry;

  // One that wants no tick gets none.
  template <class F>
  static decltype(auto) adapt(F&& function) {
    if constexpr (std::is_invocable_v<std::decay_t<F>&, const TickType&>) {
      return std::forward<F>(function);
    } else {
      static_assert(std::is_invocable_v<std::decay_t<F>&>,
                    "a timer's callback takes a const Tick& or nothing");
      return [f = std::forward<F>(function)](const TickType&) mutable { f(); };
    }
  }

  template <class F>
  [[gnu::always_inline]] TimerType add(const char* call, F&& on_expiry, const Name& name) {
    if (is_empty_function(on_expiry)) [[unlikely]]
      fail_empty(call);
    if (refuses(call)) [[unlikely]] {
      drop_any(adapt(std::forward<F>(on_expiry)));
      return {};
    }
    return {line(), timers_.add(adapt(std::forward<F>(on_expiry)), name)};
  }
  [[noreturn]] static void fail_empty(const char* call);

  void start(std::uint32_t slot, Time deadline);
  void start(std::uint32_t slot, const Periodic& schedule);

  void cancel(HandlerId id) noexcept override;
  [[nodiscard]] bool active(HandlerId id) const noexcept override;
  void disarm(HandlerId id);
  void rearm(HandlerId id, Time deadline);
  void set_period(HandlerId id, Duration period);
  [[nodiscard]] Duration remaining(HandlerId id) noexcept;

  [[nodiscard]] Time deadline_after(Duration delay) const noexcept;
  [[gnu::always_inline]] void arm(std::uint32_t slot, Time deadline);
  [[gnu::noinline]] void arm_anywhere(std::uint32_t slot, Time deadline);
  void set_alarm(Time deadline);
  Period& give_period(Entry& entry, Period period);
  void take_period(Entry& entry) noexcept;
  [[nodiscard]] Duration slack_of(const Entry& entry) const noexcept;
  [[nodiscard]] static Time latest(Period& period, Time scheduled) noexcept;
  [[nodiscard]] Time tick_after(Period& period, Time last) noexcept;

  std::size_t on_alarm();
  void collect_due(Time now);
  void collect_within_slack(Time now);
  [[nodiscard]] bool run_batch(Time now, std::size_t& called);
  [[nodiscard, gnu::always_inline]] bool call(Entry& entry, const TickType& tick);
  bool put_back(Entry& entry, Time now);
  void begin_period(Period& period, std::uint32_t slot, TickType& tick);
  void arm_for_the_next(Time now);
  [[nodiscard]] bool has_passed(Time deadline, Time turn) const noexcept;
  [[nodiscard]] bool follow_wall_clock(Time rang_for, std::size_t& called);
  [[nodiscard]] Watch watch_alarm(const Alarm& alarm);
  void give_up_alarm();
  [[nodiscard]] Time turn_now() const;

  Reactor& reactor_;
  Clock& clock_;
  std::size_t timers_per_turn_;
  Table timers_;
  TimerQueue queue_;  // keyed by table slot; a deadline there includes the slack
  std::vector<Period> periods_;
  std::vector<std::uint32_t> free_periods_;
  // Some timer has had a slack, or a period that ends later than its clock can count.
  bool has_uncommon_periods_ = false;

  // Popped, in order; fixed when a run begins. Whoever is cancelled or armed anew meanwhile is
  // popped no more, so a slot that another timer has got is told from what it was.
  std::vector<std::uint32_t> batch_;
  std::size_t next_in_batch_ = 0;
  std::vector<std::uint32_t> armed_late_;  // scratch of collect_due
  bool rings_on_ = false;                  // the alarm, if it is left alone: some timer was due

  std::unique_ptr<Alarm> alarm_;
  Time armed_for_ = Time::max();  // max: disarmed; kEpoch also while it is served
  Watch alarm_watch_;
  const std::uint64_t& turns_;  // the reactor's
  struct WallSide;
  std::unique_ptr<WallSide> wall_;  // what only the wall clock needs; null on the others
};

/// The handle of a timer. Move-only; cancels when destroyed. A one-shot that has fired keeps its
/// callback and can be armed again. Changing a timer that was cancelled, or an empty handle, is
/// std::logic_error; one whose service is gone is inert and ignores changes. `active()`: armed.
template <class ClockT>
class [[nodiscard]] BasicTimer : public Handle {
 public:
  using Time = std::chrono::time_point<ClockT, Duration>;
  BasicTimer() noexcept = default;

  /// Arms it anew, `delay` from this call. A periodic one ticks on from there.
  void rearm(Duration delay) {
    if (auto* s = asked("Timer::rearm")) s->rearm(id(), s->deadline_after(delay));
  }
  /// Arms it anew. To later is the cheapest call of all: `rearm_at(reactor.now() + 30s)` for each
  /// event of an idle connection costs no system call and reads no clock.
  void rearm_at(Time deadline) {
    if (auto* s = asked("Timer::rearm_at")) s->rearm(id(), deadline);
  }
  /// Changes the period: the next tick comes one new period after the last one, or after the start
  /// of the grid. A one-shot becomes periodic and keeps its deadline, if it is armed. One that is
  /// not armed is armed a period from now. std::invalid_argument when not positive.
  void set_period(Duration period) {
    if (auto* s = asked("Timer::set_period")) s->set_period(id(), period);
  }
  /// Unarms it and keeps its callback.
  void disarm() {
    if (auto* s = asked("Timer::disarm")) s->disarm(id());
  }
  /// Time to the deadline; zero when it has passed or the timer is not armed.
  [[nodiscard]] Duration remaining() const noexcept {
    auto* s = static_cast<TimersOfClock*>(owner());
    return s == nullptr ? Duration::zero() : s->remaining(id());
  }

 private:
  using TimersOfClock = BasicTimerService<ClockT>;
  friend TimersOfClock;
  using Handle::Handle;

  TimersOfClock* asked(const char* call) const { return static_cast<TimersOfClock*>(owner(call)); }
};

using TimerService = BasicTimerService<std::chrono::steady_clock>;
using Timer = BasicTimer<std::chrono::steady_clock>;
/// Goes on while the machine is suspended: what came due then is told at once when it wakes.
using BootTimerService = BasicTimerService<BootClock>;
using BootTimer = BasicTimer<BootClock>;
/// For instants of the day. When the wall clock is set forward, what was skipped is told once,
/// late; when it is set back, nothing is told again: a periodic timer is silent until its next
/// tick.
using WallTimerService = BasicTimerService<std::chrono::system_clock>;
using WallTimer = BasicTimer<std::chrono::system_clock>;

extern template class BasicTimerService<std::chrono::steady_clock>;
extern template class BasicTimer<std::chrono::steady_clock>;
extern template class BasicTimerService<BootClock>;
extern template class BasicTimer<BootClock>;
extern template class BasicTimerService<std::chrono::system_clock>;
extern template class BasicTimer<std::chrono::system_clock>;

}  // namespace detent
