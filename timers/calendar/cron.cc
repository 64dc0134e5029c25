// SPDX-License-Identifier: BSL-1.0
// Between two changes of a zone's offset, local time runs as UTC does. So the search goes from one
// such segment to the next. Gaps and overlaps need care only where two segments meet.
#include "detent/cron.h"

#include <algorithm>

#include "cron_fields.h"
#include "zone_rules.h"

namespace detent {
namespace {

// The end of 2261. No zone's clocks are off by more than a day or so.
constexpr Seconds kEnd =
    std::chrono::sys_seconds(std::chrono::sys_days(std::chrono::year(2262) / 1 / 1))
        .time_since_epoch()
        .count();
constexpr Seconds kTwoDays = Seconds{2} * 24 * 3600;

class Search {
 public:
  Search(const CronFields& fields, const CronOptions& options)
      : fields_(fields), options_(options) {}

  // The first instant not before `from` and before kEnd.
  [[nodiscard]] std::optional<Seconds> first(Seconds from) const {
    while (from < kEnd) {
      const ZoneSegment segment = options_.zone.rules().segment_at(from);
      // Checked here, not at the end of the segment before, since a search may begin at this
      // instant.
      if (from == segment.begin && is_due_after_gap(segment)) return from;
      const std::optional<Seconds> local = fields_.find(begin_of(segment, from));
      if (!local) return std::nullopt;
      if (*local < end_of(segment)) return within_range(*local - segment.offset);
      // Skips to two days before the next local time. Before that nothing is due, whatever the
      // offsets until then, even if it is in a gap or an overlap.
      const Seconds resumed = segment.end + std::min(segment.offset, segment.after);
      from = std::max(segment.end, *fields_.find(resumed) - segment.offset - kTwoDays);
    }
    return std::nullopt;
  }

 private:
  static std::optional<Seconds> within_range(Seconds utc) {
    return utc < kEnd ? std::optional(utc) : std::nullopt;
  }

  // Overlap decides which segment has the local times that two segments share. So these two cut off
  // the times that came in the segment before, or will come in the next.
  [[nodiscard]] Seconds begin_of(const ZoneSegment& s, Seconds from) const {
    const Seconds local = from + s.offset;
    const bool only_first = !fields_.regular && options_.overlap == Overlap::first;
    return only_first ? std::max(local, s.begin + s.before) : local;
  }
  [[nodiscard]] Seconds end_of(const ZoneSegment& s) const {
    const bool only_second = !fields_.regular && options_.overlap == Overlap::second;
    return s.end + (only_second ? std::min(s.offset, s.after) : s.offset);
  }
  // Whether a time is due in the gap that ends at the segment's first instant.
  [[nodiscard]] bool is_due_after_gap(const ZoneSegment& s) const {
    if (fields_.regular || options_.gap == Gap::skip || s.offset <= s.before) return false;
    const std::optional<Seconds> local = fields_.find(s.begin + s.before);
    return local && *local < s.begin + s.offset;
  }

  const CronFields& fields_;
  const CronOptions& options_;
};

}  // namespace

Cron::Cron(std::string_view expression, CronOptions options)
    : fields_(std::make_shared<const CronFields>(parse_cron(expression))),
      options_(std::move(options)) {}

std::optional<WallTime> Cron::next(WallTime after) const {
  const auto whole = std::chrono::floor<std::chrono::seconds>(after).time_since_epoch();
  const auto found = Search(*fields_, options_).first(whole.count() + 1);
  if (!found) return std::nullopt;
  return WallTime(std::chrono::seconds(*found));
}

std::vector<WallTime> Cron::next_n(WallTime after, std::size_t n) const {
  std::vector<WallTime> times;
  while (times.size() < n) {
    const std::optional<WallTime> time = next(times.empty() ? after : times.back());
    if (!time) break;
    times.push_back(*time);
  }
  return times;
}

const std::string& Cron::expression() const noexcept { return fields_->expression; }

}  // namespace detent
