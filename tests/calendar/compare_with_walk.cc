// SPDX-License-Identifier: BSL-1.0
#include "calendar/compare_with_walk.h"

#include "support/calendar.h"
#include "support/standard.h"

namespace detent::testing_support {
namespace {

constexpr Duration kNanosecond(1);

WallTime wall(UnixTime t) { return WallTime(std::chrono::seconds(t)); }

// The answers for one zone, one expression and one pair of rules.
class Comparison {
 public:
  Comparison(Cron cron, std::vector<UnixTime> due, const LocalWalk& walk)
      : cron_(std::move(cron)), due_(std::move(due)), end_(wall(walk.end())) {}

  /// False when they differ, which has failed the test.
  bool agree_from(WallTime after) {
    ++compared_;
    const auto later = [](WallTime t, UnixTime run) { return t < wall(run); };
    const auto place = std::upper_bound(due_.begin(), due_.end(), after, later);
    std::optional<WallTime> next = cron_.next(after);
    if (next && *next >= end_) next.reset();
    const bool agree = place == due_.end() ? !next : next == wall(*place);
    EXPECT_TRUE(agree) << "zone " << cron_.options().zone.name() << ", '" << cron_.expression()
                       << "', gap " << static_cast<int>(cron_.options().gap) << ", overlap "
                       << static_cast<int>(cron_.options().overlap) << ": after " << to_text(after)
                       << " and " << (after.time_since_epoch().count() % 1'000'000'000)
                       << " ns Cron says " << (next ? to_text(*next) : "none") << ", localtime(3) "
                       << (place == due_.end() ? "none" : to_text(wall(*place))) << ", until "
                       << to_text(end_);
    return agree;
  }

  bool agree_on_each(UnixTime begin) {
    if (!agree_from(wall(begin) - kNanosecond)) return false;
    return std::all_of(due_.begin(), due_.end(),
                       [this](UnixTime run) { return agree_from(wall(run)); });
  }

  bool agree_near(const std::vector<UnixTime>& changes) {
    return std::all_of(changes.begin(), changes.end(), [this](UnixTime change) {
      const WallTime at = wall(change);
      return agree_from(at - std::chrono::seconds(1)) && agree_from(at - kNanosecond) &&
             agree_from(at);
    });
  }

  [[nodiscard]] std::size_t compared() const { return compared_; }

 private:
  Cron cron_;
  std::vector<UnixTime> due_;
  WallTime end_;
  std::size_t compared_ = 0;
};

WallTime any_instant(const LocalWalk& walk, Random& random) {
  const auto length = static_cast<std::uint64_t>(walk.end() - walk.begin());
  return wall(walk.begin()) + std::chrono::nanoseconds(random() % (length * 1'000'000'000));
}

}  // namespace

std::size_t compare_with_walk(const std::string& zone, const std::string& expression,
                              const LocalWalk& walk, Random& random, Rules rules) {
  const NaiveCron naive(expression);
  const Named named = walk.named_by(naive);
  const TimeZone time_zone(zone);
  std::size_t compared = 0;
  for (const Gap gap : {Gap::run_after, Gap::skip}) {
    for (const Overlap overlap : {Overlap::first, Overlap::second, Overlap::both}) {
      Comparison comparison(Cron(expression, {.zone = time_zone, .gap = gap, .overlap = overlap}),
                            due(naive, named, gap, overlap), walk);
      const bool agree = comparison.agree_on_each(walk.begin()) &&
                         comparison.agree_near(walk.changes()) &&
                         comparison.agree_from(any_instant(walk, random));
      compared += comparison.compared();
      if (!agree || rules == Rules::one) return compared;
    }
  }
  return compared;
}

}  // namespace detent::testing_support
