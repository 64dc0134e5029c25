// SPDX-License-Identifier: BSL-1.0
/// \file
/// Instants as text, "2026-03-29T01:00:00Z", for tests of the calendar.
#pragma once

#include <array>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "detent/clock.h"

namespace detent::testing_support {

inline WallTime instant(const std::string& text) {
  std::array<int, 6> n = {};
  char end = '\0';
  const int read = std::sscanf(text.c_str(), "%d-%d-%dT%d:%d:%d%c", &n[0], &n[1], &n[2], &n[3],
                               &n[4], &n[5], &end);
  if (read != 7 || end != 'Z') throw std::invalid_argument("no instant: " + text);
  const auto date = std::chrono::year(n[0]) / n[1] / n[2];
  return std::chrono::sys_days(date) + std::chrono::hours(n[3]) + std::chrono::minutes(n[4]) +
         std::chrono::seconds(n[5]);
}

inline std::string to_text(WallTime t) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(t - day));
  std::array<char, 64> text = {};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  return text.data();
}

/// "03-29T01:00" of 2026 as to_text() writes it: the year, the seconds and midnight may be left
/// out.
inline std::string in_full(const std::string& year, std::string text) {
  if (text.at(2) == '-') text = year + '-' + text;
  const std::string midnight = "T00:00:00Z";
  return text + midnight.substr(text.size() - midnight.size());
}

}  // namespace detent::testing_support
