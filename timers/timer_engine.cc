// SPDX-License-Identifier: BSL-1.0
#include "timer_engine.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace detent {
namespace {

// Every clock is past this instant. It is the earliest deadline that the queue gets.
constexpr Duration kEpoch = Duration::zero();

// A deadline this close to the time of the turn may have passed by the end of the turn.
constexpr Duration kNear = std::chrono::milliseconds(1);

std::size_t checked_budget(std::size_t timers) {
  if (timers == 0) throw std::invalid_argument("TimerService: timers_per_turn is 0");
  return timers;
}

}  // namespace

// ---- making and ending

TimerEngine::TimerEngine(Reactor& reactor, ClockId clock, std::size_t timers_per_turn)
    : UntypedTimers(reactor, "TimerService"),
      reactor_(reactor),
      turns_(reactor.counters().turns),
      clock_(reactor.clock(), clock),
      timers_per_turn_(checked_budget(timers_per_turn)),
      alarm_(reactor, clock_, *this) {
  if (clock_.can_be_set()) clock_changes_ = std::make_unique<ClockChanges>(reactor);
}

void TimerEngine::end() noexcept {
  close("~TimerService");
  alarm_.stop();
  if (clock_changes_) clock_changes_->clear();
  callbacks_.clear();
}

// ---- arming

void TimerEngine::start(std::uint32_t slot, Duration deadline) {
  deadline = std::max(deadline, kEpoch);
  queue_.begin_turn(turns_);
  if (deadline < alarm_.armed_for()) [[unlikely]]
    arm_alarm(deadline);
  queue_.add(slot, deadline);
}

void TimerEngine::start(std::uint32_t slot, const Periodic& schedule) {
  constexpr const char* kCall = "TimerService::every";
  PeriodTable::Number& number = callbacks_.at(slot).data.period;
  number = periods_.add({.length = checked_period(schedule.period, kCall),
                         .slack = checked_slack(schedule.slack, kCall),
                         .missed = schedule.missed});
  Period& period = periods_.at(number);
  const Duration tick = schedule.first
                            ? deadline_after(*schedule.first)
                            : periods_.tick_after(period, deadline_after(Duration::zero()));
  start(slot, PeriodTable::deadline_of(period, tick));
}

void TimerEngine::set_period(HandlerId id, Duration length) {
  affinity().check("Timer::set_period");
  checked_period(length, "Timer::set_period");
  PeriodTable::Number& number = callbacks_.at(id.slot).data.period;
  const bool is_armed = active(id);
  const bool was_periodic = number != 0;
  if (!was_periodic) number = periods_.add({.length = length});
  if (is_armed && !was_periodic) return;  // keeps its deadline
  Period& period = periods_.at(number);
  const Duration last =
      is_armed ? queue_.deadline(id.slot) - period.slack_in_deadline - period.length_in_tick
               : deadline_after(Duration::zero());
  period.length = length;
  arm(id.slot, PeriodTable::deadline_of(period, periods_.tick_after(period, last)));
}

void TimerEngine::disarm(HandlerId id) {
  affinity().check("Timer::disarm");
  queue_.remove(id.slot);
}

Duration TimerEngine::remaining(HandlerId id) noexcept {
  affinity().check_or_terminate("Timer::remaining");
  if (!queue_.contains(id.slot)) return Duration::zero();
  const Duration slack = periods_.slack_in_deadline(callbacks_.at(id.slot).data.period);
  const Duration tick = queue_.deadline(id.slot) - slack;
  return std::max(saturating_subtract(tick, clock_now()), Duration::zero());
}

void TimerEngine::cancel(HandlerId id) noexcept {
  Entry* entry = callbacks_.find(id);
  if (entry == nullptr) return;
  queue_.remove(id.slot);
  periods_.remove(std::exchange(entry->data.period, 0));
  callbacks_.recycle();
  callbacks_.remove(*entry);  // the last use of *this: the captures may own this service
}

bool TimerEngine::active(HandlerId id) const noexcept {
  return queue_.contains(id.slot) || queue_.popped(id.slot);
}

void TimerEngine::arm_anywhere(std::uint32_t slot, Duration deadline) {
  if (!queue_.contains(slot)) return start(slot, deadline);
  deadline = std::max(deadline, kEpoch);
  queue_.set(slot, deadline);
  if (deadline < alarm_.armed_for()) arm_alarm(deadline);
}

// ---- a clock that is set

// A listener needs the alarm even if no timer does.
Handle TimerEngine::on_clock_change(Callback<void(const ClockChange&)> on_change, Name name) {
  constexpr const char* kCall = "WallTimerService::on_clock_change";
  if (!on_change) fail_empty(kCall);
  if (refuses(kCall)) {
    drop_any(std::move(on_change));
    return {};
  }
  Handle handle = clock_changes_->add(std::move(on_change), name);
  if (alarm_.armed_for() != AlarmKeeper::kAtOnce) {
    arm_alarm(clock_changes_->pending() ? AlarmKeeper::kAtOnce : alarm_.armed_for());
  }
  return handle;
}

// Arming the alarm clears its news that the clock was set. So the clocks are compared afterwards,
// when somebody wants to hear of that. The alarm tells what happens later still.
void TimerEngine::arm_alarm(Duration deadline) {
  alarm_.arm(deadline);
  if (!clock_changes_ || !clock_changes_->has_listeners()) return;
  if (clock_changes_->detect()) alarm_.arm(AlarmKeeper::kAtOnce);
}

// The listeners hear of a change before the timers that it has made due. False when a listener
// destroyed the service.
bool TimerEngine::tell_clock_changes(Duration armed_for, std::size_t& called) {
  const bool was_set = clock_changes_->detect() || clock_changes_->pending();
  if (!was_set && clock_now() < armed_for) alarm_.count_false_ring();
  return clock_changes_->tell(called);
}

// ---- expiry

std::size_t TimerEngine::on_ring(Duration armed_for) {
  std::size_t called = 0;
  if (clock_changes_ && !tell_clock_changes(armed_for, called)) return called;
  const Duration now = turn_now();
  bool some_were_due = false;
  const bool is_left_over = next_in_batch_ != batch_.size();  // a part, by a callback that threw
  if (!is_left_over) {
    some_were_due = collect_due(now);
  } else if (clock_changes_) {
    put_back_what_is_not_due(now);
  }
  if (!run_batch(now, called)) return called;
  callbacks_.recycle();
  arm_for_the_next(now, some_were_due);
  return called;
}

// Returns whether a timer was due. One that is called within its slack is not due yet.
bool TimerEngine::collect_due(Duration now) {
  batch_.clear();
  next_in_batch_ = 0;
  set_this_turn_.clear();
  queue_.begin_turn(turns_);
  const bool some_are_new = queue_.were_some_set_this_turn();
  std::size_t room = timers_per_turn_;
  while (room > 0) {
    const auto slot = queue_.pop_due(now);
    if (!slot) break;
    if (some_are_new && queue_.was_set_this_turn(*slot)) {
      set_this_turn_.push_back(*slot);
      continue;
    }
    callbacks_.prefetch(*slot);
    batch_.push_back(*slot);
    --room;
  }
  for (const std::uint32_t slot : set_this_turn_) queue_.add(slot, queue_.deadline(slot));
  const bool some_are_due = !batch_.empty();
  if (periods_.had_uncommon()) collect_within_slack(now);
  return some_are_due;
}

// The timers behind the due ones share their wake-up, if their slack has begun. A timer may stand
// behind another one whose slack has not begun. Then it shares that one's wake-up.
void TimerEngine::collect_within_slack(Duration now) {
  while (batch_.size() < timers_per_turn_) {
    const auto slot = queue_.first();
    if (!slot || queue_.was_set_this_turn(*slot)) return;
    const Duration deadline = queue_.deadline(*slot);
    if (deadline - periods_.slack_in_deadline(callbacks_.at(*slot).data.period) > now) return;
    batch_.push_back(*queue_.pop_due(deadline));
  }
}

// False when a callback destroyed the service.
bool TimerEngine::run_batch(Duration now, std::size_t& called) {
  std::size_t count = called;
  while (next_in_batch_ < batch_.size()) {
    const std::uint32_t slot = batch_[next_in_batch_++];
    if (!queue_.claim(slot)) continue;  // cancelled, armed anew or put back meanwhile
    Entry& entry = callbacks_.at(slot);
    UntypedTick tick = {.scheduled = queue_.deadline(slot), .now = now};
    if (entry.data.period != 0) begin_period(periods_.at(entry.data.period), slot, tick);
    ++count;
    if (!call(entry, tick)) {
      called = count;
      return false;
    }
  }
  called = count;
  return true;
}

// The clock may have been set back since a callback threw and left a part of the batch over. Then a
// timer of that part may not be due any more.
void TimerEngine::put_back_what_is_not_due(Duration now) {
  for (std::size_t i = next_in_batch_; i < batch_.size(); ++i) {
    const std::uint32_t slot = batch_[i];
    if (!queue_.popped(slot)) continue;
    const Duration deadline = queue_.deadline(slot);
    const Duration slack = periods_.slack_in_deadline(callbacks_.at(slot).data.period);
    if (deadline - slack > now) queue_.add(slot, deadline);
  }
}

// Arms a periodic timer again before the call, so that the callback finds the next tick in place
// and may change it.
inline void TimerEngine::begin_period(Period& period, std::uint32_t slot, UntypedTick& tick) {
  tick.scheduled -= period.slack_in_deadline;
  Duration missed = {};
  if (period.missed == Missed::coalesce) {
    const auto count = (tick.now - tick.scheduled) / period.length;
    tick.expirations += static_cast<std::uint64_t>(count);
    missed = period.length * count;
  }
  const Duration next = periods_.tick_after(period, tick.scheduled + missed);
  queue_.begin_turn(turns_);
  queue_.add(slot, PeriodTable::deadline_of(period, next));
}

inline bool TimerEngine::call(Entry& entry, const UntypedTick& tick) {
  return reactor_.observed(
      [&] { return Observer::Call{.name = entry.name(), .late = tick.now - tick.scheduled}; },
      [&]() __attribute__((always_inline)) { return callbacks_.call_and_survive(entry, tick); });
}

// When a timer was due, the alarm is readable until it is armed anew. A clock that can be set may
// be set back, and make the deadline one of the future again: then the alarm is always armed.
inline void TimerEngine::arm_for_the_next(Duration now, bool some_were_due) {
  Duration next = queue_.earliest().value_or(AlarmKeeper::kNever);
  if (clock_changes_ && clock_changes_->pending()) next = AlarmKeeper::kAtOnce;
  const bool is_heard = clock_changes_ && clock_changes_->has_listeners();
  if (next == AlarmKeeper::kNever && !is_heard) {
    alarm_.disarm();
  } else if (some_were_due && !clock_changes_ && has_passed(next, now)) {
    alarm_.leave_readable();
  } else {
    arm_alarm(next);
  }
}

// Whether the deadline has passed by now, in a turn whose time was `turn`. Reading the clock is
// cheaper than arming the alarm, but useless when the deadline is far.
bool TimerEngine::has_passed(Duration deadline, Duration turn) const noexcept {
  return deadline <= saturating_add(turn, kNear) && deadline <= clock_now();
}

Duration TimerEngine::turn_now() const {
  return clock_.is_steady() ? reactor_.now().time_since_epoch() : clock_now();
}

}  // namespace detent
