// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. An alarm for the wall clock that needs no kernel's help: it is a steady alarm, which
/// goes off once a second before the deadline too, so that whoever is woken looks at the clock.
#pragma once

#include <memory>

#include "detent/clock.h"

namespace detent {

/// `clock` must outlive it. Throws std::system_error.
[[nodiscard]] std::unique_ptr<Alarm> make_looking_alarm(Clock& clock);

/// Tells when an alarm is to be given up: one that rings before its time again and again, though
/// nobody has set its clock. A loop that listened to it would never sleep.
class FalseRings {
 public:
  /// One more. Whether there were too many within a second.
  [[nodiscard]] bool too_many(TimePoint now) noexcept;

 private:
  TimePoint first_ = {};
  int count_ = 0;
};

}  // namespace detent
