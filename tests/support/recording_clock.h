// SPDX-License-Identifier: BSL-1.0
/// \file
/// A clock that passes everything on to another one and keeps account of its alarms.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "detent/clock.h"

namespace detent::testing_support {

class RecordingClock final : public Clock {
 public:
  explicit RecordingClock(Clock& real) : real_(real) {}

  [[nodiscard]] TimePoint now() const noexcept override {
    ++reads;
    return real_.now();
  }
  [[nodiscard]] BootTime boot_now() const noexcept override { return real_.boot_now(); }
  [[nodiscard]] WallTime wall_now() const noexcept override { return real_.wall_now(); }
  [[nodiscard]] Duration wall_drift(Duration passed) const noexcept override {
    return real_.wall_drift(passed);
  }
  [[nodiscard]] std::unique_ptr<Alarm> make_alarm(ClockId id) override {
    ++made;
    return std::make_unique<RecordedAlarm>(*this, real_.make_alarm(id));
  }
  [[nodiscard]] Handle attach(Callback<std::size_t()> run_due) override {
    return real_.attach(std::move(run_due));
  }

  [[nodiscard]] int alarm_calls() const { return arms + disarms; }

  mutable int reads = 0;  // of the steady clock
  int made = 0;
  int arms = 0;
  int disarms = 0;
  int last_fd = -1;                       // of the alarm made last
  std::optional<Duration> deadline = {};  // as it was armed last, since the epoch; none: disarmed
  bool next_arm_fails = false;

 private:
  class RecordedAlarm final : public Alarm {
   public:
    RecordedAlarm(RecordingClock& clock, std::unique_ptr<Alarm> real)
        : clock_(clock), real_(std::move(real)) {
      clock_.last_fd = fd();
    }
    void disarm() override {
      ++clock_.disarms;
      clock_.deadline.reset();
      real_->disarm();
    }
    [[nodiscard]] int fd() const noexcept override { return real_->fd(); }

   private:
    void arm_at(Duration since_epoch) override {
      if (std::exchange(clock_.next_arm_fails, false)) {
        throw std::system_error(std::make_error_code(std::errc::not_enough_memory), "arm");
      }
      ++clock_.arms;
      clock_.deadline = since_epoch;
      real_->arm(TimePoint(since_epoch));
    }

    RecordingClock& clock_;
    std::unique_ptr<Alarm> real_;
  };

  Clock& real_;
};

}  // namespace detent::testing_support
