// SPDX-License-Identifier: BSL-1.0
#include "detent/timer_service.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "clock_changes.h"
#include "looking_alarm.h"

namespace detent {
namespace {

// The instant that every clock has behind it, and the earliest deadline that we keep.
template <class Time>
constexpr Time kEpoch = Time(Duration::zero());

// Deadlines this close to the time of the turn may have passed by its end.
constexpr Duration kNear = std::chrono::milliseconds(1);

Duration checked_period(Duration period) {
  if (period <= Duration::zero()) throw std::invalid_argument("TimerService: period not positive");
  return period;
}

// Only a clock that can be set asks for more than its alarm.
template <class ClockT>
constexpr bool kCanBeSet = !ClockT::is_steady;

Duration checked_slack(Duration slack) {
  if (slack < Duration::zero()) throw std::invalid_argument("TimerService: negative slack");
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
BasicTimerService<ClockT>::BasicTimerService(Reactor& reactor)
    : reactor_(reactor),
      alarm_(reactor.clock().make_alarm(id_of(ClockT{}))),
      alarm_watch_(reactor.watch(
          *alarm_, {.readable = true}, [this](Ready) { on_alarm(); }, "timer service")),
      turns_(reactor.counters().turns),
      line_(*this) {
  if constexpr (kCanBeSet<ClockT>) wall_ = std::make_unique<WallSide>(reactor);
}

template <class ClockT>
BasicTimerService<ClockT>::~BasicTimerService() {
  line_.affinity().check_or_terminate("~TimerService");
  line_.cut();
}

template <class ClockT>
auto BasicTimerService<ClockT>::clock_now() const noexcept -> Time {
  return read(reactor_.clock(), ClockT{});
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
  mark_turn();
  if (!in_run_ && deadline < armed_for_) [[unlikely]]
    set_alarm(deadline);
  queue_.add(slot, deadline.time_since_epoch());
}

template <class ClockT>
void BasicTimerService<ClockT>::start(std::uint32_t slot, const Periodic& schedule) {
  const Period period = {.length = checked_period(schedule.period),
                         .slack = checked_slack(schedule.slack),
                         .missed = schedule.missed};
  give_period(timers_.at(slot), period);
  start(slot, saturating_add(deadline_after(schedule.first.value_or(period.length)), period.slack));
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
  line_.affinity().check("Timer::disarm");
  queue_.remove(id.slot);
}

// A handle that asks for something is registered: only cancelling ends that, and empties the
// handle. So nothing has to be looked up in the entry, which would be one more cache line.
template <class ClockT>
void BasicTimerService<ClockT>::rearm(HandlerId id, Time deadline) {
  line_.affinity().check("Timer::rearm");
  if (has_slack_) [[unlikely]]
    deadline = saturating_add(std::max(deadline, kEpoch<Time>), slack_of(timers_.at(id.slot)));
  arm(id.slot, deadline);
}

template <class ClockT>
void BasicTimerService<ClockT>::set_period(HandlerId id, Duration period) {
  line_.affinity().check("Timer::set_period");
  checked_period(period);
  Entry& entry = timers_.at(id.slot);
  const bool armed = active(id);
  const Time next = armed ? Time(queue_.deadline(id.slot))
                          : saturating_add(deadline_after(period), slack_of(entry));
  if (entry.data.period == 0) {
    give_period(entry, {.length = period});
    if (!armed) arm(id.slot, next);
    return;
  }
  const Duration old = std::exchange(periods_[entry.data.period - 1].length, period);
  arm(id.slot, armed ? saturating_add(next, period - old) : next);
}

template <class ClockT>
Duration BasicTimerService<ClockT>::remaining(HandlerId id) noexcept {
  line_.affinity().check_or_terminate("Timer::remaining");
  if (!queue_.contains(id.slot)) return Duration::zero();
  const Time deadline = Time(queue_.deadline(id.slot)) - slack_of(timers_.at(id.slot));
  return std::max(deadline - clock_now(), Duration::zero());
}

template <class ClockT>
void BasicTimerService<ClockT>::fail_cancelled(const char* call) {
  throw std::logic_error(std::string(call) + ": the timer was cancelled");
}

template <class ClockT>
auto BasicTimerService<ClockT>::deadline_after(Duration delay) const noexcept -> Time {
  return saturating_add(clock_now(), std::max(delay, Duration::zero()));
}

template <class ClockT>
inline void BasicTimerService<ClockT>::arm(std::uint32_t slot, Time deadline) {
  mark_turn();
  const bool is_first = deadline < armed_for_;  // also each one before kEpoch
  if (is_first || !queue_.try_set(slot, deadline.time_since_epoch())) arm_anywhere(slot, deadline);
}

template <class ClockT>
void BasicTimerService<ClockT>::arm_anywhere(std::uint32_t slot, Time deadline) {
  if (!queue_.contains(slot)) return start(slot, deadline);
  deadline = std::max(deadline, kEpoch<Time>);
  queue_.set(slot, deadline.time_since_epoch());
  if (!in_run_ && deadline < armed_for_) set_alarm(deadline);
}

// Arming takes back the news that the clock was set, if the alarm had them already. So whoever is
// to be told of that looks afterwards: what comes later still, the alarm tells.
template <class ClockT>
void BasicTimerService<ClockT>::set_alarm(Time deadline) {
  alarm_->arm(deadline);
  armed_for_ = deadline;
  if constexpr (kCanBeSet<ClockT>) {
    if (!wall_->changes.has_listeners() || !wall_->changes.look()) return;
    alarm_->arm(kEpoch<Time>);
    armed_for_ = kEpoch<Time>;
  }
}

template <class ClockT>
void BasicTimerService<ClockT>::give_period(Entry& entry, Period period) {
  has_slack_ = has_slack_ || period.slack > Duration::zero();
  if (free_periods_.empty()) {
    periods_.push_back(period);
    free_periods_.reserve(periods_.capacity());  // so that take_period() cannot fail
    entry.data.period = static_cast<std::uint32_t>(periods_.size());
  } else {
    periods_[free_periods_.back()] = period;
    entry.data.period = free_periods_.back() + 1;
    free_periods_.pop_back();
  }
}

template <class ClockT>
void BasicTimerService<ClockT>::take_period(Entry& entry) noexcept {
  if (entry.data.period == 0) return;
  free_periods_.push_back(entry.data.period - 1);
  entry.data.period = 0;
}

template <class ClockT>
Duration BasicTimerService<ClockT>::slack_of(const Entry& entry) const noexcept {
  return entry.data.period == 0 ? Duration::zero() : periods_[entry.data.period - 1].slack;
}

// ---- a clock that is set

// Somebody who listens needs the alarm, even if no timer does.
template <class ClockT>
Handle BasicTimerService<ClockT>::on_clock_change(
    Callback<void(const ClockChange&)> on_change,
    Name name) requires std::is_same_v<ClockT, std::chrono::system_clock> {
  line_.affinity().check("WallTimerService::on_clock_change");
  Handle handle = wall_->changes.add(std::move(on_change), name);
  if (!in_run_) set_alarm(wall_->changes.pending() ? kEpoch<Time> : armed_for_);
  return handle;
}

// Rings too when nothing is due. Those who listen hear of a change before the timers that it has
// made due are called.
template <class ClockT>
void BasicTimerService<ClockT>::follow_wall_clock() {
  ClockChanges& changes = wall_->changes;
  const bool for_nothing = !changes.look() && !changes.pending() && clock_now() < armed_for_;
  if (for_nothing && wall_->false_rings.too_many(reactor_.clock().now())) give_up_alarm();
  changes.tell();  // the last statement: the service may be gone
}

// A kernel may report for ever that the clock was set. What it would tell rightly, the service then
// looks for itself.
template <class ClockT>
void BasicTimerService<ClockT>::give_up_alarm() {
  std::unique_ptr<Alarm> alarm = make_looking_alarm(reactor_.clock());
  alarm_watch_ = reactor_.watch(
      *alarm, {.readable = true}, [this](Ready) { on_alarm(); }, "timer service");
  alarm_ = std::move(alarm);
}

// ---- expiry

// The alarm is never read: armed or disarmed after each wake-up, on a throw too, it goes quiet. And
// left alone it rings on, which calls us in the next turn for what is due by now: to arm it for an
// instant that has passed would take a call and, in the kernel, an interrupt.
template <class ClockT>
void BasicTimerService<ClockT>::on_alarm() {
  reactor_.count_callbacks(0);
  const Lifespan::Guard alive(lifespan_);
  in_run_ = true;
  rings_on_ = false;
  Time now = {};
  try {
    if constexpr (kCanBeSet<ClockT>) {
      follow_wall_clock();
      if (!alive) return;
    }
    now = turn_now();
    if (next_in_batch_ == batch_.size()) collect_due(now);
    run_batch(now);
  } catch (...) {
    if (alive) arm_for_the_next(now);
    throw;
  }
  if (!alive) return;
  timers_.recycle();
  arm_for_the_next(now);
}

// A wake-up proves nothing, since kernels wake early too: the clock says what is due.
template <class ClockT>
void BasicTimerService<ClockT>::collect_due(Time now) {
  batch_.clear();
  next_in_batch_ = 0;
  armed_late_.clear();
  const bool armed_this_turn = marked_turn_ == turns_;
  std::size_t room = reactor_.budgets().timers;
  while (room > 0) {
    const auto slot = queue_.pop_due(now.time_since_epoch());
    if (!slot) break;
    if (armed_this_turn && queue_.sequence(*slot) >= mark_) {
      armed_late_.push_back(*slot);
      continue;
    }
    timers_.prefetch(*slot);
    batch_.push_back(*slot);
    --room;
  }
  for (const std::uint32_t slot : armed_late_) queue_.add(slot, queue_.deadline(slot));
  rings_on_ = !batch_.empty();  // those within their slack prove nothing: their alarm is later
  if (has_slack_) collect_within_slack(now);
}

// Those behind the due ones whose slack has begun share their wake-up. One that has to wait for
// another in front of it, which has not, will share that one's.
template <class ClockT>
void BasicTimerService<ClockT>::collect_within_slack(Time now) {
  const bool armed_this_turn = marked_turn_ == turns_;
  while (batch_.size() < reactor_.budgets().timers) {
    const auto slot = queue_.first();
    if (!slot || (armed_this_turn && queue_.sequence(*slot) >= mark_)) return;
    const Duration latest = queue_.deadline(*slot);
    if (Time(latest) - slack_of(timers_.at(*slot)) > now) return;
    batch_.push_back(*queue_.pop_due(latest));
  }
}

template <class ClockT>
void BasicTimerService<ClockT>::run_batch(Time now) {
  const Lifespan::Guard alive(lifespan_);
  struct Count {  // on a throw too
    Reactor& reactor;
    std::size_t called = 0;
    ~Count() { reactor.count_callbacks(called); }
  } count = {reactor_};
  while (alive && next_in_batch_ < batch_.size()) {
    const std::uint32_t slot = batch_[next_in_batch_++];
    if (!queue_.claim(slot)) continue;  // cancelled or armed anew meanwhile
    Entry& entry = timers_.at(slot);
    if constexpr (kCanBeSet<ClockT>) {
      if (put_back(entry, now)) continue;
    }
    TickType tick = {.scheduled = Time(queue_.deadline(slot)), .now = now};
    if (entry.data.period != 0) begin_period(periods_[entry.data.period - 1], slot, tick);
    ++count.called;
    timers_.call(entry, tick);
  }
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
void BasicTimerService<ClockT>::begin_period(const Period& period, std::uint32_t slot,
                                             TickType& tick) {
  tick.scheduled -= period.slack;
  Duration missed = {};
  if (period.missed == Missed::coalesce) {
    const auto count = (tick.now - tick.scheduled) / period.length;
    tick.expirations += static_cast<std::uint64_t>(count);
    missed = period.length * count;
  }
  const Time next =
      saturating_add(saturating_add(tick.scheduled + missed, period.length), period.slack);
  mark_turn();
  queue_.add(slot, next.time_since_epoch());
}

template <class ClockT>
void BasicTimerService<ClockT>::arm_for_the_next(Time now) {
  in_run_ = false;
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
