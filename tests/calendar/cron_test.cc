// SPDX-License-Identifier: BSL-1.0
// What an expression means, and when it is due next.
#include "detent/cron.h"

#include "support/calendar.h"
#include "support/standard.h"
#include "support/table.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;
using Texts = std::vector<std::string>;

Texts runs(const std::string& expression, const std::string& from, std::size_t n,
           const CronOptions& options = {}) {
  Texts texts;
  for (const WallTime t : Cron(expression, options).next_n(instant(from), n)) {
    texts.push_back(to_text(t));
  }
  return texts;
}

// ---- the dialect

// The expression, from when on it is asked, and when it is due; in 2026 unless a year is given.
const char* const kMeanings = R"(
0 9 * * *         | 03-01       | 03-01T09:00 03-02T09:00
30 0 9 * * *      | 03-01       | 03-01T09:00:30
*/20 9 * * *      | 03-01T09:00 | 03-01T09:20 03-01T09:40 03-02T09:00
50/5 9 * * *      | 03-01       | 03-01T09:50 03-01T09:55 03-02T09:50
0 9-17/4 * * *    | 03-01       | 03-01T09:00 03-01T13:00 03-01T17:00 03-02T09:00
0,30 8,20 * * *   | 03-01T08:00 | 03-01T08:30 03-01T20:00 03-01T20:30
0 0 1 JAN,jul *   | 03-01       | 07-01 2027-01-01
# 03-06 is a Friday.
0 0 * * Mon-Fri   | 03-06T12:00 | 03-09 03-10
0 0 * * fri-mon   | 03-03       | 03-06 03-07 03-08 03-09 03-13
0 0 * * 7         | 03-03       | 03-08
0 0 * * 5-7       | 03-03       | 03-06 03-07 03-08 03-13
# A step from a day of the week on ends with Saturday.
0 0 * * 7/2       | 03-03       | 03-08 03-15
0 0 * * fri/2     | 03-03       | 03-06 03-13
0 0 * * 0/2       | 03-03       | 03-05 03-07 03-08 03-10
0 0 * * fri-mon/2 | 03-03       | 03-06 03-08 03-13
0 0 ? * ?         | 03-03       | 03-04
# Either kind of day will do.
0 0 13 * fri      | 03-01       | 03-06 03-13 03-20 03-27 04-03 04-10 04-13
# Also with a step either will do. Vixie's cron wants both if one of them begins with *.
0 0 */10 * mon    | 03-01T12:00 | 03-02 03-09 03-11 03-16 03-21 03-23 03-30 03-31
0 0 13 * */2      | 03-11T12:00 | 03-12 03-13 03-14 03-15 03-17
0 0 L * *         | 01-31       | 02-28 03-31 04-30
0 0 L-3 * *       | 2028-02-01  | 2028-02-26 2028-03-28
# 02-15 and 03-15 are Sundays.
0 0 15W * *       | 02-01       | 02-16 03-16 04-15
# 08-01 is a Saturday, and 07-31 is not in its month.
0 0 1W * *        | 07-31       | 08-03 09-01
# 01-31 is a Saturday, and February has no 31st.
0 0 31W * *       | 01-01       | 01-30 03-31 05-29
0 0 LW * *        | 01-01       | 01-30 02-27 03-31
0 0 * * 5L        | 01-01       | 01-30 02-27
0 0 * * friL      | 01-01       | 01-30
0 0 * * fri#2    | 01-01       | 01-09 02-13
# Only some months have a fifth Sunday.
0 0 * * 7#5      | 02-02       | 03-29 05-31
0 0 29 2 *        | 01-01       | 2028-02-29 2032-02-29
0 0 29 2 *        | 2096-03-01  | 2104-02-29
0 0 * 2 sun#5    | 01-01       | 2032-02-29 2060-02-29
@yearly           | 03-01       | 2027-01-01
@annually         | 03-01       | 2027-01-01
@monthly          | 03-01       | 04-01
@weekly           | 03-02       | 03-08
@daily            | 03-01       | 03-02
@Midnight         | 03-01       | 03-02
@hourly           | 03-01       | 03-01T01:00 03-01T02:00
)";

using Row = std::vector<std::string>;

class CronMeanings : public testing::TestWithParam<Row> {};

TEST_P(CronMeanings, TM11_AreDueWhenTheDialectSays) {
  const Row& row = GetParam();
  Texts expected;
  for (const std::string& run : words(row.at(2))) expected.push_back(in_full("2026", run));
  EXPECT_EQ(runs(row[0], in_full("2026", row[1]), expected.size()), expected);
}

INSTANTIATE_TEST_SUITE_P(Everywhere, CronMeanings, testing::ValuesIn(table(kMeanings)));

TEST(Cron, TM11_BlanksAndTabsMayBeAroundTheFields) {
  EXPECT_EQ(runs("  0\t9  * * *  ", "2026-03-01T00:00:00Z", 1), Texts{"2026-03-01T09:00:00Z"});
}

// ---- errors

struct Mistake {
  const char* expression;
  std::size_t position;
  const char* expected;
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.expression; }

class CronMistakes : public testing::TestWithParam<Mistake> {};

TEST_P(CronMistakes, TM11_AreToldByThePlaceAndWhatWasExpectedThere) {
  const Mistake& mistake = GetParam();
  try {
    const Cron cron(mistake.expression);
    FAIL() << "no error";
  } catch (const CronError& error) {
    EXPECT_EQ(error.position(), mistake.position) << error.what();
    const std::string text = error.what();
    EXPECT_NE(text.find(mistake.expected), std::string::npos) << text;
    EXPECT_NE(text.find(mistake.expression), std::string::npos) << text;
    EXPECT_NE(text.find(std::to_string(mistake.position)), std::string::npos) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Everywhere, CronMistakes,
    testing::Values(
        Mistake{"", 0, "five fields"}, Mistake{"* * * *", 7, "five fields"},
        Mistake{"* * * * * * *", 12, "the end"}, Mistake{"60 * * * *", 0, "from 0 to 59"},
        Mistake{"0 24 * * *", 2, "hour from 0 to 23"},
        Mistake{"0 0 0 * *", 4, "day of the month from 1 to 31"},
        Mistake{"0 0 32 * *", 4, "day of the month from 1 to 31"},
        Mistake{"0 0 1 13 *", 6, "month or a name from 1 to 12"},
        Mistake{"0 0 1 foo *", 6, "month or a name"}, Mistake{"0 0 * * 8", 8, "from 0 to 7"},
        Mistake{"99999999999999999999 * * * *", 0, "from 0 to 59"},
        Mistake{"-1 * * * *", 0, "a minute"}, Mistake{"5- * * * *", 2, "a minute"},
        Mistake{"9-5 * * * *", 2, "not before"}, Mistake{"0 0 * dec-feb *", 10, "not before"},
        Mistake{"*/0 * * * *", 2, "a step from 1 to 59"},
        Mistake{"*/60 * * * *", 2, "a step from 1 to 59"},
        Mistake{"*/60 * * * * *", 2, "a step from 1 to 59"},
        Mistake{"0 */24 * * *", 4, "a step from 1 to 23"},
        Mistake{"0 0 */32 * *", 6, "a step from 1 to 31"},
        Mistake{"0 0 1 */13 *", 8, "a step from 1 to 12"},
        Mistake{"0 0 * * */8", 10, "a step from 1 to 7"}, Mistake{"1,,2 * * * *", 2, "a minute"},
        Mistake{"1, * * * *", 2, "a minute"}, Mistake{"1x * * * *", 1, "a comma"},
        Mistake{"** * * * *", 1, "a comma"}, Mistake{"0 0 L-31 * *", 6, "from 0 to 30"},
        Mistake{"0 0 W * *", 4, "day of the month"}, Mistake{"0 0 5-7W * *", 7, "a comma"},
        Mistake{"0 0 * * L", 8, "day of the week"}, Mistake{"0 0 * * fri#6", 12, "from 1 to 5"},
        Mistake{"0 0 * * fri#0", 12, "from 1 to 5"}, Mistake{"0 ? * * *", 2, "an hour"},
        Mistake{"@reboot", 0, "@yearly"}, Mistake{"@daily x", 7, "the end"},
        Mistake{"0 0 30 2 *", 4, "a day that its months have"},
        Mistake{"0 0 31 2,4,6,9,11 *", 4, "a day that its months have"},
        Mistake{"0 0 L-29 2 *", 4, "a day that its months have"},
        Mistake{"0 0 31W feb ?", 4, "a day that its months have"}));

TEST(Cron, TM11_ANulIsNoEndOfTheExpression) {
  EXPECT_THROW(Cron(std::string_view("0 0 * * *\0x", 11)), CronError);
}

// ---- next

TEST(Cron, TM11_NextIsStrictlyLater) {
  const Cron cron("0 0 * * *");
  const WallTime midnight = instant("2026-03-02T00:00:00Z");
  EXPECT_EQ(cron.next(midnight - 1ns), midnight);
  EXPECT_EQ(cron.next(midnight), midnight + 24h);
  EXPECT_EQ(cron.next(midnight + 1ns), midnight + 24h);
}

TEST(Cron, TM11_WhatIsDueBefore1970IsFoundToo) {
  EXPECT_EQ(runs("0 12 * * *", "1969-12-30T23:59:59Z", 2),
            (Texts{"1969-12-31T12:00:00Z", "1970-01-01T12:00:00Z"}));
  EXPECT_EQ(Cron("* * * * * *").next(WallTime(-1500ms)), WallTime(-1s));
  EXPECT_TRUE(Cron("0 0 1 1 *").next(WallTime::min()));
}

TEST(Cron, TM11_TimeEndsWithTheYear2261) {
  EXPECT_EQ(runs("0 0 1 1 *", "2260-06-01T00:00:00Z", 3), (Texts{"2261-01-01T00:00:00Z"}));
  const Cron berlin("0 0 1 1 *", {.zone = TimeZone("Europe/Berlin")});
  EXPECT_EQ(berlin.next(instant("2261-06-01T00:00:00Z")), instant("2261-12-31T23:00:00Z"));
  EXPECT_EQ(berlin.next(instant("2261-12-31T23:00:00Z")), std::nullopt);
  EXPECT_EQ(Cron("* * * * * *").next(WallTime::max()), std::nullopt);
  EXPECT_EQ(Cron("* * * * * *").next(instant("2261-12-31T23:59:59Z")), std::nullopt);
}

TEST(Cron, TM11_NextNGivesAsManyAsThereAre) {
  EXPECT_TRUE(Cron("0 0 * * *").next_n(instant("2026-01-01T00:00:00Z"), 0).empty());
  EXPECT_EQ(Cron("0 0 * * *").next_n(instant("2026-01-01T00:00:00Z"), 1000).size(), 1000U);
  EXPECT_EQ(Cron("0 0 1 1 *").next_n(instant("2200-01-01T00:00:00Z"), 1000).size(), 61U);
}

TEST(Cron, TM11_RemembersItsExpressionAndOptions) {
  const Cron cron("@daily",
                  {.zone = TimeZone("Asia/Tokyo"), .gap = Gap::skip, .overlap = Overlap::both});
  const Cron copy = cron;
  EXPECT_EQ(copy.expression(), "@daily");
  EXPECT_EQ(copy.options().zone.name(), "Asia/Tokyo");
  EXPECT_EQ(copy.options().gap, Gap::skip);
  EXPECT_EQ(copy.options().overlap, Overlap::both);
  EXPECT_EQ(copy.next(instant("2026-03-01T00:00:00Z")), instant("2026-03-01T15:00:00Z"));
}

}  // namespace
}  // namespace detent
