// SPDX-License-Identifier: BSL-1.0
#include "detent/reactor.h"

#include <cstdio>

#include "reactor_state.h"

namespace detent {
namespace {

Budgets at_least_one(Budgets budgets) {
  for (std::size_t* budget :
       {&budgets.events, &budgets.posted, &budgets.timers, &budgets.accepted, &budgets.reads}) {
    if (*budget == 0) throw std::invalid_argument("Reactor: a budget of 0");
  }
  return budgets;
}

}  // namespace

// ---- making and ending

Reactor::State::State(Reactor& reactor, ReactorOptions options)
    : clock(options.clock != nullptr ? *options.clock : kernel_clock()),
      budgets(at_least_one(options.budgets)),
      on_exception(std::move(options.on_exception)),
      poller(options.poller ? std::move(options.poller) : make_poller()),
      line(reactor) {
  events.reserve(budgets.events);
  poller->add(mailbox->wakeup().fd(), {.readable = true}, kWakeupId);
  attachment = clock.attach([&reactor] { return reactor.run_due(); });
}

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
  const WatchData data = {.fd = fd,
                          .interest = interest,
                          .concerning = concerning(interest),
                          .last_look = static_cast<std::uint32_t>(state.counters.turns)};
  const HandlerId id = state.watches.add(std::move(on_ready), name, data);
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
  state.change(data, id, interest, data.paused);
}

void Reactor::set_paused(HandlerId id, bool paused) {
  State& state = *state_;
  const char* const call = paused ? "Watch::pause" : "Watch::resume";
  state.affinity.check(call);
  WatchData& data = state.data_of(id, call);
  state.change(data, id, data.interest, paused);
}

void Reactor::State::change(WatchData& data, HandlerId id, Interest interest, bool paused) {
  const Interest effective = paused ? Interest{} : interest;
  poller->modify(data.fd, effective, id);
  data.interest = interest;
  data.paused = paused;
  data.concerning = concerning(effective);
}

Interest Reactor::interest_of(HandlerId id) const noexcept {
  const Watches::Entry* entry = state_->checked("Watch::interest").watches.find(id);
  return entry == nullptr ? Interest{} : entry->data.interest;
}

int Reactor::fd_of(HandlerId id) const noexcept {
  const Watches::Entry* entry = state_->checked("Watch::fd").watches.find(id);
  return entry == nullptr ? -1 : entry->data.fd;
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

}  // namespace detent
