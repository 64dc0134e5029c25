// SPDX-License-Identifier: BSL-1.0
#include "detent/reactor.h"

#include <cstdint>
#include <cstdio>
#include <system_error>

#include "detent/drop.h"
#include "reactor_state.h"

namespace detent {
namespace {

Budgets at_least_one(Budgets budgets) {
  if (budgets.events == 0) throw std::invalid_argument("Reactor: Budgets::events is 0");
  if (budgets.functions == 0) throw std::invalid_argument("Reactor: Budgets::functions is 0");
  return budgets;
}

}  // namespace

void fail_empty(const char* call) {
  throw std::invalid_argument(std::string(call) + ": the callback is empty");
}

// ---- making and ending

Reactor::State::State(Reactor& made, ReactorOptions options)
    : reactor(made),
      clock(options.clock != nullptr ? *options.clock : kernel_clock()),
      budgets(at_least_one(options.budgets)),
      gather_posts(options.gather_posts),
      on_exception(std::move(options.on_exception)),
      poller(options.poller ? std::move(options.poller) : make_poller()),
      observers(made.is_observed_),
      link(made) {
  room.resize(budgets.events);
  mailbox->wakeup().watch(*poller, kWakeupId);
  attachment = clock.attach([&made] { return made.run_due(); });
}

Reactor::Reactor(ReactorOptions options)
    : state_(std::make_unique<State>(*this, std::move(options))) {}

// Rule 8 of lifetimes: the handles first, then the callbacks, while all members live.
Reactor::~Reactor() {
  State& state = *state_;
  state.affinity.check_or_terminate("~Reactor");
  const bool in_callback = state.in_turn && !state.affinity.in_forked_child();
  state.is_closing = state.in_turn = true;
  state.link.cut();
  for (Service* service = state.services; service != nullptr; service = service->next_) {
    service->link_.cut();
  }
  if (in_callback) {
    // If a callback called std::exit(), the turn never goes on, so leave all that it uses in place.
    // Otherwise check_not_destroyed() ends the program.
    state.next_event = SIZE_MAX;
    state.has_late_work = true;
    static_cast<void>(state_.release());
  } else {
    // Before the callbacks: their captures may close descriptors that the poller still watches.
    state.poller.reset();
    state.attachment.cancel();
    if (!state.affinity.in_forked_child()) state.mailbox->close();
    state.posted.clear();
    state.put_off.clear();
    state.deferred.clear();
    state.before_wait.clear();
    state.after_wait.clear();
    state.watches.clear();
    state.on_exception = nullptr;
    state.observers.clear();
    state.retired.destroy();
  }
  while (state.services != nullptr) state.services->leave();
}

void Reactor::State::fail_busy(const char* call) const {
  const char* const why =
      is_closing ? ": the reactor is going" : ": inside one of its own callbacks";
  throw std::logic_error(std::string(call) + why);
}

void Reactor::State::die_destroyed() noexcept {
  std::fprintf(stderr, "detent: ~Reactor: called inside one of its callbacks\n");
  std::terminate();
}

// These two never change, so no check of the thread is needed.
Clock& Reactor::clock() const noexcept { return state_->clock; }
const Budgets& Reactor::budgets() const noexcept { return state_->budgets; }
const Counters& Reactor::counters() const noexcept {
  return state_->checked("Reactor::counters").counters;
}
std::uint64_t Reactor::turn() const noexcept {
  return state_->checked("Reactor::turn").counters.turns;
}

void Reactor::check_thread(const char* call) const { state_->affinity.check(call); }
const ServiceLink& Reactor::link() const noexcept { return state_->link; }

TimePoint Reactor::now() const {
  State& state = *state_;
  state.affinity.check("Reactor::now");
  if (!state.in_turn) return state.clock.now();
  if (!state.has_now) state.now = state.clock.now();
  state.has_now = true;
  return state.now;
}

// ---- functions

void Reactor::stop() noexcept { state_->mailbox->request_stop(); }
void Reactor::wake() noexcept { state_->mailbox->request_wake(); }

void Reactor::post(Callback<void()> function) {
  check_not_empty(static_cast<bool>(function), "Reactor::post");
  if (!state_->mailbox->post(std::move(function))) state_->affinity.check("Reactor::post");
}

Poster Reactor::poster() const noexcept {
  return Poster(state_->checked("Reactor::poster").mailbox);
}

// An empty function takes its place among the posted ones.
Handle Reactor::next_turn(Callback<void()> function, Name name) {
  State& state = *state_;
  state.affinity.check("Reactor::next_turn");
  check_not_empty(static_cast<bool>(function), "Reactor::next_turn");
  if (state.is_closing) {
    drop(std::move(function));
    return {};
  }
  const std::uint64_t earliest = state.in_turn ? state.counters.turns + 1 : 0;
  Handle handle = state.put_off.add(std::move(function), name, earliest);
  state.mailbox->post(nullptr);
  return handle;
}

Handle Reactor::defer(Callback<void()> function, Name name) {
  State& state = *state_;
  state.affinity.check("Reactor::defer");
  check_not_empty(static_cast<bool>(function), "Reactor::defer");
  if (state.is_closing) {
    drop(std::move(function));
    return {};
  }
  Handle handle = state.deferred.add(std::move(function), name);
  state.wake_embedder();
  return handle;
}

Handle Reactor::before_wait(Callback<void()> hook, Name name) {
  state_->affinity.check("Reactor::before_wait");
  check_not_empty(static_cast<bool>(hook), "Reactor::before_wait");
  return state_->add_hook(state_->before_wait, std::move(hook), name);
}

Handle Reactor::after_wait(Callback<void()> hook, Name name) {
  state_->affinity.check("Reactor::after_wait");
  check_not_empty(static_cast<bool>(hook), "Reactor::after_wait");
  return state_->add_hook(state_->after_wait, std::move(hook), name);
}

Handle Reactor::State::add_hook(HandlerList<void()>& hooks, Callback<void()>&& hook,
                                const Name& name) {
  if (!is_closing) return hooks.add(std::move(hook), name);
  drop(std::move(hook));
  return {};
}

// ---- retired objects

// The list alone destroys, so that a chain of destructors that retire others uses no stack.
void Reactor::retire(std::unique_ptr<Retirable> object) noexcept {
  State& state = *state_;
  state.affinity.check_or_terminate("Reactor::retire");
  if (object != nullptr) state.retired.add(std::move(object));
  if (!state.in_turn) state.retired.destroy();
}

// ---- observers

Handle Reactor::observe(Observer& observer) {
  state_->affinity.check("Reactor::observe");
  return state_->is_closing ? Handle() : state_->observers.add(observer);
}

Reactor::Observed::Observed(Reactor& reactor, const Observer::Call& call) noexcept
    : reactor_(reactor), call_(call) {
  reactor_.state_->observers.before(call_);
}

Reactor::Observed::~Observed() { reactor_.state_->observers.after(call_); }

}  // namespace detent
