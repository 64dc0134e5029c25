// SPDX-License-Identifier: BSL-1.0
#include "polling_wall_alarm.h"

#include <algorithm>

namespace detent {
namespace {

constexpr Duration kPollPeriod = std::chrono::seconds(1);

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

}  // namespace detent
