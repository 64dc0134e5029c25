// SPDX-License-Identifier: BSL-1.0
#include "detent/timer_service.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace detent {
namespace {

// The instant that every clock has behind it, and the earliest deadline that we keep.
template <class Time>
constexpr Time kEpoch = Time(Duration::zero());

Duration checked_period(Duration period) {
  if (period <= Duration::zero()) throw std::invalid_argument("TimerService: period not positive");
  return period;
}

TimePoint read(const Clock& clock, std::chrono::steady_clock /*tag*/) { return clock.now(); }
constexpr ClockId id_of(std::chrono::steady_clock /*tag*/) { return ClockId::steady; }

}  // namespace

// ---- making and ending

template <class ClockT>
BasicTimerService<ClockT>::BasicTimerService(Reactor& reactor)
    : reactor_(reactor),
      alarm_(reactor.clock().make_alarm(id_of(ClockT{}))),
      alarm_watch_(reactor.watch(
          *alarm_, {.readable = true}, [this](Ready) { on_alarm(); }, "timer service")),
      line_(*this) {}

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
auto BasicTimerService<ClockT>::add(Function function, Name name) -> TimerType {
  line_.affinity().check("TimerService");
  return {line_, timers_.add(std::move(function), name)};
}

template <class ClockT>
auto BasicTimerService<ClockT>::add(Time deadline, Function function, Name name) -> TimerType {
  TimerType timer = add(std::move(function), name);
  arm(timer.id().slot, deadline);
  return timer;
}

template <class ClockT>
auto BasicTimerService<ClockT>::add(Periodic schedule, Function function, Name name) -> TimerType {
  const Duration period = checked_period(schedule.period);
  TimerType timer = add(std::move(function), name);
  give_period(timers_.at(timer.id().slot), {period, schedule.missed});
  arm(timer.id().slot, deadline_after(schedule.first.value_or(period)));
  return timer;
}

template <class ClockT>
void BasicTimerService<ClockT>::cancel(HandlerId id) noexcept {
  Entry* entry = timers_.find(id);
  if (entry == nullptr) return;
  queue_.remove(id.slot);
  take_period(*entry);
  const bool numbers_in_flight = in_run_ || next_in_batch_ < batch_.size();
  if (!numbers_in_flight) timers_.recycle();
  timers_.remove(id);  // the last use of *this: the captures may own this service
}

template <class ClockT>
bool BasicTimerService<ClockT>::active(HandlerId id) const noexcept {
  const Entry* entry = timers_.find(id);
  return entry != nullptr && (entry->data.due != 0 || queue_.contains(id.slot));
}

template <class ClockT>
void BasicTimerService<ClockT>::disarm(HandlerId id) {
  Entry& entry = entry_of(id, "Timer::disarm");
  entry.data.due = 0;
  queue_.remove(id.slot);
}

template <class ClockT>
void BasicTimerService<ClockT>::rearm(HandlerId id, Time deadline) {
  entry_of(id, "Timer::rearm").data.due = 0;
  arm(id.slot, deadline);
}

template <class ClockT>
void BasicTimerService<ClockT>::set_period(HandlerId id, Duration period) {
  Entry& entry = entry_of(id, "Timer::set_period");
  checked_period(period);
  const bool armed = active(id);
  const Time next = armed ? Time(queue_.deadline(id.slot)) : deadline_after(period);
  if (entry.data.period == 0) {
    give_period(entry, {period, Missed::coalesce});
    if (!armed) arm(id.slot, next);
    return;
  }
  const Duration old = std::exchange(periods_[entry.data.period - 1].length, period);
  entry.data.due = 0;
  arm(id.slot, armed ? saturating_add(next, period - old) : next);
}

template <class ClockT>
Duration BasicTimerService<ClockT>::remaining(HandlerId id) const noexcept {
  if (timers_.find(id) == nullptr || !queue_.contains(id.slot)) return Duration::zero();
  return std::max(Time(queue_.deadline(id.slot)) - clock_now(), Duration::zero());
}

template <class ClockT>
auto BasicTimerService<ClockT>::entry_of(HandlerId id, const char* call) -> Entry& {
  line_.affinity().check(call);
  Entry* entry = timers_.find(id);
  if (entry == nullptr) throw std::logic_error(std::string(call) + ": the timer was cancelled");
  return *entry;
}

template <class ClockT>
auto BasicTimerService<ClockT>::deadline_after(Duration delay) const noexcept -> Time {
  return saturating_add(clock_now(), std::max(delay, Duration::zero()));
}

template <class ClockT>
void BasicTimerService<ClockT>::arm(std::uint32_t slot, Time deadline) {
  deadline = std::max(deadline, kEpoch<Time>);
  if (const std::uint64_t turn = reactor_.counters().turns; turn != marked_turn_) {
    marked_turn_ = turn;
    mark_ = queue_.next_sequence();
  }
  if (queue_.contains(slot)) {
    queue_.set(slot, deadline.time_since_epoch());
  } else {
    queue_.add(slot, deadline.time_since_epoch());
  }
  if (in_run_ || deadline >= armed_for_) return;
  alarm_->arm(deadline);
  armed_for_ = deadline;
}

template <class ClockT>
void BasicTimerService<ClockT>::give_period(Entry& entry, Period period) {
  if (free_periods_.empty()) {
    periods_.push_back(period);
    free_periods_.reserve(periods_.capacity());  // so that take_period() cannot fail
    entry.data.period = static_cast<std::uint32_t>(periods_.size()) & 0x7fff'ffffU;
  } else {
    periods_[free_periods_.back()] = period;
    entry.data.period = (free_periods_.back() + 1) & 0x7fff'ffffU;
    free_periods_.pop_back();
  }
}

template <class ClockT>
void BasicTimerService<ClockT>::take_period(Entry& entry) noexcept {
  if (entry.data.period == 0) return;
  free_periods_.push_back(entry.data.period - 1);
  entry.data.period = 0;
}

// ---- expiry

// The alarm is never read: armed or disarmed after each wake-up, on a throw too, it goes quiet.
template <class ClockT>
void BasicTimerService<ClockT>::on_alarm() {
  reactor_.count_callbacks(0);
  const Time now = turn_now();
  const Lifespan::Guard alive(lifespan_);
  in_run_ = true;
  try {
    if (next_in_batch_ == batch_.size()) collect_due(now);
    run_batch(now, alive);
  } catch (...) {
    if (alive) arm_for_the_next();
    throw;
  }
  if (!alive) return;
  timers_.recycle();
  arm_for_the_next();
}

// A wake-up proves nothing, since kernels wake early too: the clock says what is due.
template <class ClockT>
void BasicTimerService<ClockT>::collect_due(Time now) {
  batch_.clear();
  next_in_batch_ = 0;
  armed_late_.clear();
  const bool armed_this_turn = marked_turn_ == reactor_.counters().turns;
  while (batch_.size() < reactor_.budgets().timers) {
    const auto slot = queue_.pop_due(now.time_since_epoch());
    if (!slot) break;
    if (armed_this_turn && queue_.sequence(*slot) >= mark_) {
      armed_late_.push_back(*slot);
      continue;
    }
    Entry& entry = timers_.at(*slot);
    entry.data.due = 1;
    batch_.push_back(entry.id());
  }
  for (const std::uint32_t slot : armed_late_) queue_.add(slot, queue_.deadline(slot));
}

template <class ClockT>
void BasicTimerService<ClockT>::run_batch(Time now, const Lifespan::Guard& alive) {
  while (alive && next_in_batch_ < batch_.size()) {
    const HandlerId id = batch_[next_in_batch_++];
    Entry* entry = timers_.find(id);
    if (entry == nullptr || entry->data.due == 0) continue;  // cancelled or re-armed meanwhile
    const TickType tick = begin_tick(*entry, id.slot, now);
    reactor_.count_callbacks(1);
    timers_.call(*entry, tick);
  }
}

// Arms a periodic timer again before the call, so that the callback finds the next tick in place
// and may change it.
template <class ClockT>
auto BasicTimerService<ClockT>::begin_tick(Entry& entry, std::uint32_t slot, Time now) -> TickType {
  entry.data.due = 0;
  TickType tick = {.scheduled = Time(queue_.deadline(slot)), .now = now};
  if (entry.data.period == 0) return tick;
  const Period period = periods_[entry.data.period - 1];
  Duration missed = {};
  if (period.missed == Missed::coalesce) {
    const auto count = (now - tick.scheduled) / period.length;
    tick.expirations += static_cast<std::uint64_t>(count);
    missed = period.length * count;
  }
  arm(slot, saturating_add(tick.scheduled + missed, period.length));
  return tick;
}

template <class ClockT>
void BasicTimerService<ClockT>::arm_for_the_next() {
  in_run_ = false;
  const bool batch_left = next_in_batch_ < batch_.size();
  const std::optional<Duration> earliest = batch_left ? Duration::zero() : queue_.earliest();
  armed_for_ = earliest ? Time(*earliest) : Time::max();
  if (armed_for_ == Time::max()) {
    alarm_->disarm();
  } else {
    alarm_->arm(armed_for_);
  }
}

template <class ClockT>
void BasicTimer<ClockT>::throw_empty(const char* call) {
  throw std::logic_error(std::string(call) + ": the timer was cancelled");
}

template class BasicTimerService<std::chrono::steady_clock>;
template class BasicTimer<std::chrono::steady_clock>;

}  // namespace detent
