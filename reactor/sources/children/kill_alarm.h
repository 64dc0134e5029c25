// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The deadlines of processes that were told to terminate.
#pragma once

#include <memory>
#include <set>
#include <utility>

#include "children/process_table.h"
#include "detent/callback.h"
#include "detent/clock.h"
#include "detent/watch.h"

namespace detent {

class Reactor;

/// Has an alarm of the reactor's clock, once there was a deadline.
class KillAlarm {
 public:
  using Number = ProcessTable::Number;

  explicit KillAlarm(Callback<void(Number)> on_deadline) : on_deadline_(std::move(on_deadline)) {}

  /// Replaces the deadline that it has. Throws std::system_error.
  void set(Reactor& reactor, Number number, Process& process, TimePoint deadline);
  void remove(Number number, Process& process) noexcept;
  /// For an owner that is going.
  void stop() noexcept { watch_.cancel(); }

 private:
  void make(Reactor& reactor);
  void ring(const Clock& clock);
  void arm();

  Callback<void(Number)> on_deadline_;
  std::set<std::pair<TimePoint, Number>> deadlines_;
  std::unique_ptr<Alarm> alarm_;
  Watch watch_;
};

}  // namespace detent
