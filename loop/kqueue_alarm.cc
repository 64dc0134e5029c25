// SPDX-License-Identifier: BSL-1.0
// EVFILT_TIMER, in a kqueue of its own, so that any poller can watch it: kqueue(2). It is given the
// time that is left, since the systems' absolute timers go by different clocks and refuse instants
// that have passed. It may go off a little early; whoever is woken reads the clock.
#include <algorithm>
#include <array>
#include <cerrno>

#include "alarm.h"
#include "kqueue.h"
#include "sys.h"

namespace detent {
namespace {

constexpr int kOnlyOne = 0;
// Nobody tells when the wall clock is set, so a wall alarm goes off this often to have it looked
// at.
constexpr Duration kWallClockLook = std::chrono::seconds(10);

class KqueueAlarm final : public Alarm {
 public:
  explicit KqueueAlarm(ClockId id) : id_(id) {}

  void disarm() override {
    std::array changes = {remove_};
    apply(changes);
  }
  [[nodiscard]] int fd() const noexcept override { return kqueue_.fd(); }

 private:
  void arm_at(Duration since_epoch) override {
    const Duration left = saturating_add(since_epoch, -now());
    const Duration most = id_ == ClockId::wall ? kWallClockLook : Duration::max();
    const Duration delay = std::clamp(left, Duration(1), most);  // some refuse 0
    // Adding would not take back what has gone off and waits to be collected.
    std::array changes = {remove_, sys::make_change(kOnlyOne, EVFILT_TIMER, EV_ADD | EV_ONESHOT,
                                                    sys::kTimerNotes, delay.count())};
    apply(changes);
  }

  [[nodiscard]] Duration now() const noexcept {
    const Clock& clock = kernel_clock();
    if (id_ == ClockId::wall) return clock.wall_now().time_since_epoch();
    if (id_ == ClockId::boot) return clock.boot_now().time_since_epoch();
    return clock.now().time_since_epoch();
  }

  void apply(std::span<struct kevent> changes) {
    sys::apply(fd(), changes);
    for (const struct kevent& receipt : changes) {
      const auto error = static_cast<int>(receipt.data);
      if (error != 0 && error != ENOENT) sys::fail("kevent", error);  // ENOENT: it was not armed
    }
  }

  const struct kevent remove_ = sys::make_change(kOnlyOne, EVFILT_TIMER, EV_DELETE);
  ClockId id_;
  sys::Kqueue kqueue_;
};

}  // namespace

std::unique_ptr<Alarm> make_kernel_alarm(ClockId id) {
  // No kqueue wakes a suspended machine.
  if (id == ClockId::boot_alarm || id == ClockId::wall_alarm) sys::fail("make_alarm", ENOTSUP);
  return std::make_unique<KqueueAlarm>(id);
}

}  // namespace detent
