// SPDX-License-Identifier: BSL-1.0
// Every zone of this system against the system's own localtime(3): a walk from minute to minute
// that knows nothing of how Cron looks for the next run.
#include "calendar/compare_with_walk.h"
#include "calendar/local_walk.h"
#include "calendar/random_cron.h"
#include "support/calendar.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

constexpr int kFirstYear = 2020;
constexpr int kLastYear = 2045;

const std::vector<std::string> kExpressions = {
    "0 0 * * *",         "30 0 * * *",        "30 1 * * *",
    "0 2 * * *",         "30 2 * * *",        "59 23 * * *",
    "0 3 * * 0",         "30 23 * * thu-sat", "7 1-23/3 * * *",
    "15,45 1,2,3 * * *", "0 22 * * fri-mon",  "0 12 L * *",
    "30 2 L-2 * ?",      "45 1 15W * *",      "15 1 1W * *",
    "0 1 LW * *",        "30 2 ? * 7L",       "30 2 * * sun#2",
    "20 2 L * sat#4,2L", "0 2 1,15 * 6",      "30 1 */2 3,4,10,11 *",
    "0 0 29 2 *",        "20 4 1-7 apr 1",    "@weekly",
    "20 30 2 * * *",     "0 * * * *",         "30 */2 * * *",
    "7 */5 * * sun"};
// So many runs that all of them, over all years, would take days.
const std::vector<std::string> kDenseExpressions = {"* * * * *",         "*/15 * * * *",
                                                    "0,30 0-4 * * *",    "* 1-3 * * *",
                                                    "*/20 30 1-3 * * *", "*/10 */5 * * * *"};

// Where the clocks are set, and one other stretch, in as many zones as asked for.
TEST(CronOracle, TM11_EveryZoneAgreesWithLocaltimeWhereItsClocksAreSet) {
  const std::uint64_t seed = seed_from_environment();
  SCOPED_TRACE("DETENT_SEED=" + std::to_string(seed));
  Random random(seed);
  std::vector<std::string> zones = system_zones();
  if (zones.empty()) GTEST_SKIP() << "no time zone data in /usr/share/zoneinfo";
  std::shuffle(zones.begin(), zones.end(), random);
  zones.resize(std::min<std::size_t>(zones.size(), DETENT_ORACLE_ZONES));

  std::size_t compared = 0;
  std::size_t stretches = 0;
  for (const std::string& zone : zones) {
    const LocalTime local(zone);
    std::vector<UnixTime> middles =
        LocalTime::changes(year_begin(kFirstYear), year_begin(kLastYear + 1));
    std::shuffle(middles.begin(), middles.end(), random);
    middles.resize(std::min<std::size_t>(middles.size(), DETENT_ORACLE_CHANGES));
    const int days = (kLastYear - kFirstYear) * 365;
    middles.push_back(year_begin(kFirstYear) + below(random, days) * kDay);
    for (const UnixTime middle : middles) {
      ++stretches;
      const LocalWalk days_around(middle - 3 * kDay, middle + 3 * kDay, kMinute);
      for (const std::string& expression : kExpressions) {
        compared += compare_with_walk(zone, expression, days_around, random);
      }
      const LocalWalk hours_around(middle - 2 * kHour, middle + 2 * kHour, kMinute);
      for (const std::string& expression : kDenseExpressions) {
        compared += compare_with_walk(zone, expression, hours_around, random);
      }
      if (HasFailure()) return;
    }
  }
  std::cout << zones.size() << " zones, " << stretches << " stretches, " << compared
            << " answers compared, DETENT_SEED=" << seed << std::endl;
  EXPECT_GT(compared, zones.size() * 1000);
}

// All of it takes an hour: ./dev test --soak. The rules differ only where the clocks are set.
TEST(CronOracle, DISABLED_TM11_EveryZoneAgreesWithLocaltimeFrom2020To2045) {
  Random random(seed_from_environment());
  const std::vector<std::string> zones = system_zones();
  std::size_t compared = 0;
  for (const std::string& zone : zones) {
    const LocalTime local(zone);
    for (int year = kFirstYear; year <= kLastYear; ++year) {
      const LocalWalk walk(year_begin(year), year_begin(year + 1), kMinute);
      for (const std::string& expression : kExpressions) {
        compared += compare_with_walk(zone, expression, walk, random, Rules::one);
      }
      if (HasFailure()) return;
    }
  }
  std::cout << zones.size() << " zones, " << compared << " answers compared" << std::endl;
}

}  // namespace
}  // namespace detent
