// SPDX-License-Identifier: BSL-1.0
// EVFILT_TIMER, in a kqueue of its own, so that any poller can watch it: kqueue(2).
#include "alarm.h"

#include <cerrno>
#include <optional>

#include "kqueue.h"
#include "sys.h"

namespace detent {
namespace {

class KqueueAlarm final : public Alarm {
 public:
  explicit KqueueAlarm(ClockId id) : id_(id) {}

  void disarm() override { sys::set_timer(fd(), id_, std::nullopt); }
  [[nodiscard]] int fd() const noexcept override { return kqueue_.fd(); }

 private:
  void arm_at(Duration since_epoch) override { sys::set_timer(fd(), id_, since_epoch); }

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
