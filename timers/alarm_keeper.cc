// SPDX-License-Identifier: BSL-1.0
#include "alarm_keeper.h"

#include <chrono>
#include <utility>

#include "polling_wall_alarm.h"

namespace detent {
namespace {

// A kernel wakes a tick too early now and then, but by mistake never as often as this.
constexpr int kMostFalseRings = 64;
constexpr Duration kWithin = std::chrono::seconds(1);

// Stands for whichever clock an alarm goes by.
struct ClockOfAlarm {};
using AlarmTime = std::chrono::time_point<ClockOfAlarm, Duration>;

}  // namespace

bool FalseRings::too_many(TimePoint now) noexcept {
  if (count_ == 0 || now - first_ > kWithin) {
    first_ = now;
    count_ = 0;
  }
  return ++count_ >= kMostFalseRings;
}

AlarmKeeper::AlarmKeeper(Reactor& reactor, const TimerClock& clock, User& user)
    : reactor_(reactor),
      clock_(clock),
      user_(user),
      alarm_(clock.make_alarm()),
      watch_(watch(*alarm_)) {}

// While the user serves the alarm, it counts as one that rings. So what callbacks arm meanwhile
// needs no call of the kernel.
Watch AlarmKeeper::watch(const Alarm& alarm) {
  return reactor_.watch_source(
      alarm.fd(), [this](Ready) { return user_.on_ring(std::exchange(armed_for_, kAtOnce)); },
      "timer service");
}

void AlarmKeeper::arm(Duration deadline) {
  alarm_->arm(AlarmTime(deadline));
  armed_for_ = deadline;
}

void AlarmKeeper::disarm() {
  alarm_->disarm();
  armed_for_ = kNever;
}

void AlarmKeeper::count_false_ring() {
  if (!false_rings_.too_many(clock_.clocks().now())) return;
  std::unique_ptr<Alarm> polling = make_polling_wall_alarm(clock_.clocks());
  watch_ = watch(*polling);
  alarm_ = std::move(polling);
}

}  // namespace detent
