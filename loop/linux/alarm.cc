// SPDX-License-Identifier: BSL-1.0
#include "alarm.h"

#include <algorithm>

#include "sys.h"
#include "timerfd.h"
#include "wait_time.h"

namespace detent {
namespace {

// timerfd_settime(2) clears a pending expiry, for level-triggered pollers too. So the descriptor is
// never read, and a timer wake-up costs this one call.
class TimerfdAlarm final : public Alarm {
 public:
  explicit TimerfdAlarm(ClockId id)
      : wall_(id == ClockId::wall || id == ClockId::wall_alarm),
        timer_(sys::make_timerfd(id, TFD_NONBLOCK)) {}

  void disarm() override { set({}); }
  [[nodiscard]] int fd() const noexcept override { return timer_.fd(); }

 private:
  // An absolute time of 0 would disarm. One nanosecond later has passed just as well.
  void arm_at(Duration since_epoch) override {
    set(to_timespec(std::max(since_epoch, Duration(1))));
  }

  void set(timespec deadline) {
    const itimerspec setting = {.it_interval = {}, .it_value = deadline};
    // Cancel-on-set makes the descriptor readable when the wall clock jumps (timerfd_create(2)).
    const int flags = TFD_TIMER_ABSTIME | (wall_ ? TFD_TIMER_CANCEL_ON_SET : 0);
    // ECANCELED: the clock was set since the last call; the timer is armed all the same.
    const int result = ::timerfd_settime(fd(), flags, &setting, nullptr);
    if (result == -1 && errno != ECANCELED) sys::fail("timerfd_settime");
  }

  bool wall_;
  UniqueFd timer_;
};

}  // namespace

std::unique_ptr<Alarm> make_kernel_alarm(ClockId id) { return std::make_unique<TimerfdAlarm>(id); }

}  // namespace detent
