// SPDX-License-Identifier: BSL-1.0
// What is due where the clocks are set, written out by hand.
#include <ostream>

#include "detent/cron.h"
#include "support/calendar.h"
#include "support/standard.h"
#include "support/table.h"

namespace detent {
namespace {

using namespace testing_support;

// Below a zone and a year: the expression, what is done in a gap and in an overlap, from when on it
// is asked, and when it is due. All is in UTC, and in that year unless it says another.
const char* const kTable = R"(
Europe/Berlin 2026
# 03-29: 02:00 becomes 03:00 at 01:00 UTC. 10-25: 03:00 becomes 02:00 at 01:00 UTC.
30 2 * * *         | run  | first  | 03-28T12:00 | 03-29T01:00 03-30T00:30
30 2 * * *         | skip | first  | 03-28T12:00 | 03-30T00:30 03-31T00:30
0,15,30,45 2 * * * | run  | first  | 03-28T12:00 | 03-29T01:00 03-30T00:00
0,30 2,3 * * *     | run  | first  | 03-28T12:00 | 03-29T01:00 03-29T01:30 03-30T00:00
30 2 29 3 *        | run  | first  | 01-01T00:00 | 03-29T01:00 2027-03-29T00:30
30 2 29 3 *        | skip | first  | 01-01T00:00 | 2027-03-29T00:30
30 2 * * *         | run  | first  | 10-24T12:00 | 10-25T00:30 10-26T01:30
30 2 * * *         | run  | second | 10-24T12:00 | 10-25T01:30 10-26T01:30
30 2 * * *         | run  | both   | 10-24T12:00 | 10-25T00:30 10-25T01:30 10-26T01:30
0 2,3 * * *        | run  | first  | 10-24T12:00 | 10-25T00:00 10-25T02:00
0 2,3 * * *        | run  | second | 10-24T12:00 | 10-25T01:00 10-25T02:00
# What comes next is far, or comes again at once.
30 2 25 10 *       | run  | both   | 01-01T00:00 | 10-25T00:30 10-25T01:30 2027-10-25T00:30
30 2 25 10 *       | run  | second | 01-01T00:00 | 10-25T01:30 2027-10-25T00:30
# From within the hour that comes twice.
30 2 * * *         | run  | first  | 10-25T00:30 | 10-26T01:30
30 2 * * *         | run  | first  | 10-25T01:10 | 10-26T01:30
30 2 * * *         | run  | second | 10-25T01:10 | 10-25T01:30
# Neither option changes what the other decides.
30 2 * * *         | run  | second | 03-28T12:00 | 03-29T01:00 03-30T00:30
30 2 * * *         | run  | both   | 03-28T12:00 | 03-29T01:00 03-30T00:30
30 2 * * *         | skip | second | 03-28T12:00 | 03-30T00:30 03-31T00:30
30 2 * * *         | skip | both   | 03-28T12:00 | 03-30T00:30 03-31T00:30
30 2 * * *         | skip | first  | 10-24T12:00 | 10-25T00:30 10-26T01:30
30 2 * * *         | skip | second | 10-24T12:00 | 10-25T01:30 10-26T01:30
30 2 * * *         | skip | both   | 10-24T12:00 | 10-25T00:30 10-25T01:30 10-26T01:30
# The last second before the gap ends: one second later is already behind it.
30 2 * * *         | run  | first  | 03-29T00:59:59 | 03-29T01:00
30 2 * * *         | skip | first  | 03-29T00:59:59 | 03-30T00:30
* * 1,2 * * *      | run  | first  | 03-29T00:59:58 | 03-29T00:59:59 03-29T01:00 03-29T23:00
# What is due each half hour or every other hour.
*/30 * * * *       | run  | first  | 03-29T00:15 | 03-29T00:30 03-29T01:00 03-29T01:30
*/30 * * * *       | skip | second | 10-25T00:15 | 10-25T00:30 10-25T01:00 10-25T01:30 10-25T02:00
30 */2 * * *       | run  | first  | 03-28T23:00 | 03-28T23:30 03-29T02:30
30 */2 * * *       | run  | first  | 10-25T00:00 | 10-25T00:30 10-25T01:30 10-25T03:30

America/New_York 2026
# 03-08: 02:00 becomes 03:00 at 07:00 UTC. 11-01: 02:00 becomes 01:00 at 06:00 UTC.
30 2 * * *         | run  | first  | 03-07T12:00 | 03-08T07:00 03-09T06:30
30 2 * * *         | skip | first  | 03-07T12:00 | 03-09T06:30
30 1 * * *         | run  | first  | 10-31T12:00 | 11-01T05:30 11-02T06:30
30 1 * * *         | run  | second | 10-31T12:00 | 11-01T06:30 11-02T06:30
30 1 * * *         | run  | both   | 10-31T12:00 | 11-01T05:30 11-01T06:30

America/Sao_Paulo 2017
# 10-15: midnight becomes 01:00 at 03:00 UTC.
@daily             | run  | first  | 10-14T12:00 | 10-15T03:00 10-16T02:00
@daily             | skip | first  | 10-14T12:00 | 10-16T02:00

America/Sao_Paulo 2018
# 02-18: midnight becomes 23:00 at 02:00 UTC.
30 23 * * *        | run  | first  | 02-17T12:00 | 02-18T01:30 02-19T02:30
30 23 * * *        | run  | second | 02-17T12:00 | 02-18T02:30 02-19T02:30

America/Sao_Paulo 2026
# The clocks are not set any more.
@daily             | run  | first  | 10-14T12:00 | 10-15T03:00 10-16T03:00

Africa/Cairo 2026
# 04-24: midnight becomes 01:00 at 22:00 UTC. 10-29: midnight becomes 23:00 at 21:00 UTC.
@daily             | run  | first  | 04-23T12:00 | 04-23T22:00 04-24T21:00
@daily             | skip | first  | 04-23T12:00 | 04-24T21:00
30 23 * * *        | run  | first  | 10-29T12:00 | 10-29T20:30 10-30T21:30
30 23 * * *        | run  | both   | 10-29T12:00 | 10-29T20:30 10-29T21:30

Australia/Lord_Howe 2026
# Half an hour. 04-05: 02:00 becomes 01:30 at 15:00 UTC. 10-04: 02:00 becomes 02:30 at 15:30 UTC.
15 2 * * *         | run  | first  | 10-03T12:00 | 10-03T15:30 10-04T15:15
15 2 * * *         | skip | first  | 10-03T12:00 | 10-04T15:15
45 1 * * *         | run  | first  | 04-04T12:00 | 04-04T14:45 04-05T15:15
45 1 * * *         | run  | second | 04-04T12:00 | 04-04T15:15 04-05T15:15
*/15 * * * *       | run  | first  | 04-04T14:40 | 04-04T14:45 04-04T15:00 04-04T15:15
# 02:00 is not there in spring and comes half an hour late in autumn.
0 * * * *          | run  | first  | 10-03T14:00 | 10-03T14:30 10-03T16:00
0 * * * *          | run  | first  | 04-04T13:30 | 04-04T14:00 04-04T15:30

Pacific/Apia 2011
# 12-30 was left out: at 10:00 UTC, from 10 hours behind to 14 ahead.
0 12 * * *         | run  | first  | 12-29T12:00 | 12-29T22:00 12-30T10:00 12-30T22:00
0 12 * * *         | skip | first  | 12-29T12:00 | 12-29T22:00 12-30T22:00

Europe/Dublin 2026
# Winter is the exception: 03-29 and 10-25, both at 01:00 UTC.
30 1 * * *         | run  | first  | 03-28T12:00 | 03-29T01:00 03-30T00:30
30 1 * * *         | run  | second | 10-24T12:00 | 10-25T01:30 10-26T01:30

+05:30 2026
@daily             | run  | first  | 03-28T12:00 | 03-28T18:30 03-29T18:30

-03:00 2026
30 2 * * *         | skip | both   | 10-24T12:00 | 10-25T05:30 10-26T05:30
)";

struct Row {
  std::string zone;
  std::vector<std::string> cells;
  WallTime from;
  std::vector<std::string> runs;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.zone << testing::PrintToString(row.cells);
}

std::vector<Row> rows() {
  std::vector<Row> all;
  std::vector<std::string> place;
  for (const auto& cells : table(kTable)) {
    if (cells.size() == 1) {
      place = words(cells[0]);
      continue;
    }
    Row row = {place.at(0), cells, instant(in_full(place.at(1), cells.at(3))), {}};
    for (const std::string& run : words(cells.at(4))) row.runs.push_back(in_full(place[1], run));
    all.push_back(std::move(row));
  }
  return all;
}

class SummerTime : public testing::TestWithParam<Row> {};

TEST_P(SummerTime, TM11_IsDueAsWrittenHere) {
  static const std::map<std::string, Gap> kGaps = {{"run", Gap::run_after}, {"skip", Gap::skip}};
  static const std::map<std::string, Overlap> kOverlaps = {
      {"first", Overlap::first}, {"second", Overlap::second}, {"both", Overlap::both}};
  const auto& [zone, cells, from, expected] = GetParam();
  const Cron cron(
      cells[0],
      {.zone = TimeZone(zone), .gap = kGaps.at(cells[1]), .overlap = kOverlaps.at(cells[2])});
  std::vector<std::string> runs;
  for (const WallTime t : cron.next_n(from, expected.size())) runs.push_back(to_text(t));
  EXPECT_EQ(runs, expected);
}

INSTANTIATE_TEST_SUITE_P(Everywhere, SummerTime, testing::ValuesIn(rows()));

}  // namespace
}  // namespace detent
