// SPDX-License-Identifier: BSL-1.0
#include "detent/timer_service.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "clock_changes.h"
#include "polling_wall_alarm.h"

namespace detent {
namespace {

// The instant that every clock has behind it, and the earliest deadline that we keep.
template <class Time>
constexpr Time kEpoch = Time(Duration::zero());

// Deadlines this close to the time of the turn may have passed by its end.
constexpr Duration kNear = std::chrono::milliseconds(1);

[[noreturn]] void fail_about(const char* call, const char* what, Duration value) {
  throw std::invalid_argument(std::string(call) + ": the " + what + " is " +
                              std::to_string(value.count()) + " ns");
}

Duration checked_period(Duration period, const char* call) {
  if (period <= Duration::zero()) fail_about(call, "period", period);
  return period;
}

std::size_t checked_budget(std::size_t timers) {
  if (timers == 0) throw std::invalid_argument("TimerService: timers_per_turn is 0");
  return timers;
}

// Only a clock that can be set asks for more than its alarm.
template <class ClockT>
constexpr bool kCanBeSet = !ClockT::is_steady;

Duration checked_slack(Duration slack, const char* call) {
  if (slack < Duration::zero()) fail_about(call, "slack", slack);
  return slack;
}

TimePoint read(const Clock& clock, std::chrono::steady_clock /*tag*/) { return clock.now(); }
BootTime read(const Clock& clock, BootClock /*tag*/) { return clock.boot_now(); }
WallTime read(const Clock& clock, std::chrono::system_clock /*tag*/) { return clock.wall_now(); }

constexpr ClockId id_of(std::chrono::steady_clock /*tag*/) { return ClockId::steady; }
constexpr ClockId id_of(BootClock /*tag*/) { return ClockId::boot; }
constexpr ClockId id_of(std::chrono::system_clock /*tag*/) { return ClockId::wall; }

}  // namespace

template <class ClockT>
struct BasicTimerService<ClockT>::WallSide {
  explicit WallSide(Reactor& reactor) : changes(reactor) {}
  ClockChanges changes;
  FalseRings false_rings;
};

// ---- making and ending

template <class ClockT>
BasicTimerService<ClockT>::BasicTimerService(Reactor& reactor, TimerServiceOptions options)
    : Service(reactor, "TimerService"),
      reactor_(reactor),
      clock_(reactor.clock()),
      timers_per_turn_(checked_budget(options.timers_per_turn)),
      alarm_(clock_.make_alarm(id_of(ClockT{}))),
      alarm_watch_(watch_alarm(*alarm_)),
      turns_(reactor.counters().turns) {
  if constexpr (kCanBeSet<ClockT>) wall_ = std::make_unique<WallSide>(reactor);
}

template <class ClockT>
Watch BasicTimerService<ClockT>::watch_alarm(const Alarm& alarm) {
  return reactor_.watch_source(
      alarm.fd(), [this](Ready) { return on_alarm(); }, "timer service");
}

template <class ClockT>
BasicTimerService<ClockT>::~BasicTimerService() {
  close("~TimerService");
  alarm_watch_.cancel();
  if (wall_) wall_->changes.clear();
  timers_.clear();
}

template <class ClockT>
auto BasicTimerService<ClockT>::clock_now() const noexcept -> Time {
  return read(clock_, ClockT{});
}

template <class ClockT>
auto BasicTimerService<ClockT>::turn_now() const -> Time {
  if constexpr (std::is_same_v<ClockT, std::chrono::steady_clock>) return reactor_.now();
  return clock_now();
}

// ---- timers

template <class ClockT>
void BasicTimerService<ClockT>::start(std::uint32_t slot, Time deadline) {
  deadline = std::max(deadline, kEpoch<Time>);
  queue_.begin_turn(turns_);
  if (deadline < armed_for_) [[unlikely]]
    set_alarm(deadline);
  queue_.add(slot, deadline.time_since_epoch());
}

template <class ClockT>
void BasicTimerService<ClockT>::start(std::uint32_t slot, const Periodic& schedule) {
  const Period period = {.length = checked_period(schedule.period, "TimerService::every"),
                         .slack = checked_slack(schedule.slack, "TimerService::every"),
                         .missed = schedule.missed};
  Period& kept = give_period(timers_.at(slot), period);
  const Time tick = schedule.first ? deadline_after(*schedule.first)
                                   : tick_after(kept, deadline_after(Duration::zero()));
  start(slot, latest(kept, tick));
}

template <class ClockT>
void BasicTimerService<ClockT>::cancel(HandlerId id) noexcept {
  Entry* entry = timers_.find(id);
  if (entry == nullptr) return;
  queue_.remove(id.slot);
  take_period(*entry);
  timers_.recycle();
  timers_.remove(*entry);  // the last use of *this: the captures may own this service
}

template <class ClockT>
bool BasicTimerService<ClockT>::active(HandlerId id) const noexcept {
  return queue_.contains(id.slot) || queue_.popped(id.slot);
}

template <class ClockT>
void BasicTimerService<ClockT>::disarm(HandlerId id) {
  affinity().check("Timer::disarm");
  queue_.remove(id.slot);
}

template <class ClockT>
inline void BasicTimerService<ClockT>::arm(std::uint32_t slot, Time deadline) {
  queue_.begin_turn(turns_);
  const bool is_first = deadline < armed_for_;  // also each one before kEpoch
  if (is_first || !queue_.try_set(slot, deadline.time_since_epoch())) arm_anywhere(slot, deadline);
}

// A handle that asks for something is registered: only cancelling ends that, and empties the
// handle. So nothing has to be looked up in the entry, which would be one more cache line.
template <class ClockT>
void BasicTimerService<ClockT>::rearm(HandlerId id, Time deadline) {
  affinity().check("Timer::rearm");
  if (has_uncommon_periods_) [[unlikely]] {
    const Entry& entry = timers_.at(id.slot);
    if (entry.data.period != 0) {
      Period& period = periods_[entry.data.period - 1];
      period.in_tick = period.length;
      deadline = latest(period, deadline);
    }
  }
  arm(id.slot, deadline);
}

template <class ClockT>
void BasicTimerService<ClockT>::set_period(HandlerId id, Duration period) {
  affinity().check("Timer::set_period");
  checked_period(period, "Timer::set_period");
  Entry& entry = timers_.at(id.slot);
  const bool armed = active(id);
  const bool was_periodic = entry.data.period != 0;
  Period& kept =
      was_periodic ? periods_[entry.data.period - 1] : give_period(entry, {.length = period});
  if (armed && !was_periodic) return;  // keeps its deadline
  const Time last = armed ? Time(queue_.deadline(id.slot)) - kept.in_deadline - kept.in_tick
                          : deadline_after(Duration::zero());
  kept.length = period;
  arm(id.slot, latest(kept, tick_after(kept, last)));
}

template <class ClockT>
Duration BasicTimerService<ClockT>::remaining(HandlerId id) noexcept {
  affinity().check_or_terminate("Timer::remaining");
  if (!queue_.contains(id.slot)) return Duration::zero();
  const Time deadline = Time(queue_.deadline(id.slot)) - slack_of(timers_.at(id.slot));
  return std::max(saturating_subtract(deadline, clock_now()), Duration::zero());
}

template <class ClockT>
void BasicTimerService<ClockT>::fail_empty(const char* call) {
  throw std::invalid_argument(std::string(call) + ": the callback is empty");
}

template <class ClockT>
auto BasicTimerService<ClockT>::deadline_after(Duration delay) const noexcept -> Time {
  return saturating_add(clock_now(), std::max(delay, Duration::zero()));
}

template <class ClockT>
void BasicTimerService<ClockT>::arm_anywhere(std::uint32_t slot, Time deadline) {
  if (!queue_.contains(slot)) return start(slot, deadline);
  deadline = std::max(deadline, kEpoch<Time>);
  queue_.set(slot, deadline.time_since_epoch());
  if (deadline < armed_for_) set_alarm(deadline);
}

// Arming takes back the news that the clock was set, if the alarm had them already. So whoever is
// to be told of that looks afterwards: what comes later still, the alarm tells.
template <class ClockT>
void BasicTimerService<ClockT>::set_alarm(Time deadline) {
  alarm_->arm(deadline);
  armed_for_ = deadline;
  if constexpr (kCanBeSet<ClockT>) {
    if (!wall_->changes.has_listeners() || !wall_->changes.detect()) return;
    alarm_->arm(kEpoch<Time>);
    armed_for_ = kEpoch<Time>;
  }
}

template <class ClockT>
auto BasicTimerService<ClockT>::give_period(Entry& entry, Period period) -> Period& {
  if (period.slack > Duration::zero()) has_uncommon_periods_ = true;
  period.in_tick = period.length;
  if (free_periods_.empty()) {
    periods_.push_back(period);
    free_periods_.reserve(periods_.capacity());  // so that take_period() cannot fail
    entry.data.period = static_cast<std::uint32_t>(periods_.size());
  } else {
    periods_[free_periods_.back()] = period;
    entry.data.period = free_periods_.back() + 1;
    free_periods_.pop_back();
  }
  return periods_[entry.data.period - 1];
}

template <class ClockT>
void BasicTimerService<ClockT>::take_period(Entry& entry) noexcept {
  if (entry.data.period == 0) return;
  free_periods_.push_back(entry.data.period - 1);
  entry.data.period = 0;
}

template <class ClockT>
Duration BasicTimerService<ClockT>::slack_of(const Entry& entry) const noexcept {
  return entry.data.period == 0 ? Duration::zero() : periods_[entry.data.period - 1].in_deadline;
}

// The deadline of a tick: the end of its slack, or of what the clock can count. The part of the
// slack that found room is noted, so that the tick's own instant is never lost.
template <class ClockT>
auto BasicTimerService<ClockT>::latest(Period& period, Time scheduled) noexcept -> Time {
  scheduled = std::max(scheduled, kEpoch<Time>);
  const Time deadline = saturating_add(scheduled, period.slack);
  period.in_deadline = deadline - scheduled;
  return deadline;
}

// The tick behind the grid's last point, or the end of what the clock can count. The part of the
// period that found room is noted, so that the grid is never lost.
template <class ClockT>
inline auto BasicTimerService<ClockT>::tick_after(Period& period, Time last) noexcept -> Time {
  period.in_tick = period.length;
  std::int64_t tick = 0;
  const std::int64_t from = last.time_since_epoch().count();
  if (!__builtin_add_overflow(from, period.length.count(), &tick)) [[likely]]
    return Time(Duration(tick));
  period.in_tick = Time::max() - last;
  has_uncommon_periods_ = true;
  return Time::max();
}

// ---- a clock that is set

// A listener needs the alarm, even if no timer does.
template <class ClockT>
Handle BasicTimerService<ClockT>::on_clock_change(
    Callback<void(const ClockChange&)> on_change,
    Name name) requires std::is_same_v<ClockT, std::chrono::system_clock> {
  constexpr const char* kCall = "WallTimerService::on_clock_change";
  if (!on_change) fail_empty(kCall);
  if (refuses(kCall)) {
    drop_any(std::move(on_change));
    return {};
  }
  Handle handle = wall_->changes.add(std::move(on_change), name);
  if (armed_for_ != kEpoch<Time>) set_alarm(wall_->changes.pending() ? kEpoch<Time> : armed_for_);
  return handle;
}

// Rings too when nothing is due. Listeners hear of a change before the timers are called that it
// has made due. False when one of them destroyed the service.
template <class ClockT>
bool BasicTimerService<ClockT>::follow_wall_clock(Time rang_for, std::size_t& called) {
  ClockChanges& changes = wall_->changes;
  const bool for_nothing = !changes.detect() && !changes.pending() && clock_now() < rang_for;
  if (for_nothing && wall_->false_rings.too_many(clock_.now())) give_up_alarm();
  return changes.tell(called);
}

// A kernel may report for ever that the clock was set. What it would tell rightly, the service then
// looks for itself.
template <class ClockT>
void BasicTimerService<ClockT>::give_up_alarm() {
  std::unique_ptr<Alarm> alarm = make_polling_wall_alarm(clock_);
  alarm_watch_ = watch_alarm(*alarm);
  alarm_ = std::move(alarm);
}

// ---- expiry

// The alarm is never read: armed or disarmed after each wake-up, it goes quiet. While it is served
// it counts as one that rings, so what callbacks arm needs no call of the kernel. After a throw it
// rings on, which calls us in the next turn for what is left.
template <class ClockT>
std::size_t BasicTimerService<ClockT>::on_alarm() {
  const Time rang_for = std::exchange(armed_for_, kEpoch<Time>);
  rings_on_ = false;
  std::size_t called = 0;
  if constexpr (kCanBeSet<ClockT>) {
    if (!follow_wall_clock(rang_for, called)) return called;
  }
  const Time now = turn_now();
  if (next_in_batch_ == batch_.size()) collect_due(now);
  if (!run_batch(now, called)) return called;
  timers_.recycle();
  arm_for_the_next(now);
  return called;
}

// A wake-up proves nothing, since kernels wake early too: the clock says what is due.
template <class ClockT>
void BasicTimerService<ClockT>::collect_due(Time now) {
  batch_.clear();
  next_in_batch_ = 0;
  armed_late_.clear();
  queue_.begin_turn(turns_);
  const bool some_are_new = queue_.were_some_set_this_turn();
  std::size_t room = timers_per_turn_;
  while (room > 0) {
    const auto slot = queue_.pop_due(now.time_since_epoch());
    if (!slot) break;
    if (some_are_new && queue_.was_set_this_turn(*slot)) {
      armed_late_.push_back(*slot);
      continue;
    }
    timers_.prefetch(*slot);
    batch_.push_back(*slot);
    --room;
  }
  for (const std::uint32_t slot : armed_late_) queue_.add(slot, queue_.deadline(slot));
  rings_on_ = !batch_.empty();  // those within their slack prove nothing: their alarm is later
  if (has_uncommon_periods_) collect_within_slack(now);
}

// Those behind the due ones whose slack has begun share their wake-up. One that has to wait for
// another in front of it, which has not, will share that one's.
template <class ClockT>
void BasicTimerService<ClockT>::collect_within_slack(Time now) {
  while (batch_.size() < timers_per_turn_) {
    const auto slot = queue_.first();
    if (!slot || queue_.was_set_this_turn(*slot)) return;
    const Duration latest = queue_.deadline(*slot);
    if (Time(latest) - slack_of(timers_.at(*slot)) > now) return;
    batch_.push_back(*queue_.pop_due(latest));
  }
}

template <class ClockT>
inline bool BasicTimerService<ClockT>::call(Entry& entry, const TickType& tick) {
  return reactor_.observed(
      [&] { return Observer::Call{.name = entry.name(), .late = tick.now - tick.scheduled}; },
      [&]() __attribute__((always_inline)) { return timers_.call_and_survive(entry, tick); });
}

// False when a callback destroyed the service.
template <class ClockT>
bool BasicTimerService<ClockT>::run_batch(Time now, std::size_t& called) {
  std::size_t count = called;
  while (next_in_batch_ < batch_.size()) {
    const std::uint32_t slot = batch_[next_in_batch_++];
    if (!queue_.claim(slot)) continue;  // cancelled or armed anew meanwhile
    Entry& entry = timers_.at(slot);
    if constexpr (kCanBeSet<ClockT>) {
      if (put_back(entry, now)) continue;
    }
    TickType tick = {.scheduled = Time(queue_.deadline(slot)), .now = now};
    if (entry.data.period != 0) begin_period(periods_[entry.data.period - 1], slot, tick);
    ++count;
    if (!call(entry, tick)) {
      called = count;
      return false;
    }
  }
  called = count;
  return true;
}

// A batch that a throw left over may not be due any more: the clock was set back since.
template <class ClockT>
bool BasicTimerService<ClockT>::put_back(Entry& entry, Time now) {
  const std::uint32_t slot = entry.id().slot;
  if (Time(queue_.deadline(slot)) - slack_of(entry) <= now) return false;
  queue_.add(slot, queue_.deadline(slot));
  return true;
}

// Arms a periodic timer again before the call, so that the callback finds the next tick in place
// and may change it.
template <class ClockT>
void BasicTimerService<ClockT>::begin_period(Period& period, std::uint32_t slot, TickType& tick) {
  tick.scheduled -= period.in_deadline;
  Duration missed = {};
  if (period.missed == Missed::coalesce) {
    const auto count = (tick.now - tick.scheduled) / period.length;
    tick.expirations += static_cast<std::uint64_t>(count);
    missed = period.length * count;
  }
  const Time next = latest(period, tick_after(period, tick.scheduled + missed));
  queue_.begin_turn(turns_);
  queue_.add(slot, next.time_since_epoch());
}

template <class ClockT>
void BasicTimerService<ClockT>::arm_for_the_next(Time now) {
  bool work_left = next_in_batch_ < batch_.size();
  bool needed_anyway = false;
  if constexpr (kCanBeSet<ClockT>) {
    work_left = work_left || wall_->changes.pending();
    needed_anyway = wall_->changes.has_listeners();
  }
  const std::optional<Duration> earliest = work_left ? Duration::zero() : queue_.earliest();
  armed_for_ = earliest ? Time(*earliest) : Time::max();
  if (!kCanBeSet<ClockT> && rings_on_ && has_passed(armed_for_, now)) {
    armed_for_ = kEpoch<Time>;
  } else if (armed_for_ == Time::max() && !needed_anyway) {
    alarm_->disarm();
  } else {
    set_alarm(armed_for_);
  }
}

// By now, when that was the time of the turn. A look at the clock is cheaper than arming the alarm,
// but for nothing when the deadline is far.
template <class ClockT>
bool BasicTimerService<ClockT>::has_passed(Time deadline, Time turn) const noexcept {
  return deadline <= saturating_add(turn, kNear) && deadline <= clock_now();
}

template class BasicTimerService<std::chrono::steady_clock>;
template class BasicTimer<std::chrono::steady_clock>;
template class BasicTimerService<BootClock>;
template class BasicTimer<BootClock>;
template class BasicTimerService<std::chrono::system_clock>;
template class BasicTimer<std::chrono::system_clock>;

}  // namespace detent
