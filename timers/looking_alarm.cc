// SPDX-License-Identifier: BSL-1.0
#include "looking_alarm.h"

#include <algorithm>

namespace detent {
namespace {

constexpr Duration kLook = std::chrono::seconds(1);

// Kernels wake early now and then, by a tick of theirs; none does this so often by mistake.
constexpr int kMostFalseRings = 64;
constexpr Duration kWithin = std::chrono::seconds(1);

class LookingAlarm final : public Alarm {
 public:
  explicit LookingAlarm(Clock& clock) : clock_(clock), steady_(clock.make_alarm(ClockId::steady)) {}

  void disarm() override { steady_->disarm(); }
  [[nodiscard]] int fd() const noexcept override { return steady_->fd(); }

 private:
  void arm_at(Duration since_epoch) override {
    const Duration left = saturating_subtract(since_epoch, clock_.wall_now().time_since_epoch());
    steady_->arm(saturating_add(clock_.now(), std::clamp(left, Duration::zero(), kLook)));
  }

  Clock& clock_;
  std::unique_ptr<Alarm> steady_;
};

}  // namespace

std::unique_ptr<Alarm> make_looking_alarm(Clock& clock) {
  return std::make_unique<LookingAlarm>(clock);
}

bool FalseRings::too_many(TimePoint now) noexcept {
  if (count_ == 0 || now - first_ > kWithin) {
    first_ = now;
    count_ = 0;
  }
  return ++count_ >= kMostFalseRings;
}

}  // namespace detent
