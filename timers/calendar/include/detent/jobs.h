// SPDX-License-Identifier: BSL-1.0
/// \file
/// Calls a function of yours whenever it is due by the calendar.
///
///     detent::Jobs jobs(wall_timers);
///     auto backup = jobs.schedule(detent::Cron("30 2 * * *"), {},
///                                 [](const detent::JobRun& run) { back_up(run.scheduled); });
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "detent/callback.h"
#include "detent/clock.h"
#include "detent/cron.h"
#include "detent/handle.h"
#include "detent/handler_table.h"
#include "detent/name.h"
#include "detent/service.h"
#include "detent/timer_service.h"

namespace detent {

/// What a job's callback is told.
struct JobRun {
  WallTime scheduled;        ///< When it was due, without the jitter.
  WallTime actual;           ///< The time of the call.
  std::uint64_t missed = 0;  ///< Runs before this one, since the last call, that were not called.
};

/// What happens to runs that could not be called in time. Perhaps the machine slept, the clock was
/// put forward, the program did not run, or it was busy.
enum class MissedRuns : std::uint8_t {
  skip,  ///< They are left out.
  once,  ///< One call, for the last of them.
  all    ///< A call for each, one a turn; only for the last JobOptions::most_missed.
};

/// Delays each run, so that many machines do not run it at the same instant.
struct Jitter {
  Duration most = {};      ///< The delay is from zero to this, and ends before the next run is due.
  std::uint64_t seed = 0;  ///< The same seed and run give the same delay.
};

struct JobOptions {
  MissedRuns missed = MissedRuns::once;
  std::size_t most_missed = 100;  ///< For MissedRuns::all; at least 1, at most Jobs::kMostCounted.
  /// How late a call may be and still count as in time.
  Duration grace = std::chrono::minutes(1);
  /// The last run that was called, if the program has stored it: runs due since then were missed.
  /// Left out: nothing was missed. A time before 1970 counts as 1970, so WallTime::min() may stand
  /// for "never". A time more than a day in the future is ignored.
  std::optional<WallTime> last_run = {};
  Jitter jitter = {};
};

class Job;

/// Jobs on a service of wall timers, which must outlive it. Not moved; belongs to its thread. The
/// callbacks may do anything to any job, their own included, and may destroy this object. As there
/// is one thread, two runs never overlap. Allocates nothing to call a job.
///
/// At each wake-up the clock decides what is due. When the clock is put back, a job goes on from
/// the new time. But it does not call a run again that was called, in this process or (see
/// last_run) an earlier one. A run more than a day ahead of the clock does not count: the clock was
/// wrong then. Runs that the clock skipped when it was put forward were missed.
class Jobs final : private Service {
 public:
  /// Missed runs are counted up to here; JobRun::missed may be less than their number.
  static constexpr std::size_t kMostCounted = 10'000;

  explicit Jobs(WallTimerService& timers);
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;
  ~Jobs() override;

  /// Calls `on_run`, with a const JobRun& or with nothing, whenever `cron` is due from now on.
  /// std::invalid_argument for an empty function, a negative length or a limit out of range.
  /// std::logic_error when the timers or their reactor are gone. While this object or the reactor
  /// is being destroyed, returns an inert handle to captures that call this.
  template <class F>
  [[nodiscard]] Job schedule(Cron cron, JobOptions options, F&& on_run, Name name = {});

 private:
  friend class Job;
  using Function = Callback<void(const JobRun&)>;

  struct Plan;
  // Kept beside each callback. A plan does not move while a callback changes the table.
  using Table = HandlerTable<void(const JobRun&), std::unique_ptr<Plan>>;

  // A null pointer to a function, or an empty std::function or Callback.
  template <class F>
  static bool is_empty(const F& function) {
    constexpr bool tells = std::is_constructible_v<bool, const F&> &&
                           (std::is_pointer_v<F> || !std::is_convertible_v<const F&, bool>);
    if constexpr (tells) return !static_cast<bool>(function);
    return false;
  }

  template <class F>
  static Function adapt(F&& function) {
    if (is_empty<std::decay_t<F>>(function)) return {};
    if constexpr (std::is_invocable_v<std::decay_t<F>&, const JobRun&>) {
      return Function(std::forward<F>(function));
    } else {
      static_assert(std::is_invocable_v<std::decay_t<F>&>,
                    "a job's callback takes a const JobRun& or nothing");
      return Function([f = std::forward<F>(function)](const JobRun&) mutable { f(); });
    }
  }

  Job add(Cron cron, const JobOptions& options, Function&& function, Name name);
  void cancel(HandlerId id) noexcept override;
  [[nodiscard]] bool active(HandlerId id) const noexcept override;
  [[nodiscard]] std::optional<WallTime> next_run(HandlerId id) const noexcept;
  void on_wake(HandlerId id);
  void on_clock_change();

  WallTimerService& timers_;
  Table table_;
  Handle clock_changes_;  // active as long as the timers live
};

/// The handle of a job. Move-only; cancels when destroyed.
class [[nodiscard]] Job : public Handle {
 public:
  Job() noexcept = default;
  /// When it is due next, without the jitter; nullopt when never, and for an empty handle.
  [[nodiscard]] std::optional<WallTime> next_run() const noexcept {
    const auto* jobs = static_cast<const Jobs*>(owner());
    return jobs == nullptr ? std::optional<WallTime>() : jobs->next_run(id());
  }

 private:
  friend class Jobs;
  using Handle::Handle;
};

template <class F>
// NOLINTNEXTLINE(performance-unnecessary-value-param): clang-tidy 14 overlooks the move below
Job Jobs::schedule(Cron cron, JobOptions options, F&& on_run, Name name) {
  return add(std::move(cron), options, adapt(std::forward<F>(on_run)), name);
}

}  // namespace detent
