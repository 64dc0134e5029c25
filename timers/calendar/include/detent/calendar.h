// SPDX-License-Identifier: BSL-1.0
/// \file
/// Jobs by the calendar: `find_package(detent COMPONENTS calendar)`, `detent::calendar`.
///
///     detent::WallTimerService timers(reactor);
///     detent::Jobs jobs(timers);
///     const detent::Cron mornings("0 9 * * mon-fri", {.zone = detent::TimeZone("Europe/Berlin")});
///     auto report = jobs.schedule(mornings, {},
///                                 [](const detent::JobRun& run) { send_report(run); });
#pragma once

#include "detent/cron.h"
#include "detent/jobs.h"
#include "detent/time_zone.h"
