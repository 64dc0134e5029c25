// SPDX-License-Identifier: BSL-1.0
// One turn of the loop.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

#include "reactor_state.h"

namespace detent {
namespace {

// Collecting takes cache lines from the threads that post, and they wait to get them back. So after
// a collection that found a flood, lets more posts gather before the next.
constexpr std::size_t kFlood = 32;
constexpr Duration kGathering = std::chrono::microseconds(4);
constexpr int kMostReads = 1000;  // of a clock that may stand still, as a virtual one does

// The Name of posted functions, since post() takes none.
constexpr Name kPosted("posted function", "", 0);

Observer::Call describe(const Watches::Entry& entry, Ready ready) {
  return {.name = entry.name(), .fd = entry.data.fd, .ready = ready};
}

}  // namespace

// Forced inline: one caller each, on the hot path.

// ---- one event

// The last statement is the call: the entry may be gone after it.
[[gnu::always_inline]] inline void Reactor::State::dispatch(const Event& event) {
  Watches::Entry* entry = watches.find(event.id);
  const bool plain =
      entry != nullptr && entry->data.concerning.readable && event.ready == observers.plain();
  if (!plain) [[unlikely]]
    return dispatch_other(entry, event);
  ++counters.callbacks;
  watches.call(*entry, event.ready);
}

void Reactor::State::dispatch_other(Watches::Entry* entry, const Event& event) {
  if (entry == nullptr) return handle_unknown_id(event);
  const Ready ready = event.ready & entry->data.concerning;
  if (ready == Ready{}) return;  // the interest has changed since
  if (ready.invalid) return call_ended(*entry, ready);
  // A hang-up never ends, so one that was not asked for would be reported for ever.
  if (!requested(ready)) poller->modify(entry->data.fd, {}, event.id);
  ++counters.callbacks;
  call_other(*entry, ready);
}

void Reactor::State::call_other(Watches::Entry& entry, Ready ready) {
  if (entry.data.is_source) return watches.call(entry, ready);
  reactor.observed([&] { return describe(entry, ready); }, [&] { watches.call(entry, ready); });
}

// ---- one turn

inline void Reactor::State::begin_turn() {
  ++counters.turns;
  phase = Phase::begun;
  before_wait.for_each([](auto& hook) { hook(); });
}

inline void Reactor::State::wait(std::optional<Duration> max_wait) {
  if (has_events()) {  // carried over; more would come on top of them
    waited_in_full = false;
    return;
  }
  const bool may_sleep = max_wait != Duration::zero() && !has_functions() && mailbox->may_sleep();
  if (!may_sleep && flooded) [[unlikely]]
    let_posts_gather(max_wait);
  next_event = 0;
  events = {};  // in case it throws
  const std::optional<Duration> most = may_sleep ? max_wait : Duration::zero();
  if (observers.any()) [[unlikely]]
    wait_observed(most);
  else
    events = poller->wait(room, most);
  mark_ended();
  mailbox->awake();
  has_now = false;
  waited_in_full = may_sleep && events.empty();
}

// Leaves the posts in the mailbox when the budget of this turn is used up: fewer moves and locks.
[[gnu::noinline]] void Reactor::State::collect_posts() {
  const std::size_t before = posted.size();
  if (before >= budgets.functions) return;
  const bool begun_elsewhere = mailbox->collect(posted);
  if (!gather_posts) return;
  flooded = begun_elsewhere && posted.size() - before >= kFlood;
  if (flooded) next_collect = clock.now() + kGathering;
}

// For a wait that would sleep if there were no posts. In its loop it reads nothing that other
// threads write to, since that would take the cache line from them.
[[gnu::noinline]] void Reactor::State::let_posts_gather(std::optional<Duration> max_wait) const {
  if (max_wait == Duration::zero() || has_functions() || !mailbox->has_posts()) return;
  for (int reads = 0; reads < kMostReads && clock.now() < next_collect; ++reads) {
  }
}

[[gnu::always_inline]] inline void Reactor::State::run_posted(Callback<void()>& function) {
  if (!function) [[unlikely]]
    return run_put_off();
  ++counters.callbacks;
  if (observers.any()) [[unlikely]]
    return run_observed(function);
  try {
    function();
  } catch (...) {
    last_thrower = kPosted;
    throw;
  }
  check_not_destroyed();
}

[[gnu::noinline]] void Reactor::State::run_posts() {
  posted.run(budgets.functions, [this](Callback<void()>& function) { run_posted(function); });
}

[[gnu::noinline]] void Reactor::State::run_deferred() {
  deferred.run(budgets.functions,
               [this](Functions::Entry& entry) { run_function(deferred, entry); });
}

// Continues from `phase`. A phase counts as reached before its callbacks run. So a callback that
// always throws does not keep others waiting.
[[gnu::always_inline]] inline void Reactor::State::complete_turn(std::optional<Duration> max_wait) {
  if (phase == Phase::begun) {
    wait(max_wait);
    phase = Phase::waited;
    after_wait.for_each([](auto& hook) { hook(); });
  }
  if (phase == Phase::waited) {
    phase = Phase::collected;
    if (mailbox->has_posts()) collect_posts();
  }
  if (!posted.empty()) run_posts();
  for (const std::size_t end = events.size(); next_event < end;) dispatch(events[next_event++]);
  if (has_late_work) [[unlikely]]
    do_late_work();
  phase = Phase::idle;
  if (!deferred.empty()) run_deferred();
  watches.recycle();
  if (!retired.empty()) [[unlikely]]
    retired.destroy();
}

[[gnu::always_inline]] inline void Reactor::State::go_on(std::optional<Duration> max_wait) {
  if (phase != Phase::idle && !std::exchange(prepared, false)) [[unlikely]] {
    finish_interrupted_turn();
    max_wait = Duration::zero();
  }
  if (phase == Phase::idle) begin_turn();
  complete_turn(max_wait);
}

// For an embedder: applies the changes. The rest of the turn gets what the wait finds.
void Reactor::State::prepare_turn() {
  if (phase == Phase::idle) begin_turn();
  if (phase == Phase::begun) wait(Duration::zero());
  prepared = phase == Phase::begun;
}

// Finishes a turn that an exception ended.
[[gnu::noinline]] void Reactor::State::finish_interrupted_turn() {
  complete_turn(Duration::zero());
}

void Reactor::State::turn(std::optional<Duration> max_wait) {
  if (observers.any()) [[unlikely]]
    return turn_observed(max_wait);
  guarded([&] { go_on(max_wait); });
}

// ---- slow paths

// Marks the whole batch before any callback. The numbers are free again, and a callback may use
// one. It may also destroy a watch that has ended, which the poller must not remove then.
void Reactor::State::mark_ended() noexcept {
  for (const Event& event : events) {
    if (!event.ready.invalid) [[likely]]
      continue;
    if (Watches::Entry* entry = watches.find(event.id)) entry->data.ended = true;
  }
}

[[gnu::noinline]] void Reactor::State::handle_unknown_id(const Event& event) {
  if (event.id == kWakeupId) {
    mailbox->wakeup().heard(*poller, kWakeupId, event.ready);
  } else {
    ++counters.stale_events;
  }
}

void Reactor::State::call_ended(Watches::Entry& entry, Ready ready) {
  ++counters.callbacks;
  reactor.observed([&] { return describe(entry, ready); },
                   [&] { watches.call_last(entry, ready); });
}

// Runs the first put-off function in the place of an empty posted one. If it is too early, takes a
// place in the next turn.
void Reactor::State::run_put_off() {
  if (put_off.earliest() > counters.turns) {
    mailbox->post(nullptr);
  } else {
    put_off.run(1, [this](Functions::Entry& entry) { run_function(put_off, entry); });
  }
}

void Reactor::State::run_function(Functions& functions, Functions::Entry& entry) {
  ++counters.callbacks;
  reactor.observed([&] { return Observer::Call{.name = entry.name()}; },
                   [&] { functions.call(entry); });
  check_not_destroyed();
}

// ---- sources

void Reactor::add_callbacks(std::size_t more) noexcept { state_->counters.callbacks += more; }

// Runs in a catch block, within the call of the source.
void Reactor::call_source_again(Ready ready) {
  State& state = *state_;
  if (last_thrower.text != nullptr) state.source_thrower = last_thrower;
  const bool is_of_this_turn = state.called_again == HandlerId{};
  const HandlerId id = is_of_this_turn ? state.events[state.next_event - 1].id : state.called_again;
  state.again.push_back({{.id = id, .ready = ready}, state.counters.turns});
  state.has_late_work = true;
}

// Calls sources again that threw in an earlier turn, unless they have a new event in this one. (The
// turn in which they threw goes on after the exception.)
void Reactor::State::do_late_work() {
  check_not_destroyed();
  struct Forget {
    HandlerId& id;
    ~Forget() { id = {}; }
  } const forget = {called_again};
  while (!again.empty() && again.front().thrown_in < counters.turns) {
    const Event event = again.front().event;
    again.erase(again.begin());
    const auto is_same = [&event](const Event& other) { return other.id == event.id; };
    if (std::any_of(events.begin(), events.end(), is_same)) continue;
    Watches::Entry* entry = watches.find(event.id);
    if (entry == nullptr || entry->data.ended) continue;
    called_again = event.id;
    dispatch_other(entry, event);
    check_not_destroyed();
  }
  has_late_work = !again.empty();
}

// ---- observed

void Reactor::State::run_observed(Callback<void()>& function) {
  const Observed around(reactor, {.name = kPosted});
  try {
    function();
  } catch (...) {
    last_thrower = kPosted;
    throw;
  }
  check_not_destroyed();
}

void Reactor::State::wait_observed(std::optional<Duration> max_wait) {
  const TimePoint before = clock.now();
  events = poller->wait(room, max_wait);
  waited += clock.now() - before;
}

void Reactor::State::turn_observed(std::optional<Duration> max_wait) {
  struct Told {  // on a throw too
    State& state;
    TimePoint begin;
    ~Told() { state.observers.turn(state.waited, state.clock.now() - begin - state.waited); }
  } const told = {*this, clock.now()};
  waited = {};
  guarded([&] { go_on(max_wait); });
}

}  // namespace detent
