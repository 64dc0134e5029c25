// SPDX-License-Identifier: BSL-1.0
// What is due where the clocks are set, written out by hand.
#include <ostream>

#include "detent/cron.h"
#include "support/calendar.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
using Texts = std::vector<std::string>;

struct Row {
  const char* zone;
  const char* expression;
  Gap gap;
  Overlap overlap;
  const char* from;
  Texts runs;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.zone << ' ' << row.expression << " from " << row.from << ", gap "
       << static_cast<int>(row.gap) << ", overlap " << static_cast<int>(row.overlap);
}

class SummerTime : public testing::TestWithParam<Row> {};

TEST_P(SummerTime, TM11_IsDueAsWrittenHere) {
  const Row& row = GetParam();
  const Cron cron(row.expression,
                  {.zone = TimeZone(row.zone), .gap = row.gap, .overlap = row.overlap});
  Texts runs;
  for (const WallTime t : cron.next_n(instant(row.from), row.runs.size())) {
    runs.push_back(to_text(t));
  }
  EXPECT_EQ(runs, row.runs);
}

constexpr Gap kRun = Gap::run_after;
constexpr Gap kSkip = Gap::skip;
constexpr Overlap kFirst = Overlap::first;
constexpr Overlap kSecond = Overlap::second;
constexpr Overlap kBoth = Overlap::both;

// 2026-03-29: 02:00 becomes 03:00 at 01:00 UTC. 2026-10-25: 03:00 becomes 02:00 at 01:00 UTC.
const char* const kBerlin = "Europe/Berlin";
INSTANTIATE_TEST_SUITE_P(
    Berlin, SummerTime,
    testing::Values(
        Row{kBerlin,
            "30 2 * * *",
            kRun,
            kFirst,
            "2026-03-28T12:00:00Z",
            {"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
        Row{kBerlin,
            "30 2 * * *",
            kSkip,
            kFirst,
            "2026-03-28T12:00:00Z",
            {"2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"}},
        Row{kBerlin,
            "0,15,30,45 2 * * *",
            kRun,
            kFirst,
            "2026-03-28T12:00:00Z",
            {"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
        Row{kBerlin,
            "0,30 2,3 * * *",
            kRun,
            kFirst,
            "2026-03-28T12:00:00Z",
            {"2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"}},
        Row{kBerlin,
            "30 2 29 3 *",
            kRun,
            kFirst,
            "2026-01-01T00:00:00Z",
            {"2026-03-29T01:00:00Z", "2027-03-29T00:30:00Z"}},
        Row{kBerlin,
            "30 2 29 3 *",
            kSkip,
            kFirst,
            "2026-01-01T00:00:00Z",
            {"2027-03-29T00:30:00Z"}},
        Row{kBerlin,
            "30 2 * * *",
            kRun,
            kFirst,
            "2026-10-24T12:00:00Z",
            {"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
        Row{kBerlin,
            "30 2 * * *",
            kRun,
            kSecond,
            "2026-10-24T12:00:00Z",
            {"2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"}},
        Row{kBerlin,
            "30 2 * * *",
            kRun,
            kBoth,
            "2026-10-24T12:00:00Z",
            {"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"}},
        Row{kBerlin,
            "0 2,3 * * *",
            kRun,
            kFirst,
            "2026-10-24T12:00:00Z",
            {"2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"}},
        Row{kBerlin,
            "0 2,3 * * *",
            kRun,
            kSecond,
            "2026-10-24T12:00:00Z",
            {"2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
        // What comes next is far, or comes again at once.
        Row{kBerlin,
            "30 2 25 10 *",
            kRun,
            kBoth,
            "2026-01-01T00:00:00Z",
            {"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2027-10-25T00:30:00Z"}},
        Row{kBerlin,
            "30 2 25 10 *",
            kRun,
            kSecond,
            "2026-01-01T00:00:00Z",
            {"2026-10-25T01:30:00Z", "2027-10-25T00:30:00Z"}},
        // From within the hour that comes twice.
        Row{kBerlin, "30 2 * * *", kRun, kFirst, "2026-10-25T00:30:00Z", {"2026-10-26T01:30:00Z"}},
        Row{kBerlin, "30 2 * * *", kRun, kFirst, "2026-10-25T01:10:00Z", {"2026-10-26T01:30:00Z"}},
        Row{kBerlin,
            "30 2 * * *",
            kRun,
            kSecond,
            "2026-10-25T01:10:00Z",
            {"2026-10-25T01:30:00Z"}}));

// Each option of a gap with each of an overlap: neither changes what the other decides.
Row berlin(Gap gap, Overlap overlap, const char* from, Texts runs) {
  return {kBerlin, "30 2 * * *", gap, overlap, from, std::move(runs)};
}
const char* const kSpring = "2026-03-28T12:00:00Z";
const Texts kAfterTheGap = {"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"};
const Texts kNotOnThatDay = {"2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"};
const char* const kAutumn = "2026-10-24T12:00:00Z";
const Texts kAtTheFirst = {"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"};
const Texts kAtTheSecond = {"2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"};
const Texts kAtBoth = {"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"};
INSTANTIATE_TEST_SUITE_P(BerlinEachWithEach, SummerTime,
                         testing::Values(berlin(kRun, kFirst, kSpring, kAfterTheGap),
                                         berlin(kRun, kSecond, kSpring, kAfterTheGap),
                                         berlin(kRun, kBoth, kSpring, kAfterTheGap),
                                         berlin(kSkip, kFirst, kSpring, kNotOnThatDay),
                                         berlin(kSkip, kSecond, kSpring, kNotOnThatDay),
                                         berlin(kSkip, kBoth, kSpring, kNotOnThatDay),
                                         berlin(kRun, kFirst, kAutumn, kAtTheFirst),
                                         berlin(kRun, kSecond, kAutumn, kAtTheSecond),
                                         berlin(kRun, kBoth, kAutumn, kAtBoth),
                                         berlin(kSkip, kFirst, kAutumn, kAtTheFirst),
                                         berlin(kSkip, kSecond, kAutumn, kAtTheSecond),
                                         berlin(kSkip, kBoth, kAutumn, kAtBoth)));

// Asked for in the last second before the gap ends: one second later is already behind it.
INSTANTIATE_TEST_SUITE_P(
    BerlinLastSecond, SummerTime,
    testing::Values(
        Row{kBerlin, "30 2 * * *", kRun, kFirst, "2026-03-29T00:59:59Z", {"2026-03-29T01:00:00Z"}},
        Row{kBerlin, "30 2 * * *", kSkip, kFirst, "2026-03-29T00:59:59Z", {"2026-03-30T00:30:00Z"}},
        Row{kBerlin,
            "* * 1,2 * * *",
            kRun,
            kFirst,
            "2026-03-29T00:59:58Z",
            {"2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-03-29T23:00:00Z"}}));

INSTANTIATE_TEST_SUITE_P(
    BerlinRegular, SummerTime,
    testing::Values(Row{kBerlin,
                        "*/30 * * * *",
                        kRun,
                        kFirst,
                        "2026-03-29T00:15:00Z",
                        {"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}},
                    Row{kBerlin,
                        "*/30 * * * *",
                        kSkip,
                        kSecond,
                        "2026-10-25T00:15:00Z",
                        {"2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z",
                         "2026-10-25T02:00:00Z"}},
                    Row{kBerlin,
                        "30 */2 * * *",
                        kRun,
                        kFirst,
                        "2026-03-28T23:00:00Z",
                        {"2026-03-28T23:30:00Z", "2026-03-29T02:30:00Z"}},
                    Row{kBerlin,
                        "30 */2 * * *",
                        kRun,
                        kFirst,
                        "2026-10-25T00:00:00Z",
                        {"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T03:30:00Z"}}));

// 2026-03-08: 02:00 becomes 03:00 at 07:00 UTC. 2026-11-01: 02:00 becomes 01:00 at 06:00 UTC.
const char* const kNewYork = "America/New_York";
INSTANTIATE_TEST_SUITE_P(NewYork, SummerTime,
                         testing::Values(Row{kNewYork,
                                             "30 2 * * *",
                                             kRun,
                                             kFirst,
                                             "2026-03-07T12:00:00Z",
                                             {"2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"}},
                                         Row{kNewYork,
                                             "30 2 * * *",
                                             kSkip,
                                             kFirst,
                                             "2026-03-07T12:00:00Z",
                                             {"2026-03-09T06:30:00Z"}},
                                         Row{kNewYork,
                                             "30 1 * * *",
                                             kRun,
                                             kFirst,
                                             "2026-10-31T12:00:00Z",
                                             {"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
                                         Row{kNewYork,
                                             "30 1 * * *",
                                             kRun,
                                             kSecond,
                                             "2026-10-31T12:00:00Z",
                                             {"2026-11-01T06:30:00Z", "2026-11-02T06:30:00Z"}},
                                         Row{kNewYork,
                                             "30 1 * * *",
                                             kRun,
                                             kBoth,
                                             "2026-10-31T12:00:00Z",
                                             {"2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"}}));

// 2017-10-15: midnight becomes 01:00 at 03:00 UTC. 2018-02-18: midnight becomes 23:00 at 02:00 UTC.
const char* const kSaoPaulo = "America/Sao_Paulo";
INSTANTIATE_TEST_SUITE_P(
    SaoPaulo, SummerTime,
    testing::Values(
        Row{kSaoPaulo,
            "@daily",
            kRun,
            kFirst,
            "2017-10-14T12:00:00Z",
            {"2017-10-15T03:00:00Z", "2017-10-16T02:00:00Z"}},
        Row{kSaoPaulo, "@daily", kSkip, kFirst, "2017-10-14T12:00:00Z", {"2017-10-16T02:00:00Z"}},
        Row{kSaoPaulo,
            "30 23 * * *",
            kRun,
            kFirst,
            "2018-02-17T12:00:00Z",
            {"2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"}},
        Row{kSaoPaulo,
            "30 23 * * *",
            kRun,
            kSecond,
            "2018-02-17T12:00:00Z",
            {"2018-02-18T02:30:00Z", "2018-02-19T02:30:00Z"}},
        Row{kSaoPaulo,
            "@daily",
            kRun,
            kFirst,
            "2026-10-14T12:00:00Z",
            {"2026-10-15T03:00:00Z", "2026-10-16T03:00:00Z"}}));

// 2026-04-24: midnight becomes 01:00 at 22:00 UTC. 2026-10-29: midnight becomes 23:00 at 21:00 UTC.
const char* const kCairo = "Africa/Cairo";
INSTANTIATE_TEST_SUITE_P(
    Cairo, SummerTime,
    testing::Values(
        Row{kCairo,
            "@daily",
            kRun,
            kFirst,
            "2026-04-23T12:00:00Z",
            {"2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"}},
        Row{kCairo, "@daily", kSkip, kFirst, "2026-04-23T12:00:00Z", {"2026-04-24T21:00:00Z"}},
        Row{kCairo,
            "30 23 * * *",
            kRun,
            kFirst,
            "2026-10-29T12:00:00Z",
            {"2026-10-29T20:30:00Z", "2026-10-30T21:30:00Z"}},
        Row{kCairo,
            "30 23 * * *",
            kRun,
            kBoth,
            "2026-10-29T12:00:00Z",
            {"2026-10-29T20:30:00Z", "2026-10-29T21:30:00Z"}}));

// Half an hour. 2026-04-05: 02:00 becomes 01:30 at 15:00 UTC. 2026-10-04: 02:00 becomes 02:30 at
// 15:30 UTC.
const char* const kLordHowe = "Australia/Lord_Howe";
INSTANTIATE_TEST_SUITE_P(LordHowe, SummerTime,
                         testing::Values(Row{kLordHowe,
                                             "15 2 * * *",
                                             kRun,
                                             kFirst,
                                             "2026-10-03T12:00:00Z",
                                             {"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
                                         Row{kLordHowe,
                                             "15 2 * * *",
                                             kSkip,
                                             kFirst,
                                             "2026-10-03T12:00:00Z",
                                             {"2026-10-04T15:15:00Z"}},
                                         Row{kLordHowe,
                                             "45 1 * * *",
                                             kRun,
                                             kFirst,
                                             "2026-04-04T12:00:00Z",
                                             {"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
                                         Row{kLordHowe,
                                             "45 1 * * *",
                                             kRun,
                                             kSecond,
                                             "2026-04-04T12:00:00Z",
                                             {"2026-04-04T15:15:00Z", "2026-04-05T15:15:00Z"}},
                                         Row{kLordHowe,
                                             "*/15 * * * *",
                                             kRun,
                                             kFirst,
                                             "2026-04-04T14:40:00Z",
                                             {"2026-04-04T14:45:00Z", "2026-04-04T15:00:00Z",
                                              "2026-04-04T15:15:00Z"}},
                                         // 02:00 is not there in spring and comes half an hour
                                         // late in autumn.
                                         Row{kLordHowe,
                                             "0 * * * *",
                                             kRun,
                                             kFirst,
                                             "2026-10-03T14:00:00Z",
                                             {"2026-10-03T14:30:00Z", "2026-10-03T16:00:00Z"}},
                                         Row{kLordHowe,
                                             "0 * * * *",
                                             kRun,
                                             kFirst,
                                             "2026-04-04T13:30:00Z",
                                             {"2026-04-04T14:00:00Z", "2026-04-04T15:30:00Z"}}));

// The 30th of December 2011 was left out: at 10:00 UTC, from 10 hours behind to 14 ahead.
const char* const kApia = "Pacific/Apia";
INSTANTIATE_TEST_SUITE_P(Apia, SummerTime,
                         testing::Values(Row{kApia,
                                             "0 12 * * *",
                                             kRun,
                                             kFirst,
                                             "2011-12-29T12:00:00Z",
                                             {"2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z",
                                              "2011-12-30T22:00:00Z"}},
                                         Row{kApia,
                                             "0 12 * * *",
                                             kSkip,
                                             kFirst,
                                             "2011-12-29T12:00:00Z",
                                             {"2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"}}));

// Where winter is the exception: 2026-03-29 and 2026-10-25, both at 01:00 UTC.
const char* const kDublin = "Europe/Dublin";
INSTANTIATE_TEST_SUITE_P(Dublin, SummerTime,
                         testing::Values(Row{kDublin,
                                             "30 1 * * *",
                                             kRun,
                                             kFirst,
                                             "2026-03-28T12:00:00Z",
                                             {"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
                                         Row{kDublin,
                                             "30 1 * * *",
                                             kRun,
                                             kSecond,
                                             "2026-10-24T12:00:00Z",
                                             {"2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"}}));

INSTANTIATE_TEST_SUITE_P(FixedOffset, SummerTime,
                         testing::Values(Row{"+05:30",
                                             "@daily",
                                             kRun,
                                             kFirst,
                                             "2026-03-28T12:00:00Z",
                                             {"2026-03-28T18:30:00Z", "2026-03-29T18:30:00Z"}},
                                         Row{"-03:00",
                                             "30 2 * * *",
                                             kSkip,
                                             kBoth,
                                             "2026-10-24T12:00:00Z",
                                             {"2026-10-25T05:30:00Z", "2026-10-26T05:30:00Z"}}));

}  // namespace
}  // namespace detent
