// SPDX-License-Identifier: BSL-1.0
// Expressions by chance, which no author of Cron has thought of, and what a naive reading of the
// dialect makes of them.
#include <ctime>

#include "calendar/compare_with_walk.h"
#include "calendar/local_walk.h"
#include "calendar/naive_cron.h"
#include "calendar/random_cron.h"
#include "detent/cron.h"
#include "support/calendar.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

class RandomCron : public testing::Test {
 protected:
  [[nodiscard]] std::string trace() const { return "DETENT_SEED=" + std::to_string(seed_); }

  std::string sound_expression() {
    for (;;) {
      std::string expression = random_expression(random);
      if (is_naively_sound(expression)) return expression;
    }
  }
  static bool is_naively_sound(const std::string& expression) {
    try {
      const NaiveCron naive(expression);
      return true;
    } catch (const std::invalid_argument&) {
      return false;
    }
  }

 private:
  std::uint64_t seed_ = seed_from_environment();

 protected:
  Random random{seed_};
};

// ---- what is an expression

std::optional<std::size_t> position_of_mistake(const std::string& expression) {
  try {
    const Cron cron(expression);
    return std::nullopt;
  } catch (const CronError& error) {
    return error.position();
  }
}

TEST_F(RandomCron, TM11_IsRefusedWhereANaiveReaderRefusesItAndNowhereElse) {
  SCOPED_TRACE(trace());
  int sound = 0;
  int unsound = 0;
  for (int i = 0; i < DETENT_RANDOM_CRONS * 10; ++i) {
    std::string expression = random_expression(random);
    if (one_in(random, 2)) expression = damaged(expression, random);
    const bool expected = is_naively_sound(expression);
    const std::optional<std::size_t> position = position_of_mistake(expression);
    ASSERT_EQ(!position, expected) << "'" << expression << "'";
    if (position) {
      ASSERT_LE(*position, expression.size()) << "'" << expression << "'";
    }
    ++(expected ? sound : unsound);
  }
  EXPECT_GT(sound, DETENT_RANDOM_CRONS * 3);
  EXPECT_GT(unsound, DETENT_RANDOM_CRONS * 2);
}

// ---- when it is due, in UTC

constexpr UnixTime kEnd = 9'214'646'400;  // 2262-01-01, where Cron's time ends

// The first second later than `after`, by a search from day to day and through each of them.
std::optional<UnixTime> naive_next(const NaiveCron& cron, UnixTime after) {
  UnixTime day = after - ((after % kDay) + kDay) % kDay;
  for (; day < kEnd; day += kDay) {
    const std::time_t midnight = day;
    std::tm shown = {};
    ::gmtime_r(&midnight, &shown);
    if (!cron.names_date(shown)) continue;
    for (UnixTime minute = day; minute < day + kDay; minute += kMinute) {
      shown.tm_hour = static_cast<int>((minute - day) / kHour);
      shown.tm_min = static_cast<int>((minute - day) % kHour / kMinute);
      if (!cron.names_minute(shown)) continue;
      for (int second = 0; second < kMinute; ++second) {
        if (minute + second > after && cron.names_second(second)) return minute + second;
      }
    }
  }
  return std::nullopt;
}

TEST_F(RandomCron, TM11_NextIsWhatASearchThroughAllDaysFinds) {
  SCOPED_TRACE(trace());
  constexpr UnixTime kBegin = -9'214'560'000;  // 1678
  const std::uint64_t all = static_cast<std::uint64_t>(kEnd - kBegin);
  constexpr std::uint64_t kLastYears = 3 * 365 * kDay;
  int ended = 0;
  for (int i = 0; i < DETENT_RANDOM_CRONS; ++i) {
    const std::string expression = sound_expression();
    const NaiveCron naive(expression);
    const Cron cron(expression);
    for (const UnixTime after : {kBegin + static_cast<UnixTime>(random() % all),
                                 kBegin + static_cast<UnixTime>(random() % all),
                                 kEnd - 1 - static_cast<UnixTime>(random() % kLastYears)}) {
      const WallTime instant(std::chrono::seconds(after) +
                             std::chrono::nanoseconds(random() % 1'000'000'000));
      const std::optional<UnixTime> expected = naive_next(naive, after);
      const std::optional<WallTime> found = cron.next(instant);
      ASSERT_EQ(found.has_value(), expected.has_value()) << expression << " " << to_text(instant);
      if (!expected) ++ended;
      if (expected) {
        ASSERT_EQ(*found, WallTime(std::chrono::seconds(*expected)))
            << "'" << expression << "' after " << to_text(instant) << ": " << to_text(*found);
      }
    }
  }
  EXPECT_GT(ended, 0) << "of those that are due in leap years only";
}

// ---- where clocks are set

// An hour that the clock shows just then, or leaves out, is what makes the rules matter.
std::string expression_near(UnixTime change, Random& random) {
  const std::time_t shown =
      LocalTime::at(change - one_in(random, 2)).tm_gmtoff + change + below(random, 7200) - 3600;
  std::tm t = {};
  ::gmtime_r(&shown, &t);
  const std::string weekday = one_in(random, 2) ? "*" : std::to_string(t.tm_wday);
  const std::string day = one_in(random, 2) ? "*" : std::to_string(t.tm_mday);
  const std::array<std::string, 4> minutes = {std::to_string(t.tm_min), "*/7", "0", "59"};
  const std::string minute = minutes.at(static_cast<std::size_t>(below(random, 4)));
  return minute + ' ' + std::to_string(t.tm_hour) + ' ' + day + " * " + weekday;
}

// By seconds, since offsets once were local mean time.
TEST_F(RandomCron, TM11_AgreesWithLocaltimeWhereClocksWereEverSet) {
  SCOPED_TRACE(trace());
  const std::vector<std::string> zones = system_zones();
  if (zones.empty()) GTEST_SKIP() << "no time zone data in /usr/share/zoneinfo";
  std::size_t compared = 0;
  for (int i = 0; i < DETENT_RANDOM_CRONS / 50; ++i) {
    const std::string& zone =
        zones.at(static_cast<std::size_t>(below(random, static_cast<int>(zones.size()))));
    const LocalTime local(zone);
    const std::vector<UnixTime> changes = LocalTime::changes(year_begin(1850), year_begin(2046));
    if (changes.empty()) continue;
    const UnixTime change =
        changes.at(static_cast<std::size_t>(below(random, static_cast<int>(changes.size()))));
    const LocalWalk walk(change - 2 * kHour, change + 2 * kHour, 1);
    for (int k = 0; k < 4; ++k) {
      for (const std::string& expression : {sound_expression(), expression_near(change, random)}) {
        compared += compare_with_walk(zone, expression, walk, random);
        if (HasFailure()) return;
      }
    }
  }
  std::cout << compared << " answers compared" << std::endl;
  EXPECT_GT(compared, std::size_t{DETENT_RANDOM_CRONS});
}

}  // namespace
}  // namespace detent
