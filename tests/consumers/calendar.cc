// SPDX-License-Identifier: BSL-1.0
// A user's program that asks when something is due, and has a job.
#include <chrono>

#include <detent/calendar.h>
#include <detent/reactor.h>
#include <detent/timer_service.h>

int main() {
  using namespace std::chrono_literals;
  const detent::Cron cron("0 9 * * *", {.zone = detent::TimeZone("Europe/Berlin")});
  const detent::WallTime summer = std::chrono::sys_days(std::chrono::year(2026) / 7 / 1);
  if (cron.next(summer) != summer + 7h) return 1;

  detent::Reactor reactor;
  detent::WallTimerService timers(reactor);
  detent::Jobs jobs(timers);
  const detent::Job job = jobs.schedule(detent::Cron("* * * * * *"), {}, [&] { reactor.stop(); });
  reactor.run();
}
