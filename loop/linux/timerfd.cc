// SPDX-License-Identifier: BSL-1.0
#include "timerfd.h"

#include "sys.h"

namespace detent::sys {

clockid_t native_clock(ClockId id) noexcept {
  switch (id) {
    case ClockId::boot:
      return CLOCK_BOOTTIME;
    case ClockId::wall:
      return CLOCK_REALTIME;
    case ClockId::boot_alarm:
      return CLOCK_BOOTTIME_ALARM;
    case ClockId::wall_alarm:
      return CLOCK_REALTIME_ALARM;
    case ClockId::steady:
      break;
  }
  return CLOCK_MONOTONIC;
}

UniqueFd make_timerfd(ClockId id, int flags) {
  return UniqueFd(check(::timerfd_create(native_clock(id), flags | TFD_CLOEXEC), "timerfd_create"));
}

Duration to_duration(const timespec& t) noexcept {
  constexpr auto kMostSeconds = std::chrono::duration_cast<std::chrono::seconds>(Duration::max());
  if (t.tv_sec >= kMostSeconds.count()) return Duration::max();
  return std::chrono::seconds(t.tv_sec) + Duration(t.tv_nsec);
}

}  // namespace detent::sys
