// SPDX-License-Identifier: BSL-1.0
#include "detent/untyped_timers.h"

#include <stdexcept>
#include <string>

#include "timer_engine.h"

namespace detent {

std::unique_ptr<UntypedTimers> UntypedTimers::make(Reactor& reactor, ClockId clock,
                                                   std::size_t timers_per_turn) {
  return std::make_unique<TimerEngine>(reactor, clock, timers_per_turn);
}

void UntypedTimers::fail_empty(const char* call) {
  throw std::invalid_argument(std::string(call) + ": the callback is empty");
}

}  // namespace detent
