// SPDX-License-Identifier: BSL-1.0
/// \file
/// A stretch of time as localtime(3) shows it, step by step, and what is due in it: the long way to
/// what Cron::next() finds by calculation.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "calendar/naive_cron.h"
#include "detent/cron.h"

namespace detent::testing_support {

using UnixTime = std::int64_t;  ///< In seconds.
constexpr UnixTime kMinute = 60;
constexpr UnixTime kHour = 60 * kMinute;
constexpr UnixTime kDay = 24 * kHour;

/// The first of January, in UTC.
[[nodiscard]] UnixTime year_begin(int year);

/// One name for each set of rules that the system has: many names are links.
[[nodiscard]] std::vector<std::string> system_zones();

/// localtime(3) is about this zone, until the object goes.
class LocalTime {
 public:
  explicit LocalTime(const std::string& zone);
  LocalTime(const LocalTime&) = delete;
  LocalTime& operator=(const LocalTime&) = delete;
  ~LocalTime();

  [[nodiscard]] static std::tm at(UnixTime utc);
  /// The instants at which the offset becomes another. One that lasts less than `grain` may be
  /// missed.
  [[nodiscard]] static std::vector<UnixTime> changes(UnixTime begin, UnixTime end,
                                                     UnixTime grain = kDay);
};

/// What an expression names in a stretch of time.
struct Named {
  struct Run {
    UnixTime utc;
    int pass;  ///< 1 or 2 if the clock shows this twice, else 0.
  };
  std::vector<Run> runs;
  std::vector<UnixTime> ends_of_gaps;  ///< Into which something falls that it names.
};

/// What is due then, in order, each once.
[[nodiscard]] std::vector<UnixTime> due(const NaiveCron& cron, const Named& named, Gap gap,
                                        Overlap overlap);

class LocalWalk {
 public:
  /// From `begin` to before `end`, by steps of a minute or a second, in the zone of LocalTime. The
  /// zone's offset has to be a whole number of steps.
  LocalWalk(UnixTime begin, UnixTime end, UnixTime step);

  [[nodiscard]] UnixTime begin() const { return begin_; }
  [[nodiscard]] UnixTime end() const {
    return begin_ + step_ * static_cast<UnixTime>(places_.size());
  }
  /// Where the clock is set, inside of the stretch.
  [[nodiscard]] const std::vector<UnixTime>& changes() const { return changes_; }

  [[nodiscard]] Named named_by(const NaiveCron& cron) const;

 private:
  struct Place {
    std::tm local;
    int pass = 0;
  };
  struct LeftOut {  // what the clock shows at no time, as one of UTC would show it
    UnixTime end;
    UnixTime shown_from, shown_to;
  };

  void note_change(UnixTime at);
  void set_pass(UnixTime from, UnixTime to, int pass);
  [[nodiscard]] bool names_part_of(const NaiveCron& cron, const LeftOut& gap) const;

  UnixTime begin_, step_;
  std::vector<Place> places_;
  std::vector<LeftOut> gaps_;
  std::vector<UnixTime> changes_;
};

}  // namespace detent::testing_support
