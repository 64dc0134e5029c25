// SPDX-License-Identifier: BSL-1.0
#include "detent/signals.h"

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "detent/drop.h"
#include "detent/handler_table.h"
#include "detent/reactor.h"
#include "detent/service.h"
#include "signals/held_signals.h"
#include "signals/signal_batch.h"
#include "signals/signal_checks.h"
#include "signals/signal_handler.h"
#include "signals/signal_inbox.h"
#include "signals/signal_set.h"

namespace detent {
class Signals::State final : private Service {
 public:
  explicit State(Reactor& reactor);
  // The first step of rule 8 (handle.h), and what needs the other members.
  void end() noexcept;
  [[nodiscard]] Handle watch(std::initializer_list<int> signals,
                             Callback<void(const CaughtSignal&)>&& on_signal, const Name& name);

 private:
  struct Data {
    SignalSet signals = {};
  };
  using Table = HandlerTable<void(const CaughtSignal&), Data>;

  Handle add(const SignalSet& added, Callback<void(const CaughtSignal&)>&& on_signal,
             const Name& name);
  void cancel(HandlerId id) noexcept override;
  [[nodiscard]] bool active(HandlerId id) const noexcept override {
    return callbacks_.find(id) != nullptr;
  }
  [[nodiscard]] SignalSet watched() const noexcept;
  void forget_ended() noexcept;

  std::size_t serve();
  void take_what_came();
  [[nodiscard]] bool call(Table::Entry& entry, const CaughtSignal& caught);

  Reactor& reactor_;
  SignalInbox inbox_;
  Table callbacks_;
  std::vector<HandlerId> order_;  // of their registration
  // Shared with the call in progress, so that a callback may read its senders after it destroyed
  // this object.
  std::shared_ptr<SignalBatch> batch_ = std::make_shared<SignalBatch>();
  Watch watch_;
};

// ---- making and ending

Signals::State::State(Reactor& reactor)
    : Service(reactor, "Signals"),
      reactor_(reactor),
      watch_(reactor.watch_source(
          inbox_.fd(), [this](Ready) { return serve(); }, "signals")) {
  open_inbox(inbox_);
}

void Signals::State::end() noexcept {
  close("~Signals");
  if (!affinity().in_forked_child()) {
    callbacks_.for_each(
        [](const Table::Entry& entry) { for_each_signal(entry.data.signals, release_signal); });
    close_inbox(inbox_);
    release_held_signals();
  }
  callbacks_.clear();
}

// ---- registering

Handle Signals::State::watch(std::initializer_list<int> signals,
                             Callback<void(const CaughtSignal&)>&& on_signal, const Name& name) {
  if (!on_signal) throw std::invalid_argument("Signals::watch: the callback is empty");
  if (refuses("Signals::watch")) {
    drop_any(std::move(on_signal));
    return {};
  }
  return add(checked_signals(signals, name), std::move(on_signal), name);
}

Handle Signals::State::add(const SignalSet& added, Callback<void(const CaughtSignal&)>&& on_signal,
                           const Name& name) {
  if (batch_->is_done()) forget_ended();
  const HandlerId id = callbacks_.add(std::move(on_signal), name);
  Handle handle(link(), id);  // if what follows throws, takes back what was done
  order_.push_back(id);
  inbox_.want(watched() | added);
  SignalSet& caught = callbacks_.find(id)->data.signals;
  for_each_signal(added, [&](int signal) {
    if (const int error = catch_signal(signal)) fail_to_catch(signal, name, error);
    caught.set(static_cast<std::size_t>(signal));
  });
  return handle;
}

void Signals::State::cancel(HandlerId id) noexcept {
  Table::Entry* const entry = callbacks_.find(id);
  if (entry == nullptr) return;
  const SignalSet signals = std::exchange(entry->data.signals, {});
  if (!affinity().in_forked_child()) {
    for_each_signal(signals, release_signal);
    inbox_.want(watched());
    release_held_signals();
  }
  callbacks_.remove(*entry);  // the last use of *this: the captures may own this object
}

SignalSet Signals::State::watched() const noexcept {
  SignalSet all;
  for (const HandlerId id : order_) {
    if (const Table::Entry* const entry = callbacks_.find(id)) all |= entry->data.signals;
  }
  return all;
}

// Only while no place in order_ is needed.
void Signals::State::forget_ended() noexcept {
  std::erase_if(order_, [this](HandlerId id) { return callbacks_.find(id) == nullptr; });
  callbacks_.recycle();
}

// ---- telling

// If a callback throws, the rest of the batch is told in the next turn.
std::size_t Signals::State::serve() {
  const std::shared_ptr<SignalBatch> batch = batch_;
  if (batch->is_done()) take_what_came();
  std::size_t calls = 0;
  while (!batch->is_done()) {
    Table::Entry* const entry = callbacks_.find(order_[batch->next_watch()]);
    const CaughtSignal caught = batch->next();
    batch->advance();
    const auto signal = static_cast<std::size_t>(caught.signal);
    if (entry == nullptr || !entry->data.signals[signal]) continue;
    ++calls;
    if (!call(*entry, caught)) return calls;
  }
  return calls;
}

void Signals::State::take_what_came() {
  forget_ended();
  inbox_.listen();
  batch_->take(inbox_, order_.size());
  release_held_signals();
}

// False when the callback destroyed this object.
bool Signals::State::call(Table::Entry& entry, const CaughtSignal& caught) {
  return reactor_.observed([&] { return Observer::Call{.name = entry.name()}; },
                           [&] { return callbacks_.call_and_survive(entry, caught); });
}

// ---- the public type

Signals::Signals(Reactor& reactor) : state_(std::make_unique<State>(reactor)) {}

Signals::~Signals() { state_->end(); }

Handle Signals::watch(std::initializer_list<int> signals,
                      Callback<void(const CaughtSignal&)> on_signal, Name name) {
  return state_->watch(signals, std::move(on_signal), name);
}

}  // namespace detent
