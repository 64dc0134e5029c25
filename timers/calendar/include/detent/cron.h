// SPDX-License-Identifier: BSL-1.0
/// \file
/// When something is due by the calendar.
///
///     const detent::Cron cron("30 2 * * mon-fri", {.zone = detent::TimeZone("Europe/Berlin")});
///     const std::optional<detent::WallTime> next = cron.next(clock.wall_now());
///
/// docs/calendar.md has the dialect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "detent/clock.h"
#include "detent/time_zone.h"

namespace detent {

/// What becomes of a local time that does not exist, since the clocks were put forward over it.
enum class Gap : std::uint8_t {
  run_after,  ///< Due at the instant that ends the gap; once, however many times fall into it.
  skip        ///< Not due that day.
};
/// At which of its two instants a local time is due that comes twice, since the clocks were put
/// back.
enum class Overlap : std::uint8_t { first, second, both };

struct CronOptions {
  TimeZone zone = {};
  Gap gap = Gap::run_after;
  Overlap overlap = Overlap::first;
};

/// What an expression is not. what() shows it, the place and what was expected there.
class CronError : public std::invalid_argument {
 public:
  CronError(std::string_view expression, std::size_t position, const std::string& expected);
  /// Of the first character that was not expected; the expression's length at its end.
  [[nodiscard]] std::size_t position() const noexcept { return position_; }

 private:
  std::size_t position_;
};

struct CronFields;

/// An expression of five fields (minute, hour, day of the month, month, day of the week) or of six
/// (the second before them). A value, cheap to copy, that never changes; any thread.
///
/// A schedule whose hour field begins with `*` is regular: it is due at each instant whose local
/// time it names, both times in an overlap and never in a gap. Gap and Overlap do not apply to it.
/// Every other schedule names times of the day, for which they do.
class Cron {
 public:
  /// Throws CronError, for a date that never comes (30 February) too.
  explicit Cron(std::string_view expression, CronOptions options = {});

  /// The first instant later than `after` at which it is due. Nullopt when there is none before the
  /// year 2262, in which a WallTime ends. A pure function; takes microseconds.
  [[nodiscard]] std::optional<WallTime> next(WallTime after) const;
  /// The next `n` of them, or as many as there are.
  [[nodiscard]] std::vector<WallTime> next_n(WallTime after, std::size_t n) const;

  [[nodiscard]] const std::string& expression() const noexcept;
  [[nodiscard]] const CronOptions& options() const noexcept { return options_; }

 private:
  std::shared_ptr<const CronFields> fields_;
  CronOptions options_;
};

}  // namespace detent
