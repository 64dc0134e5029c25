// SPDX-License-Identifier: BSL-1.0
/// \file
/// One kernel timer as a descriptor, without a loop.
///
///     detent::TimerFd timer(detent::ClockId::wall);
///     timer.arm(20ms, 10ms);                 // first after 20 ms, then a hundred times a second
///     for (int i = 0; i < 4; ++i) std::cout << "expired " << timer.read() << " times\n";
///
/// For many timers in one thread use TimerService: it needs one descriptor for all of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "detent/clock.h"

namespace detent {

/// Owns the descriptor. Every call may throw std::system_error that names the system call. All
/// lengths are exact to the nanosecond. Not tied to a thread.
class TimerFd {
 public:
  enum class Mode : std::uint8_t { blocking, non_blocking };  ///< Of read(), when nothing is due.
  /// What an absolute timer on the wall clock does when that clock is set.
  enum class OnClockSet : std::uint8_t { ignore, cancel };

  struct Setting {
    Duration initial = {};   ///< To the next expiry, also when armed at an instant; zero: disarmed.
    Duration interval = {};  ///< From one expiry to the next; zero: once.
  };

  /// Makes a disarmed timer. The `_alarm` clocks need CAP_WAKE_ALARM: operation_not_permitted
  /// without it. macOS and BSD have no such clocks: not_supported.
  explicit TimerFd(ClockId clock = ClockId::steady, Mode mode = Mode::blocking);

  /// Expires after `initial` (zero and less: at once) and then every `interval` (zero: never again;
  /// std::invalid_argument when negative). Drops an expiry that was not read. Returns the setting
  /// before.
  Setting arm(Duration initial, Duration interval = {});

  /// The same, first at an instant of this timer's own clock. With OnClockSet::cancel a read after
  /// the wall clock was set throws operation_canceled. macOS and BSD do not report that. There it
  /// takes up to ten seconds, and only a change of more than a tenth of a second counts.
  template <class ClockT>
  Setting arm_at(std::chrono::time_point<ClockT, Duration> deadline, Duration interval = {},
                 OnClockSet on_clock_set = OnClockSet::ignore) {
    return arm_at_instant(deadline.time_since_epoch(), interval, on_clock_set);
  }
  Setting disarm();

  [[nodiscard]] Setting setting() const;
  /// Time to the next expiry; zero when disarmed.
  [[nodiscard]] Duration remaining() const { return setting().initial; }

  /// How often it has expired since it was armed or last read. If it has not, a blocking timer
  /// waits for the next expiry (for ever when disarmed), and a non-blocking one returns 0.
  std::uint64_t read();
  /// Readable while read() would return a count; on macOS and BSD sometimes earlier too.
  [[nodiscard]] int fd() const noexcept;

 private:
  struct State;  // each system has its own
  struct Delete {
    void operator()(State* state) const noexcept;
  };

  Setting arm_at_instant(Duration since_epoch, Duration interval, OnClockSet on_clock_set);

  std::unique_ptr<State, Delete> state_;
};

}  // namespace detent
