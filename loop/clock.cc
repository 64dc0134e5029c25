// SPDX-License-Identifier: BSL-1.0
#include "detent/clock.h"

#include <ctime>

#include "alarm.h"
#include "sys.h"

namespace detent {
namespace {

class KernelClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const noexcept override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] BootTime boot_now() const noexcept override {
    timespec t = {};
    ::clock_gettime(sys::kBootClock, &t);
    return BootTime(std::chrono::seconds(t.tv_sec) + Duration(t.tv_nsec));
  }
  [[nodiscard]] WallTime wall_now() const noexcept override {
    return std::chrono::system_clock::now();
  }
  [[nodiscard]] Duration wall_drift(Duration passed) const noexcept override {
    return sys::wall_drift(passed);
  }
  [[nodiscard]] std::unique_ptr<Alarm> make_alarm(ClockId id) override {
    return make_kernel_alarm(id);
  }
};

}  // namespace

Duration Clock::wall_drift(Duration /*passed*/) const noexcept { return {}; }

Handle Clock::attach(Callback<std::size_t()> /*run_due*/) { return {}; }

Clock& kernel_clock() {
  // Never destroyed: a loop with static storage may still ask for the time.
  static KernelClock& clock = *new KernelClock;
  return clock;
}

}  // namespace detent
