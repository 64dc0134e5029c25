// SPDX-License-Identifier: BSL-1.0
/// \file
/// The one seam through which the library learns the time, and makes alarms.
///
///     detent::TimePoint deadline = detent::kernel_clock().now() + 250ms;
///
/// Replace the Clock (see simulation.h) and a whole program runs on a time that a test moves by
/// hand.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "detent/callback.h"
#include "detent/handle.h"
#include "detent/time.h"

namespace detent {

/// What became of the wall clock's distance from the steady one: wall time minus steady time, or
/// the nearest end of the range where that would overflow.
struct ClockChange {
  Duration old_offset;
  Duration new_offset;
};

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
