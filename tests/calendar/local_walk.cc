// SPDX-License-Identifier: BSL-1.0
#include "calendar/local_walk.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/standard.h"

namespace detent::testing_support {
namespace {

// No clock was ever put back by more.
constexpr UnixTime kMargin = 26 * kHour;

// The pass that a fixed schedule wants of what comes twice.
bool wants(Overlap overlap, int pass) {
  if (overlap == Overlap::both) return true;
  return pass == (overlap == Overlap::first ? 1 : 2);
}

}  // namespace

UnixTime year_begin(int year) {
  std::tm t = {};
  t.tm_year = year - 1900;
  t.tm_mday = 1;
  return ::timegm(&t);
}

std::vector<std::string> system_zones() {
  const std::filesystem::path root = "/usr/share/zoneinfo";
  if (!std::filesystem::exists(root)) return {};
  std::map<std::string, std::string> by_rules;
  for (const auto& file : std::filesystem::recursive_directory_iterator(root)) {
    const std::string name = file.path().lexically_relative(root).string();
    // Those that count leap seconds, and copies.
    if (name.starts_with("right/") || name.starts_with("posix") || name == "localtime") continue;
    if (!file.is_regular_file()) continue;
    std::ifstream content(file.path(), std::ios::binary);
    const std::string rules((std::istreambuf_iterator<char>(content)), {});
    if (!rules.starts_with("TZif")) continue;
    const auto [place, added] = by_rules.try_emplace(rules, name);
    if (!added) place->second = std::min(place->second, name);
  }
  std::vector<std::string> names;
  for (const auto& [rules, name] : by_rules) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

LocalTime::LocalTime(const std::string& zone) {
  ::setenv("TZ", (":" + zone).c_str(), 1);
  ::tzset();
}

LocalTime::~LocalTime() {
  ::unsetenv("TZ");
  ::tzset();
}

std::tm LocalTime::at(UnixTime utc) {
  const std::time_t time = utc;
  std::tm local = {};
  ::localtime_r(&time, &local);
  return local;
}

std::vector<UnixTime> LocalTime::changes(UnixTime begin, UnixTime end, UnixTime grain) {
  std::vector<UnixTime> changes;
  for (UnixTime t = begin; t < end; t += grain) {
    UnixTime before = t;
    UnixTime after = t + grain;
    const long offset = at(before).tm_gmtoff;
    if (at(after).tm_gmtoff == offset) continue;
    while (after - before > 1) {
      const UnixTime middle = (before + after) / 2;
      (at(middle).tm_gmtoff == offset ? before : after) = middle;
    }
    changes.push_back(after);
  }
  return changes;
}

std::vector<UnixTime> due(const NaiveCron& cron, const Named& named, Gap gap, Overlap overlap) {
  std::vector<UnixTime> due;
  for (const Named::Run& run : named.runs) {
    if (run.pass == 0 || cron.is_regular() || wants(overlap, run.pass)) due.push_back(run.utc);
  }
  if (gap == Gap::run_after && !cron.is_regular()) {
    due.insert(due.end(), named.ends_of_gaps.begin(), named.ends_of_gaps.end());
  }
  std::sort(due.begin(), due.end());
  due.erase(std::unique(due.begin(), due.end()), due.end());
  return due;
}

LocalWalk::LocalWalk(UnixTime begin, UnixTime end, UnixTime step) : begin_(begin), step_(step) {
  places_.reserve(static_cast<std::size_t>((end - begin) / step));
  for (UnixTime utc = begin; utc < end; utc += step) {
    places_.push_back({LocalTime::at(utc)});
    if (places_.back().local.tm_gmtoff % step != 0) throw std::domain_error("too long a step");
  }
  for (const UnixTime at : LocalTime::changes(begin - kMargin, end + kMargin, kHour)) {
    note_change(at);
  }
}

void LocalWalk::note_change(UnixTime at) {
  const UnixTime before = LocalTime::at(at - 1).tm_gmtoff;
  const UnixTime after = LocalTime::at(at).tm_gmtoff;
  if (at >= begin() && at < end()) {
    changes_.push_back(at);
    if (after > before) gaps_.push_back({at, at + before, at + after});
  }
  // What was shown before the clock was put back comes once more.
  set_pass(at - (before - after), at, 1);
  set_pass(at, at + (before - after), 2);
}

void LocalWalk::set_pass(UnixTime from, UnixTime to, int pass) {
  for (UnixTime utc = std::max(from, begin()); utc < std::min(to, end()); utc += step_) {
    places_[static_cast<std::size_t>((utc - begin_) / step_)].pass = pass;
  }
}

Named LocalWalk::named_by(const NaiveCron& cron) const {
  Named named;
  UnixTime utc = begin_;
  for (const Place& place : places_) {
    if (cron.names_minute(place.local)) {
      for (int i = 0; i < step_; ++i) {
        if (cron.names_second(place.local.tm_sec + i)) named.runs.push_back({utc + i, place.pass});
      }
    }
    utc += step_;
  }
  for (const LeftOut& gap : gaps_) {
    if (names_part_of(cron, gap)) named.ends_of_gaps.push_back(gap.end);
  }
  return named;
}

bool LocalWalk::names_part_of(const NaiveCron& cron, const LeftOut& gap) const {
  for (UnixTime shown = gap.shown_from; shown < gap.shown_to; shown += step_) {
    const std::time_t time = shown;
    std::tm local = {};
    ::gmtime_r(&time, &local);
    // By minutes any second of it will do, and each expression names one.
    if (step_ == kMinute ? cron.names_minute(local) : cron.names(local)) return true;
  }
  return false;
}

}  // namespace detent::testing_support
