// SPDX-License-Identifier: BSL-1.0
/// \file
/// Time as the library counts it: integer nanoseconds, with a type of its own for each clock, so
/// that an instant of one is never taken for one of another.
#pragma once

#include <chrono>
#include <cstdint>

#include "detent/needs_cpp20.h"

namespace detent {

using Duration = std::chrono::nanoseconds;
/// Time that never jumps and stands still while the machine is suspended (CLOCK_MONOTONIC).
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;
/// The time of day, which is set now and then (CLOCK_REALTIME).
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;
/// Names the steady clock that goes on while the machine is suspended (CLOCK_BOOTTIME).
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using BootTime = BootClock::time_point;

/// The sum, or the nearest end of the range where it would overflow.
[[nodiscard]] constexpr Duration saturating_add(Duration a, Duration b) noexcept {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a.count(), b.count(), &sum)) return Duration(sum);
  return b < Duration::zero() ? Duration::min() : Duration::max();
}
template <class ClockT>
[[nodiscard]] constexpr std::chrono::time_point<ClockT, Duration> saturating_add(
    std::chrono::time_point<ClockT, Duration> t, Duration d) noexcept {
  return std::chrono::time_point<ClockT, Duration>(saturating_add(t.time_since_epoch(), d));
}
/// The difference, or the nearest end of the range where it would overflow.
[[nodiscard]] constexpr Duration saturating_subtract(Duration a, Duration b) noexcept {
  std::int64_t difference = 0;
  if (!__builtin_sub_overflow(a.count(), b.count(), &difference)) return Duration(difference);
  return b < Duration::zero() ? Duration::max() : Duration::min();
}
template <class ClockT>
[[nodiscard]] constexpr Duration saturating_subtract(
    std::chrono::time_point<ClockT, Duration> a,
    std::chrono::time_point<ClockT, Duration> b) noexcept {
  return saturating_subtract(a.time_since_epoch(), b.time_since_epoch());
}

}  // namespace detent
