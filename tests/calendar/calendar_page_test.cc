// SPDX-License-Identifier: BSL-1.0
// What docs/calendar.md and the first comments of the calendar's headers show, compiled and run.
#include "detent/calendar.h"
#include "detent/simulation.h"
#include "support/calendar.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

class CalendarPage : public testing::Test {
 protected:
  CalendarPage() { clock_.set_wall(instant("2026-03-28T12:00:00Z")); }

  Simulation clock_;
  Reactor reactor{{.poller = clock_.make_poller(), .clock = &clock_}};
};

TEST_F(CalendarPage, TM11_AReportOnWorkingDays) {
  std::vector<WallTime> reports;
  const auto send_report = [&](WallTime t) { reports.push_back(t); };
  detent::WallTimerService timers(reactor);
  detent::Jobs jobs(timers);
  const detent::Job report =
      jobs.schedule(detent::Cron("0 9 * * mon-fri", {.zone = detent::TimeZone("Europe/Berlin")}),
                    {}, [&](const detent::JobRun& run) { send_report(run.scheduled); });
  clock_.advance(72h);
  EXPECT_EQ(reports,
            (std::vector{instant("2026-03-30T07:00:00Z"), instant("2026-03-31T07:00:00Z")}));
}

TEST_F(CalendarPage, TM11_WhenSomethingIsDue) {
  const WallTime now = clock_.wall_now();
  const detent::Cron cron("30 2 * * *", {.zone = detent::TimeZone("Europe/Berlin")});
  const std::optional<detent::WallTime> next = cron.next(now);
  const std::vector<detent::WallTime> week = cron.next_n(now, 7);
  EXPECT_EQ(next, instant("2026-03-29T01:00:00Z")) << "the end of the gap";
  EXPECT_EQ(week.back(), instant("2026-04-04T00:30:00Z"));
}

TEST_F(CalendarPage, TM11_ABackupThatRemembers) {
  WallTimerService timers(reactor);
  Jobs jobs(timers);
  WallTime remembered = instant("2026-03-25T03:00:00Z");
  const detent::Job backup = jobs.schedule(
      detent::Cron("0 3 * * *"), {.missed = detent::MissedRuns::once, .last_run = remembered},
      [&](const detent::JobRun& run) { remembered = run.scheduled; });
  clock_.advance(0s);
  EXPECT_EQ(remembered, instant("2026-03-28T03:00:00Z"));
}

// ---- what the first comments of the headers show

int reports_sent = 0;
void send_report(const JobRun& /*run*/) { ++reports_sent; }
WallTime backed_up;
void back_up(WallTime scheduled) { backed_up = scheduled; }

TEST_F(CalendarPage, TM11_TheHeaderOfTheCalendar) {
  reports_sent = 0;
  detent::WallTimerService timers(reactor);
  detent::Jobs jobs(timers);
  const detent::Cron mornings("0 9 * * mon-fri", {.zone = detent::TimeZone("Europe/Berlin")});
  auto report = jobs.schedule(mornings, {}, [](const detent::JobRun& run) { send_report(run); });
  clock_.advance(72h);
  EXPECT_EQ(reports_sent, 2);
}

TEST_F(CalendarPage, TM11_TheHeaderOfCron) {
  const Clock& clock = clock_;
  const detent::Cron cron("30 2 * * mon-fri", {.zone = detent::TimeZone("Europe/Berlin")});
  const std::optional<detent::WallTime> next = cron.next(clock.wall_now());
  EXPECT_EQ(next, instant("2026-03-30T00:30:00Z"));
}

TEST_F(CalendarPage, TM11_TheHeaderOfJobs) {
  WallTimerService wall_timers(reactor);
  detent::Jobs jobs(wall_timers);
  auto backup = jobs.schedule(detent::Cron("30 2 * * *"), {},
                              [](const detent::JobRun& run) { back_up(run.scheduled); });
  clock_.advance(24h);
  EXPECT_EQ(backed_up, instant("2026-03-29T02:30:00Z"));
}

TEST_F(CalendarPage, TM11_TheHeaderOfTimeZone) {
  const Clock& clock = clock_;
  const detent::TimeZone berlin("Europe/Berlin");
  const auto offset = berlin.offset_at(clock.wall_now());  // 1 h or 2 h
  EXPECT_EQ(offset, 1h);
}

}  // namespace
}  // namespace detent
