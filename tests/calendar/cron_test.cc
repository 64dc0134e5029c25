// SPDX-License-Identifier: BSL-1.0
// What an expression means, and when it is due next.
#include "detent/cron.h"

#include "support/calendar.h"
#include "support/standard.h"

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

struct Meaning {
  const char* expression;
  const char* from;
  Texts runs;
};

void PrintTo(const Meaning& meaning, std::ostream* out) { *out << meaning.expression; }

class CronMeanings : public testing::TestWithParam<Meaning> {};

TEST_P(CronMeanings, TM11_AreDueWhenTheDialectSays) {
  const Meaning& meaning = GetParam();
  EXPECT_EQ(runs(meaning.expression, meaning.from, meaning.runs.size()), meaning.runs);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, CronMeanings,
    testing::Values(
        Meaning{
            "0 9 * * *", "2026-03-01T00:00:00Z", {"2026-03-01T09:00:00Z", "2026-03-02T09:00:00Z"}},
        Meaning{"30 0 9 * * *", "2026-03-01T00:00:00Z", {"2026-03-01T09:00:30Z"}},
        Meaning{"*/20 9 * * *",
                "2026-03-01T09:00:00Z",
                {"2026-03-01T09:20:00Z", "2026-03-01T09:40:00Z", "2026-03-02T09:00:00Z"}},
        Meaning{"50/5 9 * * *",
                "2026-03-01T00:00:00Z",
                {"2026-03-01T09:50:00Z", "2026-03-01T09:55:00Z", "2026-03-02T09:50:00Z"}},
        Meaning{"0 9-17/4 * * *",
                "2026-03-01T00:00:00Z",
                {"2026-03-01T09:00:00Z", "2026-03-01T13:00:00Z", "2026-03-01T17:00:00Z",
                 "2026-03-02T09:00:00Z"}},
        Meaning{"0,30 8,20 * * *",
                "2026-03-01T08:00:00Z",
                {"2026-03-01T08:30:00Z", "2026-03-01T20:00:00Z", "2026-03-01T20:30:00Z"}},
        Meaning{"0 0 1 JAN,jul *",
                "2026-03-01T00:00:00Z",
                {"2026-07-01T00:00:00Z", "2027-01-01T00:00:00Z"}},
        Meaning{"0 0 * * Mon-Fri",
                "2026-03-06T12:00:00Z",  // a Friday
                {"2026-03-09T00:00:00Z", "2026-03-10T00:00:00Z"}},
        Meaning{"0 0 * * fri-mon",
                "2026-03-03T00:00:00Z",
                {"2026-03-06T00:00:00Z", "2026-03-07T00:00:00Z", "2026-03-08T00:00:00Z",
                 "2026-03-09T00:00:00Z", "2026-03-13T00:00:00Z"}},
        Meaning{"0 0 * * 7", "2026-03-03T00:00:00Z", {"2026-03-08T00:00:00Z"}},
        Meaning{"0 0 * * 5-7",
                "2026-03-03T00:00:00Z",
                {"2026-03-06T00:00:00Z", "2026-03-07T00:00:00Z", "2026-03-08T00:00:00Z",
                 "2026-03-13T00:00:00Z"}},
        // A step from a day of the week on ends with Saturday.
        Meaning{"0 0 * * 7/2",
                "2026-03-03T00:00:00Z",
                {"2026-03-08T00:00:00Z", "2026-03-15T00:00:00Z"}},
        Meaning{"0 0 * * fri/2",
                "2026-03-03T00:00:00Z",
                {"2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z"}},
        Meaning{"0 0 * * 0/2",
                "2026-03-03T00:00:00Z",
                {"2026-03-05T00:00:00Z", "2026-03-07T00:00:00Z", "2026-03-08T00:00:00Z",
                 "2026-03-10T00:00:00Z"}},
        Meaning{"0 0 * * fri-mon/2",
                "2026-03-03T00:00:00Z",
                {"2026-03-06T00:00:00Z", "2026-03-08T00:00:00Z", "2026-03-13T00:00:00Z"}},
        Meaning{"0 0 ? * ?", "2026-03-03T00:00:00Z", {"2026-03-04T00:00:00Z"}},
        Meaning{"0 0 13 * fri",
                "2026-03-01T00:00:00Z",  // either will do
                {"2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z", "2026-03-20T00:00:00Z",
                 "2026-03-27T00:00:00Z", "2026-04-03T00:00:00Z", "2026-04-10T00:00:00Z",
                 "2026-04-13T00:00:00Z"}},
        // Also with a step either will do. Vixie's cron wants both if one of them begins with *.
        Meaning{"0 0 */10 * mon",
                "2026-03-01T12:00:00Z",
                {"2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z", "2026-03-11T00:00:00Z",
                 "2026-03-16T00:00:00Z", "2026-03-21T00:00:00Z", "2026-03-23T00:00:00Z",
                 "2026-03-30T00:00:00Z", "2026-03-31T00:00:00Z"}},
        Meaning{"0 0 13 * */2",
                "2026-03-11T12:00:00Z",
                {"2026-03-12T00:00:00Z", "2026-03-13T00:00:00Z", "2026-03-14T00:00:00Z",
                 "2026-03-15T00:00:00Z", "2026-03-17T00:00:00Z"}},
        Meaning{"0 0 L * *",
                "2026-01-31T00:00:00Z",
                {"2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z", "2026-04-30T00:00:00Z"}},
        Meaning{"0 0 L-3 * *",
                "2028-02-01T00:00:00Z",
                {"2028-02-26T00:00:00Z", "2028-03-28T00:00:00Z"}},
        Meaning{"0 0 15W * *",
                "2026-02-01T00:00:00Z",  // the 15th was a Sunday, then one again
                {"2026-02-16T00:00:00Z", "2026-03-16T00:00:00Z", "2026-04-15T00:00:00Z"}},
        Meaning{"0 0 1W * *",
                "2026-07-31T00:00:00Z",  // a Saturday, and not in the month before
                {"2026-08-03T00:00:00Z", "2026-09-01T00:00:00Z"}},
        Meaning{"0 0 31W * *",
                "2026-01-01T00:00:00Z",  // a Saturday; then a month without a 31st
                {"2026-01-30T00:00:00Z", "2026-03-31T00:00:00Z", "2026-05-29T00:00:00Z"}},
        Meaning{"0 0 LW * *",
                "2026-01-01T00:00:00Z",
                {"2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z", "2026-03-31T00:00:00Z"}},
        Meaning{
            "0 0 * * 5L", "2026-01-01T00:00:00Z", {"2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z"}},
        Meaning{"0 0 * * friL", "2026-01-01T00:00:00Z", {"2026-01-30T00:00:00Z"}},
        Meaning{"0 0 * * fri#2",
                "2026-01-01T00:00:00Z",
                {"2026-01-09T00:00:00Z", "2026-02-13T00:00:00Z"}},
        Meaning{"0 0 * * 7#5",
                "2026-02-02T00:00:00Z",  // only some months have a fifth Sunday
                {"2026-03-29T00:00:00Z", "2026-05-31T00:00:00Z"}},
        Meaning{
            "0 0 29 2 *", "2026-01-01T00:00:00Z", {"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
        Meaning{"0 0 29 2 *", "2096-03-01T00:00:00Z", {"2104-02-29T00:00:00Z"}},
        Meaning{"0 0 * 2 sun#5",
                "2026-01-01T00:00:00Z",
                {"2032-02-29T00:00:00Z", "2060-02-29T00:00:00Z"}},
        Meaning{"  0\t9  * * *  ", "2026-03-01T00:00:00Z", {"2026-03-01T09:00:00Z"}}));

INSTANTIATE_TEST_SUITE_P(
    Macros, CronMeanings,
    testing::Values(Meaning{"@yearly", "2026-03-01T00:00:00Z", {"2027-01-01T00:00:00Z"}},
                    Meaning{"@annually", "2026-03-01T00:00:00Z", {"2027-01-01T00:00:00Z"}},
                    Meaning{"@monthly", "2026-03-01T00:00:00Z", {"2026-04-01T00:00:00Z"}},
                    Meaning{"@weekly", "2026-03-02T00:00:00Z", {"2026-03-08T00:00:00Z"}},
                    Meaning{"@daily", "2026-03-01T00:00:00Z", {"2026-03-02T00:00:00Z"}},
                    Meaning{"@Midnight", "2026-03-01T00:00:00Z", {"2026-03-02T00:00:00Z"}},
                    Meaning{"@hourly",
                            "2026-03-01T00:00:00Z",
                            {"2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z"}}));

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
