// SPDX-License-Identifier: BSL-1.0
#include "detent/jobs.h"

#include <algorithm>
#include <stdexcept>

namespace detent {
namespace {

constexpr Duration kWrongClock = std::chrono::hours(24);
// Nothing is remembered from before it: WallTime::min() may stand for "never", and differences of
// times do not overflow.
constexpr WallTime kEpoch = {};

JobOptions checked(const JobOptions& options) {
  const bool limited = options.most_missed >= 1 && options.most_missed <= Jobs::kMostCounted;
  if (!limited) throw std::invalid_argument("Jobs: most_missed is not from 1 to 10,000");
  if (options.grace < Duration::zero()) throw std::invalid_argument("Jobs: negative grace");
  if (options.jitter.most < Duration::zero()) throw std::invalid_argument("Jobs: negative jitter");
  return options;
}

// Well mixed, and the same with every standard library: the last steps of SplitMix64.
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

// Runs that are due and were not called.
struct Due {
  WallTime last;
  std::uint64_t count = 0;  // at most one more than Jobs::kMostCounted
};

}  // namespace

struct Jobs::Plan {
  Cron cron;
  JobOptions options;
  WallTime last;                 // everything up to here was called, or is not to be
  std::optional<WallTime> next;  // the first behind it
  std::uint64_t not_called = 0;  // since the last call
  WallTime counted_to = {};      // MissedRuns::all: no run up to here is one too many
  WallTimer timer;

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

  // The last run that is due at `now`, of which there is at least one: between one that is and
  // `now`, halving the stretch.
  [[nodiscard]] WallTime last_due(WallTime now) const {
    WallTime due = *next;
    for (WallTime end = now; due < end;) {
      const WallTime middle = due + (end - due) / 2;
      const std::optional<WallTime> found = cron.next(middle);
      if (found && with_jitter(*found) <= now) {
        due = *found;
      } else {
        end = middle;
      }
      if (const auto following = cron.next(due); !following || with_jitter(*following) > now) break;
    }
    return due;
  }

  // Those from `next` on that are due at `now`.
  [[nodiscard]] Due due_at(WallTime now) const {
    Due due = {.last = *next};
    for (std::optional<WallTime> run = next; run && with_jitter(*run) <= now;
         run = cron.next(*run)) {
      due.last = *run;
      if (++due.count <= kMostCounted) continue;
      due.last = last_due(now);
      break;
    }
    return due;
  }

  // Where to begin so that `count` runs are due from there to `last`, of more that are.
  [[nodiscard]] WallTime latest(std::size_t count, WallTime last_of_them) const {
    WallTime early = last;  // too many are behind it
    WallTime late = last_of_them;
    for (;;) {
      const WallTime middle = early + (late - early) / 2;
      std::size_t behind = 0;
      std::optional<WallTime> run = cron.next(middle);
      for (; run && *run <= last_of_them && behind <= count; run = cron.next(*run)) ++behind;
      if (behind == count) return *cron.next(middle);
      (behind > count ? early : late) = middle;
    }
  }

  // A clock that went back far was wrong before.
  void leave_wrong_future(WallTime now) {
    if (last - now > kWrongClock) go_on_after(now);
  }
  void follow_clock(WallTime now) {
    leave_wrong_future(now);
    counted_to = last;
    arm();
  }

  // What to call now, if anything, and takes it off what is left.
  std::optional<JobRun> take(WallTime now) {
    if (!next || with_jitter(*next) > now) return std::nullopt;
    if (options.missed == MissedRuns::all) return take_first(now);
    return take_last(now);
  }

  std::optional<JobRun> take_last(WallTime now) {
    const Due due = due_at(now);
    const bool in_time = now - with_jitter(due.last) <= options.grace;
    go_on_after(due.last);
    if (options.missed == MissedRuns::skip && !in_time) {
      not_called += due.count;
      return std::nullopt;
    }
    return JobRun{due.last, now, std::exchange(not_called, 0) + due.count - 1};
  }

  // Counts once for all the calls of one stretch.
  JobRun take_first(WallTime now) {
    WallTime run = *next;
    if (run > counted_to) {
      const Due due = due_at(now);
      counted_to = due.last;
      if (due.count > options.most_missed) {
        not_called += due.count - options.most_missed;
        run = latest(options.most_missed, due.last);
      }
    }
    go_on_after(run);
    return {run, now, std::exchange(not_called, 0)};
  }
};

Jobs::Jobs(WallTimerService& timers)
    : timers_(timers),
      clock_changes_(
          timers.on_clock_change([this](const ClockChange&) { on_clock_change(); }, "jobs")),
      line_(*this) {}

Jobs::~Jobs() {
  line_.affinity().check_or_terminate("~Jobs");
  line_.cut();
}

Job Jobs::add(Cron cron, const JobOptions& options, Function&& function, Name name) {
  line_.affinity().check("Jobs::schedule");
  const WallTime now = timers_.clock_now();
  auto plan = std::make_unique<Plan>(Plan{
      .cron = std::move(cron), .options = checked(options), .last = now, .next = {}, .timer = {}});
  Plan& made = *plan;
  const WallTime last_run = std::max(options.last_run.value_or(now), kEpoch);
  made.go_on_after(last_run);
  made.leave_wrong_future(now);
  table_.recycle();
  Job job(line_, table_.add(std::move(function), name, std::move(plan)));
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
  line_.affinity().check_or_terminate("Job::next_run");
  const Table::Entry* entry = table_.find(id);
  return entry == nullptr ? std::nullopt : entry->data->next;
}

// The job is armed again before the call, so that the callback finds it as it will be.
void Jobs::on_wake(HandlerId id) {
  Table::Entry* entry = table_.find(id);
  if (entry == nullptr) return;
  const std::optional<JobRun> run = entry->data->take(timers_.clock_now());
  entry->data->arm();
  if (run) table_.call(*entry, *run);  // the last statement: this object may be gone
}

// A clock that was put back far may have left a job with a time that it will not see for long.
void Jobs::on_clock_change() {
  const WallTime now = timers_.clock_now();
  table_.for_each([now](Table::Entry& entry) { entry.data->follow_clock(now); });
}

}  // namespace detent
