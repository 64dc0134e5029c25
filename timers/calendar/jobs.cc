// SPDX-License-Identifier: BSL-1.0
#include "detent/jobs.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "detent/drop.h"

namespace detent {
namespace {

constexpr Duration kWrongClock = std::chrono::hours(24);
// An earlier last_run counts as this. So WallTime::min() may stand for "never", and differences of
// times do not overflow.
constexpr WallTime kEpoch = {};

void check_length(const char* name, Duration length) {
  if (length >= Duration::zero()) return;
  throw std::invalid_argument("Jobs::schedule: " + std::string(name) + " is " +
                              std::to_string(length.count()) + " ns, and must not be negative");
}

JobOptions checked(const JobOptions& options) {
  if (options.most_missed < 1 || options.most_missed > Jobs::kMostCounted) {
    throw std::invalid_argument("Jobs::schedule: most_missed is " +
                                std::to_string(options.most_missed) + ", and must be from 1 to " +
                                std::to_string(Jobs::kMostCounted));
  }
  check_length("grace", options.grace);
  check_length("jitter.most", options.jitter.most);
  return options;
}

// The last steps of SplitMix64: they mix well, and give the same with every standard library.
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

}  // namespace

struct Jobs::Plan {
  Cron cron;
  JobOptions options;
  WallTime since;                     // the last run that was called, or the job's beginning
  bool called = false;                // `since` is a run that was called, in this process or before
  WallTime last = {};                 // every run up to here was called or left out
  std::optional<WallTime> next = {};  // the first run after `last`
  WallTime counted_to = {};           // MissedRuns::all: up to here, most_missed was checked
  WallTimer timer = {};

  void go_on_after(WallTime t) {
    last = t;
    next = cron.next(t);
  }

  [[nodiscard]] WallTime with_jitter(WallTime run) const {
    const Jitter& jitter = options.jitter;
    if (jitter.most == Duration::zero()) return run;
    const std::optional<WallTime> following = cron.next(run);
    const Duration room = following ? *following - run - Duration(1) : jitter.most;
    const auto most = static_cast<std::uint64_t>(std::min(jitter.most, room).count());
    const auto at = static_cast<std::uint64_t>(run.time_since_epoch().count());
    return saturating_add(run, Duration(mixed(jitter.seed + mixed(at)) % (most + 1)));
  }

  void arm() {
    if (next) {
      timer.rearm_at(with_jitter(*next));
    } else {
      timer.disarm();
    }
  }

  [[nodiscard]] bool is_due(std::optional<WallTime> run, WallTime now) const {
    return run && with_jitter(*run) <= now;
  }

  // The last run that is due at `now`; there must be one. Halves the stretch between a due run and
  // `now`.
  [[nodiscard]] WallTime last_due(WallTime now) const {
    WallTime due = *next;
    for (WallTime end = now; is_due(cron.next(due), now);) {
      const WallTime middle = due + (end - due) / 2;
      const std::optional<WallTime> found = cron.next(middle);
      if (is_due(found, now)) {
        due = *found;
      } else {
        end = middle;
      }
    }
    return due;
  }

  // How many runs come after `after` and not after `until`; at most `most`.
  [[nodiscard]] std::size_t count(WallTime after, WallTime until, std::size_t most) const {
    std::size_t runs = 0;
    std::optional<WallTime> run = cron.next(after);
    for (; run && *run <= until && runs < most; run = cron.next(*run)) ++runs;
    return runs;
  }

  // The first of the `wanted` runs that end with `last_of_them`, when there are more.
  [[nodiscard]] WallTime latest(std::size_t wanted, WallTime last_of_them) const {
    WallTime early = last;  // too many runs come after it
    WallTime late = last_of_them;
    for (;;) {
      const WallTime middle = early + (late - early) / 2;
      const std::size_t behind = count(middle, last_of_them, wanted + 1);
      if (behind == wanted) return *cron.next(middle);
      (behind > wanted ? early : late) = middle;
    }
  }

  // A run that was called is not called again; all else follows the clock. If such a run is far
  // ahead of the clock, the clock was wrong before, and the run does not count.
  void follow_clock(WallTime now) {
    if (since - now > kWrongClock) called = false;
    if (!called) since = std::min(since, now);
    if (now < last) go_on_after(std::max(since, now));
    counted_to = last;
  }

  // Returns the run to call now, if any, and goes on to the next.
  std::optional<JobRun> take(WallTime now) {
    if (!is_due(next, now)) return std::nullopt;
    if (options.missed == MissedRuns::all) return call(first_to_call(now), now);
    const WallTime run = last_due(now);
    const bool in_time = now - with_jitter(run) <= options.grace;
    if (options.missed == MissedRuns::once || in_time) return call(run, now);
    go_on_after(run);
    return std::nullopt;
  }

  // Counts the missed runs once for all the calls that they get.
  WallTime first_to_call(WallTime now) {
    const WallTime run = *next;
    if (run <= counted_to) return run;
    counted_to = last_due(now);
    const bool too_many = count(last, counted_to, options.most_missed + 1) > options.most_missed;
    return too_many ? latest(options.most_missed, counted_to) : run;
  }

  JobRun call(WallTime run, WallTime now) {
    const JobRun told = {run, now, count(since, run - Duration(1), kMostCounted)};
    since = run;
    called = true;
    go_on_after(run);
    return told;
  }
};

Jobs::Jobs(WallTimerService& timers)
    : Service(timers.reactor(), "Jobs"),
      timers_(timers),
      clock_changes_(
          timers.on_clock_change([this](const ClockChange&) { on_clock_change(); }, "jobs")) {}

Jobs::~Jobs() {
  close("~Jobs");
  table_.for_each([this](Table::Entry& entry) { cancel(entry.id()); });
}

Job Jobs::add(Cron cron, const JobOptions& options, Function&& function, Name name) {
  const bool refused = refuses("Jobs::schedule");
  if (!function) throw std::invalid_argument("Jobs::schedule: the callback is empty");
  if (refused) {
    drop_any(std::move(function));
    return {};
  }
  if (!clock_changes_.active()) {
    throw std::logic_error("Jobs::schedule: the timer service of these jobs is gone");
  }
  const WallTime now = timers_.clock_now();
  auto plan = std::make_unique<Plan>(Plan{.cron = std::move(cron),
                                          .options = checked(options),
                                          .since = std::max(options.last_run.value_or(now), kEpoch),
                                          .called = options.last_run.has_value()});
  Plan& made = *plan;
  made.go_on_after(made.since);
  made.follow_clock(now);
  table_.recycle();
  Job job(link(), table_.add(std::move(function), name, std::move(plan)));
  made.timer = timers_.make([this, id = job.id()] { on_wake(id); }, name);
  made.arm();
  return job;
}

void Jobs::cancel(HandlerId id) noexcept {
  Table::Entry* entry = table_.find(id);
  if (entry == nullptr) return;
  entry->data.reset();
  table_.remove(id);  // the last use of *this: the captures may own it
}

bool Jobs::active(HandlerId id) const noexcept { return next_run(id).has_value(); }

std::optional<WallTime> Jobs::next_run(HandlerId id) const noexcept {
  affinity().check_or_terminate("Job::next_run");
  const Table::Entry* entry = table_.find(id);
  return entry == nullptr || !clock_changes_.active() ? std::nullopt : entry->data->next;
}

// Arms the job again before the call, so that the callback finds its next run in place.
void Jobs::on_wake(HandlerId id) {
  Table::Entry* entry = table_.find(id);
  if (entry == nullptr) return;
  const std::optional<JobRun> run = entry->data->take(timers_.clock_now());
  entry->data->arm();
  if (run) table_.call(*entry, *run);  // the last statement: this object may be gone
}

// When a clock was put back, a job may be armed for a time that is now far away.
void Jobs::on_clock_change() {
  const WallTime now = timers_.clock_now();
  table_.for_each([now](Table::Entry& entry) {
    entry.data->follow_clock(now);
    entry.data->arm();
  });
}

}  // namespace detent
