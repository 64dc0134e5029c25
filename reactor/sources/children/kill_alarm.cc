// SPDX-License-Identifier: BSL-1.0
#include "children/kill_alarm.h"

#include <cstddef>

#include "detent/reactor.h"

namespace detent {

void KillAlarm::set(Reactor& reactor, Number number, Process& process, TimePoint deadline) {
  if (deadline == Process::kNever) return remove(number, process);
  if (!alarm_) make(reactor);
  deadlines_.emplace(deadline, number);
  if (deadline != process.kill_at) remove(number, process);
  process.kill_at = deadline;
  arm();
}

void KillAlarm::remove(Number number, Process& process) noexcept {
  deadlines_.erase({process.kill_at, number});
  process.kill_at = Process::kNever;
}

void KillAlarm::make(Reactor& reactor) {
  auto alarm = reactor.clock().make_alarm(ClockId::steady);
  watch_ = reactor.watch_source(
      alarm->fd(),
      [this, &clock = reactor.clock()](Ready) {
        ring(clock);
        return std::size_t{0};
      },
      "children to kill");
  alarm_ = std::move(alarm);
}

// The alarm may ring early, and stays readable until it is armed anew.
void KillAlarm::ring(const Clock& clock) {
  const TimePoint now = clock.now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const Number number = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    on_deadline_(number);
  }
  arm();
}

void KillAlarm::arm() {
  if (deadlines_.empty()) return alarm_->disarm();
  alarm_->arm(deadlines_.begin()->first);
}

}  // namespace detent
