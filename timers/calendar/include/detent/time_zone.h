// SPDX-License-Identifier: BSL-1.0
/// \file
/// The time zone of a place: its offset from UTC, now and at any other time.
///
///     const detent::TimeZone berlin("Europe/Berlin");
///     const auto offset = berlin.offset_at(clock.wall_now());     // 1 h or 2 h
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "detent/clock.h"

namespace detent {

struct ZoneRules;

/// A value, cheap to copy. The process reads a zone from the system's time zone data once: restart
/// the program when the data changes. The data is in the folder $TZDIR, or in /usr/share/zoneinfo;
/// a program that runs with another user's rights ignores $TZDIR. Any thread.
class TimeZone {
 public:
  /// UTC.
  TimeZone();
  /// By its name in the IANA data ("Europe/Berlin"), "UTC", or a fixed offset ("+05:30", "-03:00").
  /// Safe for names from untrusted input: a name cannot lead out of the data's folder. It reads
  /// only a regular file of bounded size. std::invalid_argument, which shows the name, when there
  /// is no such zone.
  explicit TimeZone(std::string_view name);

  [[nodiscard]] const std::string& name() const noexcept;
  /// How far its clocks are ahead of UTC (east is positive).
  [[nodiscard]] std::chrono::seconds offset_at(WallTime t) const;
  /// Whether the local time at `t` comes at another instant too, since the clocks were set back.
  [[nodiscard]] bool is_repeated(WallTime t) const;

  /// For the calendar's own use.
  [[nodiscard]] const ZoneRules& rules() const noexcept { return *rules_; }

 private:
  std::shared_ptr<const ZoneRules> rules_;
};

}  // namespace detent
