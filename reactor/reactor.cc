// SPDX-License-Identifier: BSL-1.0
#include "detent/reactor.h"

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "detent/handler_list.h"
#include "detent/handler_table.h"
#include "mailbox.h"
#include "sys.h"
#include "watch_data.h"

namespace detent {
namespace {

// The number of the mailbox's wake-up, which no table hands out.
constexpr HandlerId kWakeupId = {.slot = UINT32_MAX, .generation = 1};

// How far a turn has come; see do_turn().
enum class Phase : std::uint8_t { idle, begun, waited, collected };

// A callback called in this many turns running is looked at: if the last few of those calls
// changed nothing that its descriptor is ready for, it spins.
constexpr std::uint32_t kSpinTurns = 1000;
constexpr std::uint32_t kSpinProbes = 8;

Budgets at_least_one(Budgets budgets) {
  for (std::size_t* budget :
       {&budgets.events, &budgets.posted, &budgets.timers, &budgets.accepted, &budgets.reads}) {
    if (*budget == 0) throw std::invalid_argument("Reactor: a budget of 0");
  }
  return budgets;
}

}  // namespace

using Watches = HandlerTable<void(Ready), WatchData>;

struct Reactor::State {
  State(Reactor& reactor, ReactorOptions options)
      : clock(options.clock != nullptr ? *options.clock : kernel_clock()),
        budgets(at_least_one(options.budgets)),
        on_exception(std::move(options.on_exception)),
        poller(options.poller ? std::move(options.poller) : make_poller()),
        line(reactor) {
    events.reserve(budgets.events);
    poller->add(mailbox->wakeup().fd(), {.readable = true}, kWakeupId);
    attachment = clock.attach([&reactor] { return reactor.run_due(); });
  }

  // For what must not throw.
  const State& checked(const char* call) const noexcept {
    affinity.check_or_terminate(call);
    return *this;
  }

  // Turns do not nest.
  void check_idle(const char* call) const {
    affinity.check(call);
    if (in_turn) throw std::logic_error(std::string(call) + ": inside one of its own callbacks");
  }

  // Runs a part of a turn, and hands what a callback throws to the handler, if there is one.
  template <class Part>
  void guarded(Part&& part) {
    in_turn = true;
    now.reset();
    struct Leave {
      bool& flag;
      ~Leave() { flag = false; }
    } const leave = {in_turn};
    try {
      part();
    } catch (...) {
      if (!on_exception) throw;
      on_exception(std::current_exception());
    }
  }

  WatchData& data_of(HandlerId id, const char* call) {
    Watches::Entry* entry = watches.find(id);
    if (entry == nullptr || entry->data.ended) sys::fail(call, ENOENT);
    return entry->data;
  }

  void mark_ended() noexcept;
  void call(Watches::Entry& entry, Ready ready);
  void call_suspect(Watches::Entry& entry, Ready ready);
  void call_ended(Watches::Entry& entry, Ready ready);
  void reach_nobody(const Event& event);

  [[nodiscard]] bool has_events() const noexcept { return next_event < events.size(); }

  const Affinity affinity;
  Clock& clock;
  const Budgets budgets;
  Callback<void(std::exception_ptr)> on_exception;
  std::unique_ptr<Poller> poller;
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();

  Counters counters;
  std::optional<TimePoint> now;
  bool in_turn = false;
  Phase phase = Phase::idle;    // what the turn has reached
  bool prepared = false;        // by prepare(); dispatch() goes on with that turn
  bool waited_in_full = false;  // the last wait found nothing until its time was over
  bool counted_by_source = false;

  std::vector<Event> events;   // of this turn, or carried over by an exception
  std::size_t next_event = 0;  // before it: done
  FunctionQueue posted;
  FunctionQueue deferred;
  HandlerList<void()> before_wait;
  HandlerList<void()> after_wait;
  Watches watches;
  Lifeline line;
  Handle attachment;
};

// ---- making and ending

Reactor::Reactor(ReactorOptions options)
    : state_(std::make_unique<State>(*this, std::move(options))) {}

Reactor::~Reactor() {
  State& state = *state_;
  state.affinity.check_or_terminate("~Reactor");
  if (state.in_turn && !state.affinity.in_forked_child()) {
    std::fprintf(stderr, "detent: ~Reactor: called inside one of its callbacks\n");
    std::terminate();
  }
  state.line.cut();
  // Before the callbacks: their captures may close descriptors that the poller still watches.
  state.poller.reset();
  if (!state.affinity.in_forked_child()) state.mailbox->close();
}

// These two never change, so there is nothing to check.
Clock& Reactor::clock() const noexcept { return state_->clock; }
const Budgets& Reactor::budgets() const noexcept { return state_->budgets; }
const Counters& Reactor::counters() const noexcept {
  return state_->checked("Reactor::counters").counters;
}

void Reactor::check(const char* call) const { state_->affinity.check(call); }

TimePoint Reactor::now() const {
  state_->affinity.check("Reactor::now");
  if (!state_->in_turn) return state_->clock.now();
  if (!state_->now) state_->now = state_->clock.now();
  return *state_->now;
}

// ---- watches

Watch Reactor::watch(int fd, Interest interest, Callback<void(Ready)> on_ready, Name name) {
  State& state = *state_;
  state.affinity.check("Reactor::watch");
  const HandlerId id =
      state.watches.add(std::move(on_ready), name, {.fd = fd, .interest = interest});
  try {
    state.poller->add(fd, interest, id);
  } catch (...) {
    state.watches.remove(id);
    throw;
  }
  return {state.line, id};
}

void Reactor::cancel(HandlerId id) noexcept {
  State& state = *state_;
  const Watches::Entry* entry = state.watches.find(id);
  if (entry == nullptr) return;
  // The child shares the kernel's set with its parent: a removal here would be one there.
  const bool registered = !entry->data.ended && !state.affinity.in_forked_child();
  // Before the callable goes: its captures may close the descriptor.
  if (registered) state.poller->remove(entry->data.fd);
  const bool numbers_in_flight = state.in_turn || state.has_events();
  if (!numbers_in_flight) state.watches.recycle();
  state.watches.remove(id);
}

bool Reactor::active(HandlerId id) const noexcept {
  const Watches::Entry* entry = state_->watches.find(id);
  return entry != nullptr && !entry->data.ended;
}

void Reactor::set_interest(HandlerId id, Interest interest) {
  State& state = *state_;
  state.affinity.check("Watch::set_interest");
  WatchData& data = state.data_of(id, "Watch::set_interest");
  state.poller->modify(data.fd, effective(interest, data.paused), id);
  data.interest = interest;
}

void Reactor::set_paused(HandlerId id, bool paused) {
  State& state = *state_;
  const char* const call = paused ? "Watch::pause" : "Watch::resume";
  state.affinity.check(call);
  WatchData& data = state.data_of(id, call);
  state.poller->modify(data.fd, effective(data.interest, paused), id);
  data.paused = paused;
}

Interest Reactor::interest_of(HandlerId id) const noexcept {
  const Watches::Entry* entry = state_->watches.find(id);
  return entry == nullptr ? Interest{} : entry->data.interest;
}

int Reactor::fd_of(HandlerId id) const noexcept {
  const Watches::Entry* entry = state_->watches.find(id);
  return entry == nullptr ? -1 : entry->data.fd;
}

// ---- running

void Reactor::run() {
  state_->check_idle("Reactor::run");
  while (!state_->mailbox->consume_stop()) {
    turn(std::nullopt);
    static_cast<void>(state_->mailbox->consume_wake());
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
    turn(left);
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
  state_->check_idle("Reactor::run_due");
  const std::uint64_t before = state_->counters.callbacks;
  turn(Duration::zero());
  return state_->counters.callbacks - before;
}

std::size_t Reactor::dispatch() {
  State& state = *state_;
  state.check_idle("Reactor::dispatch");
  if (state.mailbox->consume_stop()) return 0;
  const std::uint64_t before = state.counters.callbacks;
  turn(Duration::zero());
  static_cast<void>(state.mailbox->consume_stop());
  static_cast<void>(state.mailbox->consume_wake());
  return state.counters.callbacks - before;
}

std::optional<Duration> Reactor::prepare() {
  State& state = *state_;
  state.check_idle("Reactor::prepare");
  bool applied = false;
  state.guarded([&] {
    if (state.phase == Phase::idle) begin_turn();
    // Applies the changes; what it finds stays for dispatch().
    if (state.phase == Phase::begun) wait(Duration::zero());
    state.prepared = state.phase == Phase::begun;
    applied = true;
  });
  if (!applied || work_is_pending() || !state.mailbox->may_sleep()) return Duration::zero();
  return std::nullopt;
}

int Reactor::native_handle() const {
  state_->affinity.check("Reactor::native_handle");
  return state_->poller->native_handle();
}

void Reactor::stop() noexcept { state_->mailbox->request_stop(); }
void Reactor::wake() noexcept { state_->mailbox->request_wake(); }

void Reactor::post(Callback<void()> function) {
  if (!state_->mailbox->post(std::move(function))) state_->affinity.check("Reactor::post");
}

Poster Reactor::poster() const noexcept {
  return Poster(state_->checked("Reactor::poster").mailbox);
}

void Reactor::defer(Callback<void()> function) {
  state_->affinity.check("Reactor::defer");
  state_->deferred.push(std::move(function));
}

Handle Reactor::before_wait(Callback<void()> hook, Name name) {
  state_->affinity.check("Reactor::before_wait");
  return state_->before_wait.add(std::move(hook), name);
}

Handle Reactor::after_wait(Callback<void()> hook, Name name) {
  state_->affinity.check("Reactor::after_wait");
  return state_->after_wait.add(std::move(hook), name);
}

// ---- one turn

void Reactor::turn(std::optional<Duration> max_wait) {
  state_->waited_in_full = false;
  state_->guarded([&] { do_turn(max_wait); });
}

// A turn that an exception cut short is completed first.
void Reactor::do_turn(std::optional<Duration> max_wait) {
  State& state = *state_;
  const bool prepared = std::exchange(state.prepared, false);
  if (state.phase != Phase::idle && !prepared) {
    complete_turn(Duration::zero());
    max_wait = Duration::zero();
  }
  if (state.phase == Phase::idle) begin_turn();
  complete_turn(max_wait);
}

// Goes on from the phase that was reached. A phase counts as reached before anybody is called, so
// that a callback that always throws keeps nobody else waiting.
void Reactor::complete_turn(std::optional<Duration> max_wait) {
  State& state = *state_;
  if (state.phase == Phase::begun) {
    wait(max_wait);
    state.phase = Phase::waited;
    state.after_wait.for_each([](auto& hook) { hook(); });
  }
  if (state.phase == Phase::waited) {
    state.phase = Phase::collected;
    state.mailbox->collect(state.posted);
  }
  state.posted.run(state.budgets.posted, state.counters.callbacks);
  while (state.has_events()) dispatch_event(state.events[state.next_event++]);
  state.phase = Phase::idle;
  state.deferred.run(state.budgets.posted, state.counters.callbacks);
  state.watches.recycle();
}

void Reactor::begin_turn() {
  State& state = *state_;
  ++state.counters.turns;
  state.phase = Phase::begun;
  state.before_wait.for_each([](auto& hook) { hook(); });
}

bool Reactor::work_is_pending() const noexcept {
  const bool interrupted = state_->phase > Phase::begun;
  return interrupted || state_->has_events() || !state_->posted.empty() ||
         !state_->deferred.empty() || state_->mailbox->has_posts();
}

void Reactor::wait(std::optional<Duration> max_wait) {
  State& state = *state_;
  if (state.has_events()) return;  // carried over; more would come on top of them
  const bool may_sleep =
      max_wait != Duration::zero() && !work_is_pending() && state.mailbox->may_sleep();
  state.next_event = 0;
  state.events.clear();
  struct MarkEnded {  // on a throw too: what the poller has ended it does not know any more
    State& state;
    ~MarkEnded() { state.mark_ended(); }
  } const mark_ended = {state};
  state.poller->wait(state.events, may_sleep ? max_wait : Duration::zero());
  state.mailbox->awake();
  state.now.reset();
  state.waited_in_full = may_sleep && state.events.empty();
}

void Reactor::dispatch_event(const Event& event) {
  State& state = *state_;
  Watches::Entry* entry = state.watches.find(event.id);
  if (entry == nullptr) return state.reach_nobody(event);
  WatchData& data = entry->data;
  const Ready ready = concerning(effective(data.interest, data.paused), event.ready);
  if (ready == Ready{}) return;  // the interest has changed since
  if (ready.invalid) return state.call_ended(*entry, ready);
  // Nobody can make a hang-up go away, so one that was not asked for would be told for ever.
  if (!requested(ready)) state.poller->modify(data.fd, {}, event.id);
  state.call(*entry, ready);
}

// At once, for the whole batch: the numbers are free again, and a callback that comes first may use
// one, or destroy a watch that has ended; the poller must not be told to remove it then.
void Reactor::State::mark_ended() noexcept {
  for (const Event& event : events) {
    if (!event.ready.invalid) continue;
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

void Reactor::State::call(Watches::Entry& entry, Ready ready) {
  ++counters.callbacks;
  counted_by_source = false;
  WatchData& data = entry.data;
  const auto turn = static_cast<std::uint32_t>(counters.turns);
  data.streak = data.last_called + 1 == turn ? data.streak + 1 : 1;
  data.last_called = turn;
  if (data.streak > kSpinTurns - kSpinProbes) [[unlikely]]
    return call_suspect(entry, ready);
  watches.call(entry, ready);  // the last statement: the entry may be gone
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
  if (data.unchanged == kSpinProbes) {
    ++counters.spins;
    counters.spinning = name;
  }
  const bool settled = data.unchanged == 0 || data.unchanged == kSpinProbes;
  if (settled) data.streak = data.unchanged = 0;
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
