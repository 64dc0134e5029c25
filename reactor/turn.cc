// SPDX-License-Identifier: BSL-1.0
// One turn of the loop, and who calls for one.
#include <chrono>

#include "reactor_state.h"

namespace detent {
namespace {

// A callback that in so many looks running was found to be called in every turn, which makes 992
// turns, is probed in the next few: if none of them changed anything that its descriptor is ready
// for, it spins.
constexpr std::uint8_t kLooks = 8;
constexpr std::uint8_t kProbes = 8;

// To collect takes cache lines from the threads that post meanwhile, and they wait until they have
// them back. So after a collection that found a flood, more may gather before the next.
constexpr std::size_t kFlood = 32;
constexpr Duration kGathering = std::chrono::microseconds(4);
constexpr int kMostReads = 1000;  // of a clock that may stand still, as a virtual one does

}  // namespace

// What is inlined by force has one caller and is on the way of every event.

// ---- one event

inline void Reactor::State::call(Watches::Entry& entry, Ready ready) {
  ++counters.callbacks;
  counted_by_source = false;
  if (--entry.data.calls_before_look == 0) [[unlikely]]
    return look_at(entry, ready);
  watches.call(entry, ready);  // the last statement: the entry may be gone
}

[[gnu::always_inline]] inline void Reactor::State::dispatch(const Event& event) {
  Watches::Entry* entry = watches.find(event.id);
  const bool plain =
      entry != nullptr && entry->data.concerning.readable && event.ready == Ready{.readable = true};
  if (!plain) [[unlikely]]
    return dispatch_other(entry, event);
  call(*entry, event.ready);
}

void Reactor::State::dispatch_other(Watches::Entry* entry, const Event& event) {
  if (entry == nullptr) return reach_nobody(event);
  const Ready ready = event.ready & entry->data.concerning;
  if (ready == Ready{}) return;  // the interest has changed since
  if (ready.invalid) return call_ended(*entry, ready);
  // Nobody can make a hang-up go away, so one that was not asked for would be told for ever.
  if (!requested(ready)) poller->modify(entry->data.fd, {}, event.id);
  call(*entry, ready);
}

// ---- one turn

inline void Reactor::State::begin_turn() {
  ++counters.turns;
  phase = Phase::begun;
  before_wait.for_each([](auto& hook) { hook(); });
}

inline void Reactor::State::wait(std::optional<Duration> max_wait) {
  if (has_events()) return;  // carried over; more would come on top of them
  const bool may_sleep = max_wait != Duration::zero() && !has_functions() && mailbox->may_sleep();
  if (!may_sleep && flooded) [[unlikely]]
    let_posts_gather(max_wait);
  next_event = 0;
  events.clear();
  struct MarkEnded {  // on a throw too: what the poller has ended it does not know any more
    State& state;
    ~MarkEnded() { state.mark_ended(); }
  } const mark_ended = {*this};
  poller->wait(events, may_sleep ? max_wait : Duration::zero());
  mailbox->awake();
  now.reset();
  waited_in_full = may_sleep && events.empty();
}

// What would go beyond the budget of this turn is left where it is: fewer moves, and fewer locks.
[[gnu::noinline]] void Reactor::State::collect_posts() {
  const std::size_t before = posted.size();
  if (before >= budgets.posted) return;
  const bool begun_elsewhere = mailbox->collect(posted);
  flooded = begun_elsewhere && posted.size() - before >= kFlood;
  if (flooded) next_collect = clock.now() + kGathering;
}

// For a wait that would be a sleep, were it not for more posts. Looks at nothing then that other
// threads write to: that would take it from them.
[[gnu::noinline]] void Reactor::State::let_posts_gather(std::optional<Duration> max_wait) const {
  if (max_wait == Duration::zero() || has_functions() || !mailbox->has_posts()) return;
  for (int reads = 0; reads < kMostReads && clock.now() < next_collect; ++reads) {
  }
}

// Goes on from the phase that was reached. A phase counts as reached before anybody is called, so
// that a callback that always throws keeps nobody else waiting.
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
  posted.run(budgets.posted, counters.callbacks);
  for (const std::size_t end = events.size(); next_event < end;) dispatch(events[next_event++]);
  phase = Phase::idle;
  deferred.run(budgets.posted, counters.callbacks);
  watches.recycle();
}

// A turn that an exception cut short is completed first.
void Reactor::State::turn(std::optional<Duration> max_wait) {
  waited_in_full = false;
  guarded([&] {
    const bool was_prepared = std::exchange(prepared, false);
    if (phase != Phase::idle && !was_prepared) [[unlikely]] {
      complete_turn(Duration::zero());
      max_wait = Duration::zero();
    }
    if (phase == Phase::idle) begin_turn();
    complete_turn(max_wait);
  });
}

// ---- running

void Reactor::run() {
  State& state = *state_;
  state.check_idle("Reactor::run");
  while (!state.mailbox->consume_stop()) {
    state.turn(std::nullopt);
    static_cast<void>(state.mailbox->consume_wake());
  }
}

std::size_t Reactor::run_once(std::optional<Duration> max_wait) {
  State& state = *state_;
  state.check_idle("Reactor::run_once");
  if (state.mailbox->consume_stop()) return 0;
  const std::uint64_t before = state.counters.callbacks;
  std::optional<TimePoint> end;
  if (max_wait && *max_wait > Duration::zero()) end = saturating_add(state.clock.now(), *max_wait);

  for (std::optional<Duration> left = max_wait;;) {
    state.turn(left);
    const bool stopped = state.mailbox->consume_stop();
    const bool woken = state.mailbox->consume_wake();
    const std::uint64_t ran = state.counters.callbacks - before;
    if (ran > 0 || stopped || woken) return ran;
    if (!max_wait) continue;
    if (!end || state.waited_in_full) return 0;
    left = *end - state.clock.now();
    if (*left <= Duration::zero()) return 0;
  }
}

// For a clock that was moved by hand; a pending stop is left for those who run the loop.
std::size_t Reactor::run_due() {
  State& state = *state_;
  state.check_idle("Reactor::run_due");
  const std::uint64_t before = state.counters.callbacks;
  state.turn(Duration::zero());
  return state.counters.callbacks - before;
}

std::size_t Reactor::dispatch() {
  State& state = *state_;
  state.check_idle("Reactor::dispatch");
  if (state.mailbox->consume_stop()) return 0;
  const std::uint64_t before = state.counters.callbacks;
  state.turn(Duration::zero());
  static_cast<void>(state.mailbox->consume_stop());
  static_cast<void>(state.mailbox->consume_wake());
  return state.counters.callbacks - before;
}

std::optional<Duration> Reactor::prepare() {
  State& state = *state_;
  state.check_idle("Reactor::prepare");
  bool applied = false;
  state.guarded([&] {
    if (state.phase == Phase::idle) state.begin_turn();
    // Applies the changes; what it finds stays for dispatch().
    if (state.phase == Phase::begun) state.wait(Duration::zero());
    state.prepared = state.phase == Phase::begun;
    applied = true;
  });
  const bool interrupted = state.phase > Phase::begun;
  const bool pending = !applied || interrupted || state.has_events() || state.has_functions();
  if (pending || !state.mailbox->may_sleep()) return Duration::zero();
  return std::nullopt;
}

int Reactor::native_handle() const {
  state_->affinity.check("Reactor::native_handle");
  return state_->poller->native_handle();
}

// ---- what is rare

// At once, for the whole batch: the numbers are free again, and a callback that comes first may use
// one, or destroy a watch that has ended; the poller must not be told to remove it then.
void Reactor::State::mark_ended() noexcept {
  for (const Event& event : events) {
    if (!event.ready.invalid) [[likely]]
      continue;
    if (Watches::Entry* entry = watches.find(event.id)) entry->data.ended = true;
  }
}

void Reactor::State::reach_nobody(const Event& event) {
  if (event.id == kWakeupId) {
    mailbox->wakeup().clear();
  } else {
    ++counters.stale_events;
  }
}

void Reactor::State::look_at(Watches::Entry& entry, Ready ready) {
  WatchData& data = entry.data;
  const auto turn = static_cast<std::uint32_t>(counters.turns);
  const bool probing = data.looks == kLooks;
  const bool in_every_turn = turn - data.last_look == (probing ? 1 : kCallsPerLook);
  data.last_look = turn;
  if (!in_every_turn) {
    data.looks = data.unchanged = 0;
  } else if (!probing) {
    ++data.looks;
  }
  data.calls_before_look = data.looks == kLooks ? 1 : kCallsPerLook;
  if (in_every_turn && probing) return call_suspect(entry, ready);
  watches.call(entry, ready);
}

void Reactor::State::call_suspect(Watches::Entry& entry, Ready ready) {
  const HandlerId id = entry.id();
  const int fd = entry.data.fd;
  const Name name = entry.name();
  const auto before = sys::stream_state(fd);
  const std::uint64_t callbacks = counters.callbacks;
  watches.call(entry, ready);
  if (watches.find(id) == nullptr) return;
  WatchData& data = entry.data;
  // A source, such as a timer service that catches up, has done its work if it called somebody.
  const bool called_others = counted_by_source && counters.callbacks >= callbacks;
  const bool changed = called_others || !before || sys::stream_state(fd) != before;
  data.unchanged = changed ? 0 : static_cast<std::uint8_t>(data.unchanged + 1);
  if (data.unchanged == kProbes) {
    ++counters.spins;
    counters.spinning = name;
  }
  const bool settled = data.unchanged == 0 || data.unchanged == kProbes;
  if (!settled) return;
  data.looks = data.unchanged = 0;
  data.calls_before_look = kCallsPerLook;
}

void Reactor::State::call_ended(Watches::Entry& entry, Ready ready) {
  struct Remove {
    Watches& watches;
    HandlerId id;
    ~Remove() { watches.remove(id); }
  } const remove_afterwards = {watches, entry.id()};
  ++counters.callbacks;
  watches.call(entry, ready);
}

void Reactor::count_callbacks(std::size_t callbacks) noexcept {
  if (!std::exchange(state_->counted_by_source, true)) --state_->counters.callbacks;
  state_->counters.callbacks += callbacks;
}

}  // namespace detent
