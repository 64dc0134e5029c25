// SPDX-License-Identifier: BSL-1.0
// The same schedules as `systemd-analyze calendar` computes them, where its language has them: L is
// its ~01, fri#2 a Friday of the second seven days, friL one of the last. Left out, since it knows
// them otherwise or not at all: times within a gap or an overlap (it leaves out the one and takes
// the first of the other, without a choice), W, either of two kinds of day (it wants both), and
// ranges of weekdays that go round.
#include <cstdio>
#include <ostream>

#include "detent/cron.h"
#include "support/calendar.h"
#include "support/child_program.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
using Texts = std::vector<std::string>;

constexpr int kRuns = 40;  // its time ends in 2200

struct Pair {
  const char* cron;
  const char* systemd;
  const char* zone;
};

void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.cron << ' ' << pair.zone; }

// "(in UTC): Sat 2026-03-28 01:30:00 UTC" as the tests write it; what is in UTC anyway has no such
// line, and is told with "Next elapse:" or "Iteration #2:".
Texts systemd_runs(const Pair& pair, const std::string& from, int count) {
  ChildProgram program(
      "systemd-analyze",
      {.arguments = {"calendar", "--base-time=" + from, "--iterations=" + std::to_string(count),
                     std::string(pair.systemd) + " " + pair.zone},
       .environment = {{"TZ", "UTC"}}});
  Texts runs;
  while (const auto line = program.next_line()) {
    const auto label = line->find(": ");
    if (label == std::string::npos) continue;
    const std::string name = line->substr(0, label);
    const bool is_run =
        name.find("Next elapse") != std::string::npos || name.find("Iter") != std::string::npos;
    if (!is_run) continue;
    std::istringstream words(line->substr(label + 2));
    std::string weekday;
    std::string date;
    std::string time;
    words >> weekday >> date >> time;
    runs.push_back(date + "T" + time + "Z");
  }
  EXPECT_EQ(program.wait(), 0) << program.errors();
  return runs;
}

class SystemdCalendar : public testing::TestWithParam<Pair> {};

TEST_P(SystemdCalendar, TM11_HasTheSameRuns) {
  if (!is_installed("systemd-analyze")) {
    GTEST_SKIP() << "systemd-analyze is not installed";
  }
  const Pair& pair = GetParam();
  for (const char* year : {"2026", "2031", "2036"}) {
    const std::string start = std::string(year) + "-01-01";
    Texts runs;
    const Cron cron(pair.cron, {.zone = TimeZone(pair.zone)});
    for (const WallTime t : cron.next_n(instant(start + "T00:00:00Z"), kRuns)) {
      runs.push_back(to_text(t));
    }
    EXPECT_EQ(systemd_runs(pair, start + " 00:00:00 UTC", kRuns), runs);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Pairs, SystemdCalendar,
    testing::Values(Pair{"30 9 * * *", "*-*-* 09:30:00", "Europe/Berlin"},
                    Pair{"0 12 * * mon-fri", "Mon..Fri *-*-* 12:00:00", "America/New_York"},
                    Pair{"0 6,18 1,15 * *", "*-*-01,15 06,18:00:00", "Australia/Lord_Howe"},
                    Pair{"*/20 8-10 * * *", "*-*-* 08..10:00/20:00", "Africa/Cairo"},
                    Pair{"0 5 * 3,10 sun", "Sun *-03,10-* 05:00:00", "Europe/Dublin"},
                    Pair{"15 30 7 29 2 *", "*-02-29 07:30:15", "UTC"},
                    Pair{"0 0 1 1 *", "*-01-01 00:00:00", "Asia/Kolkata"},
                    Pair{"45 23 31 * *", "*-*-31 23:45:00", "UTC"},
                    Pair{"0 6 L * *", "*-*~01 06:00:00", "UTC"},
                    Pair{"30 22 L-3 * *", "*-*~04 22:30:00", "America/Sao_Paulo"},
                    Pair{"0 12 * * fri#2", "Fri *-*-08..14 12:00:00", "Europe/Berlin"},
                    Pair{"0 12 * * fri#5", "Fri *-*-29..31 12:00:00", "UTC"},
                    Pair{"0 12 * * friL", "Fri *-*~07/1 12:00:00", "America/New_York"}));

}  // namespace
}  // namespace detent
