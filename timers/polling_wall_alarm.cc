// SPDX-License-Identifier: BSL-1.0
#include "polling_wall_alarm.h"

#include <algorithm>

namespace detent {
namespace {

constexpr Duration kPollPeriod = std::chrono::seconds(1);

// A kernel wakes a tick too early now and then, but by mistake never as often as this.
constexpr int kMostFalseRings = 64;
constexpr Duration kWithin = std::chrono::seconds(1);

class PollingWallAlarm final : public Alarm {
 public:
  explicit PollingWallAlarm(Clock& clock)
      : clock_(clock), steady_(clock.make_alarm(ClockId::steady)) {}

  void disarm() override { steady_->disarm(); }
  [[nodiscard]] int fd() const noexcept override { return steady_->fd(); }

 private:
  void arm_at(Duration since_epoch) override {
    const Duration left = saturating_subtract(since_epoch, clock_.wall_now().time_since_epoch());
    steady_->arm(saturating_add(clock_.now(), std::clamp(left, Duration::zero(), kPollPeriod)));
  }

  Clock& clock_;
  std::unique_ptr<Alarm> steady_;
};

}  // namespace

std::unique_ptr<Alarm> make_polling_wall_alarm(Clock& clock) {
  return std::make_unique<PollingWallAlarm>(clock);
}

bool FalseRings::too_many(TimePoint now) noexcept {
  if (count_ == 0 || now - first_ > kWithin) {
    first_ = now;
    count_ = 0;
  }
  return ++count_ >= kMostFalseRings;
}

}  // namespace detent
