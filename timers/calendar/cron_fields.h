// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. A cron expression as sets of numbers, and the search for the next local time that it
/// names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "seconds.h"

namespace detent {

/// Bit n is set if the number n is in the set.
using NumberSet = std::uint64_t;
constexpr NumberSet bit(int number) { return NumberSet{1} << static_cast<unsigned>(number); }

/// Days of a month that depend on the month.
struct SpecialDays {
  NumberSet before_last = 0;      ///< L is 0, L-3 is 3.
  NumberSet near = 0;             ///< 15W: the day of the working week next to it.
  bool last_working_day = false;  ///< LW.
  NumberSet last_weekdays = 0;    ///< 5L: the month's last Friday.
  NumberSet nth_weekdays = 0;     ///< 5#2, its second: bit 5 + 7 * 2.
};

struct CronFields {
  std::string expression;
  NumberSet seconds = 1;
  NumberSet minutes = 0;
  NumberSet hours = 0;
  NumberSet days = 0;      ///< Of the month, 1 to 31.
  NumberSet months = 0;    ///< 1 to 12.
  NumberSet weekdays = 0;  ///< 0 to 6, from Sunday.
  SpecialDays special;
  bool any_day = false;      ///< The day of the month says nothing.
  bool any_weekday = false;  ///< The day of the week says nothing.
  bool regular = false;      ///< See Cron.

  /// The first local time it names that is not before `local`. Nullopt when there is none in four
  /// hundred years, after which the calendar repeats itself.
  [[nodiscard]] std::optional<Seconds> find(Seconds local) const;
};

/// Throws CronError.
[[nodiscard]] CronFields parse_cron(std::string_view expression);

}  // namespace detent
