// SPDX-License-Identifier: BSL-1.0
#include "detent/timer.h"

#include "timer_engine.h"

namespace detent {

inline TimerEngine* UntypedTimer::engine(const char* call) const {
  return static_cast<TimerEngine*>(owner(call));
}

void UntypedTimer::rearm(Duration delay) {
  if (auto* timers = engine("Timer::rearm")) timers->rearm(id(), timers->deadline_after(delay));
}

void UntypedTimer::rearm_at(Duration since_epoch) {
  if (auto* timers = engine("Timer::rearm_at")) timers->rearm(id(), since_epoch);
}

void UntypedTimer::set_period(Duration period) {
  if (auto* timers = engine("Timer::set_period")) timers->set_period(id(), period);
}

void UntypedTimer::disarm() {
  if (auto* timers = engine("Timer::disarm")) timers->disarm(id());
}

Duration UntypedTimer::remaining() const noexcept {
  auto* timers = static_cast<TimerEngine*>(owner());
  return timers == nullptr ? Duration::zero() : timers->remaining(id());
}

}  // namespace detent
