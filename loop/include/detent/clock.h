// SPDX-License-Identifier: BSL-1.0
/// \file
/// Time: the types, and the one seam through which the library learns it.
///
///     detent::TimePoint deadline = detent::kernel_clock().now() + 250ms;
///
/// Everything is integer nanoseconds. Replace the Clock (see simulation.h) and a whole program
/// runs on a time that a test moves by hand.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "detent/callback.h"
#include "detent/handle.h"

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

/// What became of the wall clock's distance from the steady one: wall time minus steady time, or
/// the nearest end of the range where that would overflow.
struct ClockChange {
  Duration old_offset;
  Duration new_offset;
};

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

/// Which clock a timer goes by. The `_alarm` clocks wake a suspended machine; arming them takes
/// the privilege CAP_WAKE_ALARM (timerfd_create(2)).
enum class ClockId : std::uint8_t { steady, boot, wall, boot_alarm, wall_alarm };

/// One kernel timer as a readable descriptor: fd() becomes readable at the deadline and stays so
/// until the next arm() or disarm(), after which it is not readable before the new deadline. So
/// nobody reads it. A wall alarm becomes readable too when the wall clock is set or the machine
/// wakes from being suspended, at once or, where the kernel does not tell (macOS and BSD), within
/// ten seconds; only reading the clock tells what is due. Use it from one thread.
class Alarm {
 public:
  Alarm() = default;
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  virtual ~Alarm() = default;

  /// A deadline on this alarm's clock; one that has passed makes it readable at once. Throws
  /// std::system_error.
  template <class ClockT>
  void arm(std::chrono::time_point<ClockT, Duration> deadline) {
    arm_at(deadline.time_since_epoch());
  }
  /// No deadline. Throws std::system_error.
  virtual void disarm() = 0;
  [[nodiscard]] virtual int fd() const noexcept = 0;

 private:
  virtual void arm_at(Duration since_epoch) = 0;
};

/// Tells the time and makes alarms. Thread-safe if its implementation is; the kernel's is.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  [[nodiscard]] virtual TimePoint now() const noexcept = 0;
  [[nodiscard]] virtual BootTime boot_now() const noexcept = 0;
  [[nodiscard]] virtual WallTime wall_now() const noexcept = 0;

  /// How far the wall clock may come off the steady one while `passed` goes by, without having been
  /// set: on some systems a time server lets one of them run faster or slower.
  [[nodiscard]] virtual Duration wall_drift(Duration passed) const noexcept;

  /// A disarmed alarm that goes by `id`. Throws std::system_error.
  [[nodiscard]] virtual std::unique_ptr<Alarm> make_alarm(ClockId id) = 0;

  /// A loop tells its clock how to run what is due (the function returns how many callbacks ran).
  /// A clock that is moved by hand calls it after each move; the kernel's has no use for it and
  /// returns an empty handle.
  [[nodiscard]] virtual Handle attach(Callback<std::size_t()> run_due);
};

/// The clock that the kernel keeps. Lives for the whole program; thread-safe.
[[nodiscard]] Clock& kernel_clock();

}  // namespace detent
