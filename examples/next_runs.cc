// SPDX-License-Identifier: BSL-1.0
// Prints when a cron expression is due next: in UTC, by the zone's clocks, and which rule for the
// setting of clocks applied.
//
//     next_runs '30 2 * * *' --zone Europe/Berlin -n 3 --from 2026-03-28T12:00:00Z
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include <detent/calendar.h>

using namespace std::chrono_literals;

namespace {

struct Arguments {
  std::string expression;
  std::string zone = "UTC";
  std::size_t count = 10;
  detent::WallTime from = std::chrono::system_clock::now();
};

// "2026-03-28T12:00:00Z"
detent::WallTime parse_instant(const std::string& text) {
  std::array<int, 6> n = {};
  int length = 0;
  const int read = std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &n[0], &n[1], &n[2],
                               &n[3], &n[4], &n[5], &length);
  const auto date = std::chrono::year(n[0]) / n[1] / n[2];
  const bool valid = read == 6 && static_cast<std::size_t>(length) == text.size() && date.ok() &&
                     n[0] >= 1970 && n[0] < 2262 && n[3] < 24 && n[4] < 60 && n[5] < 60;
  if (!valid) throw std::invalid_argument("--from is not like 2026-03-28T12:00:00Z: " + text);
  return std::chrono::sys_days(date) + std::chrono::hours(n[3]) + std::chrono::minutes(n[4]) +
         std::chrono::seconds(n[5]);
}

std::size_t parse_count(const std::string& text) {
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool valid = error == std::errc() && end == text.data() + text.size() && count <= 100'000;
  if (!valid) throw std::invalid_argument("-n is no number up to 100000: " + text);
  return count;
}

Arguments parse(int argc, char** argv) {
  constexpr const char* kUsage =
      "usage: next_runs EXPRESSION [--zone ZONE] [-n COUNT] [--from INSTANT]";
  if (argc < 2 || argc % 2 != 0) throw std::invalid_argument(kUsage);
  Arguments arguments;
  arguments.expression = argv[1];
  for (int i = 2; i < argc; i += 2) {
    const std::string_view option = argv[i];
    const std::string value = argv[i + 1];
    if (option == "--zone") {
      arguments.zone = value;
    } else if (option == "-n") {
      arguments.count = parse_count(value);
    } else if (option == "--from") {
      arguments.from = parse_instant(value);
    } else {
      throw std::invalid_argument(kUsage);
    }
  }
  return arguments;
}

std::string date_and_time(detent::WallTime t) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(t - day));
  std::array<char, 64> text = {};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  return text.data();
}

std::string offset_text(std::chrono::seconds offset) {
  const std::chrono::hh_mm_ss parts(offset < 0s ? -offset : offset);
  std::array<char, 32> text = {};
  std::snprintf(text.data(), text.size(), "%c%02d:%02d", offset < 0s ? '-' : '+',
                static_cast<int>(parts.hours().count()), static_cast<int>(parts.minutes().count()));
  return text.data();
}

// What the rules for gaps and overlaps had to do with it, if anything.
std::string rule_of(const detent::Cron& cron, detent::WallTime run) {
  detent::CronOptions options = cron.options();
  options.gap = detent::Gap::skip;
  const detent::Cron skipping(cron.expression(), options);
  if (skipping.next(run - 1ns) != run) return "  gap: run_after";
  if (!options.zone.is_repeated(run)) return "";
  options.overlap = detent::Overlap::second;
  const detent::Cron later(cron.expression(), options);
  return later.next(run - 1ns) == run ? "  overlap: each" : "  overlap: first";
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Arguments arguments = parse(argc, argv);
    const detent::TimeZone zone(arguments.zone);
    const detent::Cron cron(arguments.expression, {.zone = zone});
    for (const detent::WallTime run : cron.next_n(arguments.from, arguments.count)) {
      const std::chrono::seconds offset = zone.offset_at(run);
      std::printf("%sZ  %s%s%s\n", date_and_time(run).c_str(), date_and_time(run + offset).c_str(),
                  offset_text(offset).c_str(), rule_of(cron, run).c_str());
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "next_runs: %s\n", error.what());
    return 1;
  }
}
