// SPDX-License-Identifier: BSL-1.0
/// \file
/// Calls a function of yours at a time, or again and again.
///
///     detent::TimerService timers(reactor);
///     auto once = timers.after(250ms, [] { std::puts("now"); });
///     auto tick = timers.every(1s, [](const detent::Tick& t) { use(t.expirations); });
///
/// Calls are never early, not by a nanosecond. They come in the order of deadlines; equal
/// deadlines, in the order of arming. A periodic timer keeps its grid, start + n * period: a late
/// call moves no later tick. All timers of a service share one kernel timer. The service sets it
/// again only when the earliest deadline gets earlier, and after it went off.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include "detent/callback.h"
#include "detent/clock.h"
#include "detent/handle.h"
#include "detent/handler_id.h"
#include "detent/name.h"
#include "detent/reactor.h"
#include "detent/timer.h"
#include "detent/untyped_timers.h"

namespace detent {

struct TimerServiceOptions {
  /// How many timers one turn calls at most; the next turn calls the rest. At least 1.
  std::size_t timers_per_turn = 1024;
};

/// Timers on one clock. Lives on its reactor's thread. Destroy it before the reactor. Not moved.
/// Its functions throw std::logic_error on another thread, in a forked child, and when the reactor
/// is gone. They throw std::invalid_argument for an empty callback. A callback may do anything to
/// any timer, its own included, and may destroy the service.
template <class ClockT>
class BasicTimerService final {
 public:
  using Time = std::chrono::time_point<ClockT, Duration>;
  using TickType = BasicTick<ClockT>;
  using TimerType = BasicTimer<ClockT>;

  /// Makes the kernel timer; throws std::system_error. std::invalid_argument for an option of 0.
  explicit BasicTimerService(Reactor& reactor, TimerServiceOptions options = {})
      : timers_(UntypedTimers::make(reactor, kClock, options.timers_per_turn)) {}
  BasicTimerService(const BasicTimerService&) = delete;
  BasicTimerService& operator=(const BasicTimerService&) = delete;
  ~BasicTimerService() { timers_->end(); }

  /// Calls `on_expiry`, with a const TickType& or with nothing, once when `delay` has passed from
  /// this call (not from the turn's now()). Zero and less means the next turn, never this one.
  template <class F>
  [[nodiscard]] TimerType after(Duration delay, F&& on_expiry, Name name = {}) {
    return at(Time(timers_->deadline_after(delay)), std::forward<F>(on_expiry), name);
  }
  /// The same at an instant. An instant in the past means the next turn.
  template <class F>
  [[nodiscard]] TimerType at(Time deadline, F&& on_expiry, Name name = {}) {
    TimerType timer = add("TimerService::at", std::forward<F>(on_expiry), name);
    if (!timer.is_empty()) timers_->start(timer.id().slot, deadline.time_since_epoch());
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
    if (!timer.is_empty()) timers_->start(timer.id().slot, schedule);
    return timer;
  }
  /// Makes a timer that is not armed yet: see TimerType::rearm.
  template <class F>
  [[nodiscard]] TimerType make(F&& on_expiry, Name name = {}) {
    return add("TimerService::make", std::forward<F>(on_expiry), name);
  }

  /// On the wall clock only. Calls `on_change` each time the wall clock was set, even if no timer
  /// is armed. Calls it before the timers that are due by then. A changed offset from the steady
  /// clock counts as setting it. So does waking from suspension where the steady clock stood still
  /// meanwhile (Linux). Where the kernel does not report it (macOS and BSD), the service compares
  /// the clocks at each wake-up, at least every ten seconds. Clock::wall_drift is the least change
  /// that counts. The callback may destroy anything, this service included.
  [[nodiscard]] Handle on_clock_change(
      Callback<void(const ClockChange&)> on_change,
      Name name = {}) requires std::is_same_v<ClockT, std::chrono::system_clock> {
    return timers_->on_clock_change(std::move(on_change), name);
  }

  /// std::logic_error when the reactor is gone.
  [[nodiscard]] Reactor& reactor() const { return timers_->reactor(); }
  /// Reads the clock that these timers go by.
  [[nodiscard]] Time clock_now() const noexcept { return Time(timers_->clock_now()); }

 private:
  static constexpr ClockId kClock = std::is_same_v<ClockT, BootClock> ? ClockId::boot
                                    : ClockT::is_steady               ? ClockId::steady
                                                                      : ClockId::wall;

  template <class F>
  [[gnu::always_inline]] TimerType add(const char* call, F&& on_expiry, const Name& name) {
    if (is_empty_function(on_expiry)) [[unlikely]]
      UntypedTimers::fail_empty(call);
    const HandlerId id = timers_->add(call, untyped(std::forward<F>(on_expiry)), name);
    if (id == HandlerId{}) [[unlikely]]
      return {};
    return {timers_->link(), id};
  }

  // Wraps the callable for an untyped tick. The wrapper adds no captures, so it allocates no more.
  template <class F>
  static auto untyped(F&& function) {
    if constexpr (std::is_invocable_v<std::decay_t<F>&, const TickType&>) {
      return [f = std::forward<F>(function)](const UntypedTick& tick) mutable {
        const TickType typed = {.scheduled = Time(tick.scheduled),
                                .now = Time(tick.now),
                                .expirations = tick.expirations};
        static_cast<void>(f(typed));
      };
    } else {
      static_assert(std::is_invocable_v<std::decay_t<F>&>,
                    "a timer's callback takes a const Tick& or nothing");
      return
          [f = std::forward<F>(function)](const UntypedTick&) mutable { static_cast<void>(f()); };
    }
  }

  std::unique_ptr<UntypedTimers> timers_;
};

using TimerService = BasicTimerService<std::chrono::steady_clock>;
/// Goes on while the machine is suspended. Timers that came due meanwhile are called at once when
/// it wakes.
using BootTimerService = BasicTimerService<BootClock>;
/// For instants of the day. When the wall clock is set forward, a timer that it skipped is called
/// once, late. When it is set back, no tick comes twice: a periodic timer is silent until its next
/// tick.
using WallTimerService = BasicTimerService<std::chrono::system_clock>;

}  // namespace detent
