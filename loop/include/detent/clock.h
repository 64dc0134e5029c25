// SPDX-License-Identifier: BSL-1.0
/// \file
/// The one interface by which the library reads the time and makes alarms.
///
///     detent::TimePoint deadline = detent::kernel_clock().now() + 250ms;
///
/// Replace the Clock (see simulation.h), and a whole program runs on a time that a test sets.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "detent/callback.h"
#include "detent/handle.h"
#include "detent/time.h"

namespace detent {

/// How the wall clock's offset from the steady clock changed. An offset is wall time minus steady
/// time, or the nearest end of the range where that would overflow.
struct ClockChange {
  Duration old_offset;
  Duration new_offset;
};

/// The clock that a timer follows. The `_alarm` clocks wake a suspended machine. Arming them takes
/// the privilege CAP_WAKE_ALARM (timerfd_create(2)).
enum class ClockId : std::uint8_t { steady, boot, wall, boot_alarm, wall_alarm };

/// One kernel timer as a descriptor. fd() becomes readable at the deadline, and stays so until the
/// next arm() or disarm(). Never read from it. A wall alarm also becomes readable when the wall
/// clock is set or the machine wakes from suspension. This happens at once, or within ten seconds
/// where the kernel does not report it (macOS and BSD). So read the clock to learn what is due. Use
/// it from one thread.
class Alarm {
 public:
  Alarm() = default;
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  virtual ~Alarm() = default;

  /// Sets a deadline on this alarm's clock. A deadline in the past makes it readable at once.
  /// Throws std::system_error.
  template <class ClockT>
  void arm(std::chrono::time_point<ClockT, Duration> deadline) {
    arm_at(deadline.time_since_epoch());
  }
  /// Removes the deadline. Throws std::system_error.
  virtual void disarm() = 0;
  [[nodiscard]] virtual int fd() const noexcept = 0;

 private:
  virtual void arm_at(Duration since_epoch) = 0;
};

/// Reads the time and makes alarms. Thread-safe if its implementation is; the kernel's is.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  [[nodiscard]] virtual TimePoint now() const noexcept = 0;
  [[nodiscard]] virtual BootTime boot_now() const noexcept = 0;
  [[nodiscard]] virtual WallTime wall_now() const noexcept = 0;

  /// How far the wall clock may drift from the steady one during `passed` without being set. On
  /// some systems a time server makes one of them run faster or slower.
  [[nodiscard]] virtual Duration wall_drift(Duration passed) const noexcept;

  /// A disarmed alarm on the clock `id`. Throws std::system_error.
  [[nodiscard]] virtual std::unique_ptr<Alarm> make_alarm(ClockId id) = 0;

  /// A loop gives its clock the function that runs what is due and returns how many callbacks ran.
  /// A clock that a test moves calls it after each move. The kernel's clock ignores it and returns
  /// an empty handle.
  [[nodiscard]] virtual Handle attach(Callback<std::size_t()> run_due);
};

/// The clock that the kernel keeps. Lives for the whole program; thread-safe.
[[nodiscard]] Clock& kernel_clock();

}  // namespace detent
