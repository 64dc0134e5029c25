// SPDX-License-Identifier: BSL-1.0
#include "detent/time_zone.h"

#include "support/calendar.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

TEST(TimeZone, TM11_IsUtcByDefault) {
  EXPECT_EQ(TimeZone().name(), "UTC");
  EXPECT_EQ(TimeZone().offset_at(instant("2026-07-01T00:00:00Z")), 0s);
  EXPECT_EQ(TimeZone("UTC").offset_at(instant("2026-07-01T00:00:00Z")), 0s);
}

TEST(TimeZone, TM11_KnowsSummerTimeBeforeAndAfter2037) {
  const TimeZone berlin("Europe/Berlin");
  EXPECT_EQ(berlin.offset_at(instant("2026-03-29T00:59:59Z")), 1h);
  EXPECT_EQ(berlin.offset_at(instant("2026-03-29T01:00:00Z")), 2h);
  EXPECT_EQ(berlin.offset_at(instant("2099-01-01T00:00:00Z")), 1h);
  EXPECT_EQ(berlin.offset_at(instant("2099-07-01T00:00:00Z")), 2h);
}

TEST(TimeZone, TM11_TellsWhichLocalTimesComeTwice) {
  const TimeZone berlin("Europe/Berlin");
  // The clocks are put back from 03:00 to 02:00 at 01:00 UTC.
  EXPECT_FALSE(berlin.is_repeated(instant("2026-10-24T23:59:59Z")));
  EXPECT_TRUE(berlin.is_repeated(instant("2026-10-25T00:00:00Z")));
  EXPECT_TRUE(berlin.is_repeated(instant("2026-10-25T00:59:59Z")));
  EXPECT_TRUE(berlin.is_repeated(instant("2026-10-25T01:00:00Z")));
  EXPECT_TRUE(berlin.is_repeated(instant("2026-10-25T01:59:59Z")));
  EXPECT_FALSE(berlin.is_repeated(instant("2026-10-25T02:00:00Z")));
  EXPECT_FALSE(berlin.is_repeated(instant("2026-03-29T01:00:00Z"))) << "a gap repeats nothing";
  EXPECT_FALSE(TimeZone().is_repeated(instant("2026-10-25T01:00:00Z")));
}

}  // namespace
}  // namespace detent
