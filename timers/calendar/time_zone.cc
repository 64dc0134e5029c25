// SPDX-License-Identifier: BSL-1.0
#include "detent/time_zone.h"

#include <array>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "shown.h"
#include "zone_files.h"
#include "zone_rules.h"

namespace detent {
namespace {

// Far enough: a WallTime ends in 2262, and no sum with an offset overflows.
constexpr Seconds kForever = std::numeric_limits<Seconds>::max() / 4;

Seconds seconds_of(absl::CivilSecond civil) { return civil - absl::CivilSecond(1970, 1, 1); }

// A change of the offset. Abseil describes it by the local times before and after it.
struct Change {
  Seconds at;
  Seconds before;
  Seconds after;
};

Change change_of(const absl::TimeZone& zone, const absl::TimeZone::CivilTransition& transition) {
  // The earlier of the two is skipped or repeated, so At() gives its transition.
  const auto info = zone.At(std::min(transition.from, transition.to));
  const Seconds at = absl::ToUnixSeconds(info.trans);
  return {at, seconds_of(transition.from) - at, seconds_of(transition.to) - at};
}

// "+hh:mm", "-hh:mm".
std::optional<absl::TimeZone> fixed_offset(const std::string& name) {
  if (name.size() != 6 || (name[0] != '+' && name[0] != '-') || name[3] != ':') return std::nullopt;
  for (const std::size_t digit : {1U, 2U, 4U, 5U}) {
    if (name[digit] < '0' || name[digit] > '9') return std::nullopt;
  }
  const int hours = (name[1] - '0') * 10 + (name[2] - '0');
  const int minutes = (name[4] - '0') * 10 + (name[5] - '0');
  if (hours > 23 || minutes > 59) return std::nullopt;
  const int offset = (hours * 60 + minutes) * 60;
  return absl::FixedTimeZone(name[0] == '-' ? -offset : offset);
}

// Passes a path, not the name: Abseil gives some names a meaning of its own ("file:...",
// "localtime").
absl::TimeZone load(const std::string& name) {
  absl::TimeZone zone;
  const std::string path = zone_file(name);
  if (!path.empty() && absl::LoadTimeZone(path, &zone)) return zone;
  throw std::invalid_argument("TimeZone: no time zone is called " + shown(name) + " here");
}

// Never destroyed, since destructors of static objects may still make a zone.
absl::TimeZone load_once(const std::string& name) {
  static auto& mutex = *new std::mutex;
  static auto& loaded = *new std::map<std::string, absl::TimeZone>;
  const std::lock_guard lock(mutex);
  const auto found = loaded.find(name);
  return found != loaded.end() ? found->second : loaded.emplace(name, load(name)).first->second;
}

absl::TimeZone zone_called(const std::string& name) {
  if (name == "UTC") return absl::UTCTimeZone();
  if (const auto fixed = fixed_offset(name)) return *fixed;
  return load_once(name);
}

Seconds seconds_of(WallTime t) {
  return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}

}  // namespace

ZoneSegment ZoneRules::segment_at(Seconds utc) const {
  const absl::Time t = absl::FromUnixSeconds(utc);
  const Seconds offset = zone.At(t).offset;
  ZoneSegment segment = {-kForever, kForever, offset, offset, offset};
  absl::TimeZone::CivilTransition transition;
  // The last one not after t: PrevTransition() searches before the instant that it gets.
  if (zone.PrevTransition(t + absl::Seconds(1), &transition)) {
    const Change change = change_of(zone, transition);
    segment.begin = change.at;
    segment.before = change.before;
  }
  if (zone.NextTransition(t, &transition)) {
    const Change change = change_of(zone, transition);
    segment.end = change.at;
    segment.after = change.after;
  }
  return segment;
}

TimeZone::TimeZone() {
  static const auto utc = std::make_shared<const ZoneRules>(ZoneRules{"UTC", absl::UTCTimeZone()});
  rules_ = utc;
}

TimeZone::TimeZone(std::string_view name)
    : rules_(std::make_shared<const ZoneRules>(
          ZoneRules{std::string(name), zone_called(std::string(name))})) {}

const std::string& TimeZone::name() const noexcept { return rules_->name; }

std::chrono::seconds TimeZone::offset_at(WallTime t) const {
  return std::chrono::seconds(rules_->zone.At(absl::FromUnixSeconds(seconds_of(t))).offset);
}

bool TimeZone::is_repeated(WallTime t) const {
  const Seconds utc = seconds_of(t);
  const ZoneSegment s = rules_->segment_at(utc);
  const bool came_before = s.before > s.offset && utc - s.begin < s.before - s.offset;
  const bool comes_again = s.offset > s.after && s.end - utc <= s.offset - s.after;
  return came_before || comes_again;
}

}  // namespace detent
