// SPDX-License-Identifier: BSL-1.0
/// \file
/// The timers behind a TimerService of any clock, with times as nanoseconds since the epoch of the
/// clock. A public header because TimerService adds callables inline; programs use timer_service.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "detent/callback.h"
#include "detent/clock.h"
#include "detent/drop.h"
#include "detent/handle.h"
#include "detent/handler_table.h"
#include "detent/name.h"
#include "detent/service.h"
#include "detent/timer.h"

namespace detent {

/// As BasicTick.
struct UntypedTick {
  Duration scheduled;
  Duration now;
  std::uint64_t expirations = 1;
};

/// Keeps the callables of a service. The engine derives from this class, knows the deadlines and
/// calls the callables. All clocks use the same engine. Errors and threads are those of
/// BasicTimerService.
class UntypedTimers : public Service {
 public:
  /// Makes the kernel timer; throws std::system_error. std::invalid_argument for a budget of 0.
  [[nodiscard]] static std::unique_ptr<UntypedTimers> make(Reactor& reactor, ClockId clock,
                                                           std::size_t timers_per_turn);
  ~UntypedTimers() override = default;

  /// Keeps `on_expiry`, to be called with a const UntypedTick&, and returns the number of the new
  /// timer, which is not armed. While this service or its reactor is being destroyed, drops
  /// `on_expiry` and returns HandlerId{}.
  template <class F>
  [[nodiscard, gnu::always_inline]] HandlerId add(const char* call, F&& on_expiry,
                                                  const Name& name) {
    if (refuses(call)) [[unlikely]] {
      drop_any(std::forward<F>(on_expiry));
      return {};
    }
    return callbacks_.add(std::forward<F>(on_expiry), name);
  }
  /// For the handles of the timers.
  using Service::link;
  /// Throws std::invalid_argument that names `call`: its callback is empty.
  [[noreturn]] static void fail_empty(const char* call);

  /// Arms a timer for the first time.
  virtual void start(std::uint32_t slot, Duration deadline) = 0;
  virtual void start(std::uint32_t slot, const Periodic& schedule) = 0;
  /// Only for the wall clock.
  [[nodiscard]] virtual Handle on_clock_change(Callback<void(const ClockChange&)> on_change,
                                               Name name) = 0;
  /// Reads the clock that these timers go by.
  [[nodiscard]] virtual Duration clock_now() const noexcept = 0;
  /// The instant when `delay` has passed from now; a negative delay is zero.
  [[nodiscard]] Duration deadline_after(Duration delay) const noexcept {
    return saturating_add(clock_now(), std::max(delay, Duration::zero()));
  }
  [[nodiscard]] Reactor& reactor() const { return Service::reactor("TimerService::reactor"); }

  /// Call it first in the owner's destructor: makes the handles inert, then destroys the callables.
  virtual void end() noexcept = 0;

 protected:
  // Four bytes beside each callable. The engine keeps data of periodic timers in a PeriodTable.
  struct Data {
    std::uint32_t period = 0;  // its number in the PeriodTable; 0: none
  };
  using Table = HandlerTable<void(const UntypedTick&), Data>;

  using Service::Service;

  Table callbacks_;
};

}  // namespace detent
