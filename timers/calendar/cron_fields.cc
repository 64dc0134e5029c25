// SPDX-License-Identifier: BSL-1.0
#include "cron_fields.h"

#include <bit>
#include <chrono>

namespace detent {
namespace {

namespace chrono = std::chrono;

constexpr int kMonthsInCycle = 400 * 12;
constexpr int kNone = 64;  // not in any set

constexpr bool has(NumberSet set, int number) { return (set & bit(number)) != 0; }

// The least number in the set that is not below `from`, or kNone.
int least(NumberSet set, int from) {
  return from >= kNone ? kNone
                       : std::countr_zero(set & (~NumberSet{0} << static_cast<unsigned>(from)));
}

// One month: its number of days, and the weekday of its first day.
struct Month {
  Month(chrono::year y, chrono::month m)
      : length(static_cast<int>(static_cast<unsigned>((y / m / chrono::last).day()))),
        first(static_cast<int>(chrono::weekday(chrono::local_days(y / m / 1)).c_encoding())) {}
  [[nodiscard]] int weekday_of(int date) const { return (first + date - 1) % 7; }
  [[nodiscard]] bool is_working_day(int date) const {
    return weekday_of(date) != 0 && weekday_of(date) != 6;
  }

  int length;
  int first;
};

// The working day nearest to a date, in the same month.
int working_day_near(const Month& month, int date) {
  for (const int distance : {0, -1, 1, -2, 2}) {
    const int near = date + distance;
    if (near >= 1 && near <= month.length && month.is_working_day(near)) return near;
  }
  return date;
}

NumberSet by_date(const CronFields& fields, const Month& month) {
  const SpecialDays& special = fields.special;
  NumberSet set = fields.days;
  for (int date = 1; date <= month.length; ++date) {
    if (has(special.before_last, month.length - date)) set |= bit(date);
    if (has(special.near, date)) set |= bit(working_day_near(month, date));
  }
  if (special.last_working_day) set |= bit(working_day_near(month, month.length));
  return set;
}

NumberSet by_weekday(const CronFields& fields, const Month& month) {
  NumberSet set = 0;
  for (int date = 1; date <= month.length; ++date) {
    const int weekday = month.weekday_of(date);
    const int nth = (date - 1) / 7 + 1;
    const bool is_last = date + 7 > month.length;
    if (has(fields.weekdays, weekday) || has(fields.special.nth_weekdays, weekday + 7 * nth) ||
        (is_last && has(fields.special.last_weekdays, weekday))) {
      set |= bit(date);
    }
  }
  return set;
}

// When both fields are given, a date needs to match one. In Vixie's cron it must match both if one
// begins with `*`.
NumberSet dates_in(const CronFields& fields, chrono::year y, chrono::month m) {
  if (!has(fields.months, static_cast<int>(static_cast<unsigned>(m)))) return 0;
  const Month month(y, m);
  const NumberSet all = bit(month.length + 1) - bit(1);
  if (fields.any_day && fields.any_weekday) return all;
  if (fields.any_day) return by_weekday(fields, month);
  if (fields.any_weekday) return by_date(fields, month) & all;
  return (by_date(fields, month) | by_weekday(fields, month)) & all;
}

// The first time of a day that is not before `from`, both in seconds since midnight.
std::optional<Seconds> time_of_day(const CronFields& fields, Seconds from) {
  int hour = static_cast<int>(from / 3600);
  int minute = static_cast<int>(from / 60 % 60);
  int second = least(fields.seconds, static_cast<int>(from % 60));
  if (second == kNone) ++minute;
  if (const int found = least(fields.minutes, minute); found != minute) {
    second = kNone;
    if (found == kNone) ++hour;
    minute = found;
  }
  if (const int found = least(fields.hours, hour); found != hour) {
    second = minute = kNone;
    hour = found;
  }
  if (hour == kNone) return std::nullopt;
  if (minute == kNone) minute = least(fields.minutes, 0);
  if (second == kNone) second = least(fields.seconds, 0);
  return (hour * 60 + minute) * Seconds{60} + second;
}

}  // namespace

std::optional<Seconds> CronFields::find(Seconds local) const {
  const chrono::local_seconds from{chrono::seconds(local)};
  const auto first_day = chrono::floor<chrono::days>(from);
  const chrono::year_month_day start(first_day);
  Seconds time = (from - first_day).count();
  int date = static_cast<int>(static_cast<unsigned>(start.day()));
  chrono::year_month in = start.year() / start.month();
  for (int months_on = 0; months_on <= kMonthsInCycle; ++months_on) {
    const NumberSet dates = dates_in(*this, in.year(), in.month());
    for (date = least(dates, date); date != kNone; date = least(dates, date + 1)) {
      const chrono::local_days found(in / chrono::day(static_cast<unsigned>(date)));
      if (found != first_day) time = 0;
      if (const auto at = time_of_day(*this, time)) {
        return chrono::seconds(found.time_since_epoch()).count() + *at;
      }
    }
    in += chrono::months(1);
    date = 1;
    time = 0;
  }
  return std::nullopt;
}

}  // namespace detent
