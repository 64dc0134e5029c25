// SPDX-License-Identifier: BSL-1.0
/// \file
/// The kernel's clock and alarms, but for a wall clock that a test sets as nobody may set the
/// machine's. Or with wall alarms that ring all the time.
#pragma once

#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "detent/clock.h"
#include "detent/unique_fd.h"

namespace detent::testing_support {

class ShiftedClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const noexcept override { return kernel_clock().now(); }
  [[nodiscard]] BootTime boot_now() const noexcept override { return kernel_clock().boot_now(); }
  [[nodiscard]] WallTime wall_now() const noexcept override {
    return kernel_clock().wall_now() + shift_;
  }
  [[nodiscard]] Duration wall_drift(Duration passed) const noexcept override {
    return kernel_clock().wall_drift(passed);
  }
  [[nodiscard]] std::unique_ptr<Alarm> make_alarm(ClockId id) override {
    if (id != ClockId::wall) return kernel_clock().make_alarm(id);
    if (ringing_) return std::make_unique<RingingAlarm>();
    return std::make_unique<ShiftedAlarm>(*this);
  }

  /// Sets the wall clock. Its alarms ring, as the kernel's do when it is set.
  void shift(Duration by) {
    shift_ += by;
    for (ShiftedAlarm* alarm : alarms_) alarm->clock_set();
  }
  /// The wall alarms made from now on are readable whatever is done to them.
  void ring_for_ever() { ringing_ = true; }

 private:
  class ShiftedAlarm final : public Alarm {
   public:
    explicit ShiftedAlarm(ShiftedClock& clock) : clock_(clock) { clock_.alarms_.push_back(this); }
    ~ShiftedAlarm() override { std::erase(clock_.alarms_, this); }
    void disarm() override {
      armed_ = false;
      real_->disarm();
    }
    [[nodiscard]] int fd() const noexcept override { return real_->fd(); }
    void clock_set() {
      if (armed_) real_->arm(WallTime(Duration::zero()));
    }

   private:
    void arm_at(Duration since_epoch) override {
      armed_ = true;
      real_->arm(WallTime(saturating_add(since_epoch, -clock_.shift_)));
    }

    ShiftedClock& clock_;
    std::unique_ptr<Alarm> real_ = kernel_clock().make_alarm(ClockId::wall);
    bool armed_ = false;
  };

  class RingingAlarm final : public Alarm {
   public:
    RingingAlarm() {
      std::array<int, 2> ends = {};
      if (::pipe(ends.data()) == -1) {
        throw std::system_error(errno, std::system_category(), "pipe");
      }
      read_end_.reset(ends[0]);
      write_end_.reset(ends[1]);
      if (::write(write_end_.fd(), "", 1) != 1) {
        throw std::system_error(errno, std::system_category(), "write");
      }
    }
    void disarm() override {}
    [[nodiscard]] int fd() const noexcept override { return read_end_.fd(); }

   private:
    void arm_at(Duration /*since_epoch*/) override {}

    UniqueFd read_end_;
    UniqueFd write_end_;
  };

  Duration shift_ = {};
  bool ringing_ = false;
  std::vector<ShiftedAlarm*> alarms_;
};

}  // namespace detent::testing_support
