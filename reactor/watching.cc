// SPDX-License-Identifier: BSL-1.0
// A reactor's watches: made, changed, taken back.
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "detent/drop.h"
#include "reactor_state.h"
#include "setup_error.h"

namespace detent {
namespace {

std::string text_of(int fd) { return "descriptor " + std::to_string(fd); }

}  // namespace

inline Watch Reactor::add(int fd, Interest interest, Callback<void(Ready)>&& on_ready,
                          const Name& name, bool is_source) {
  State& state = *state_;
  if (state.is_closing) [[unlikely]] {
    drop_any(std::move(on_ready));
    return {};
  }
  const WatchData data = {
      .fd = fd, .interest = interest, .concerning = concerning(interest), .is_source = is_source};
  const HandlerId id = state.watches.add(std::move(on_ready), name, data);
  try {
    state.poller->add(fd, interest, id);
  } catch (const std::system_error& error) {
    state.watches.remove(id);
    const char* const call = is_source ? "Reactor::watch_source" : "Reactor::watch";
    fail_setting_up(call, text_of(fd), name, error);
  } catch (...) {
    state.watches.remove(id);
    throw;
  }
  return {state.link, id};
}

Watch Reactor::watch(int fd, Interest interest, Callback<void(Ready)> on_ready, Name name) {
  state_->affinity.check("Reactor::watch");
  check_not_empty(static_cast<bool>(on_ready), "Reactor::watch");
  return add(fd, interest, std::move(on_ready), name, false);
}

Watch Reactor::add_source(int fd, Callback<void(Ready)> serve, const Name& name) {
  state_->affinity.check("Reactor::watch_source");
  return add(fd, {.readable = true}, std::move(serve), name, true);
}

void Reactor::cancel(HandlerId id) noexcept {
  State& state = *state_;
  const Watches::Entry* entry = state.watches.find(id);
  if (entry == nullptr) return;
  // A forked child shares the kernel's set with its parent, so removing here would remove there.
  const bool registered = !entry->data.ended && !state.affinity.in_forked_child();
  // Before the callable is destroyed: its captures may close the descriptor.
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
  state.change(*state.watches.find(id), data, interest, data.paused, "Watch::set_interest");
}

void Reactor::set_paused(HandlerId id, bool paused) {
  State& state = *state_;
  const char* const call = paused ? "Watch::pause" : "Watch::resume";
  state.affinity.check(call);
  WatchData& data = state.data_of(id, call);
  state.change(*state.watches.find(id), data, data.interest, paused, call);
}

WatchData& Reactor::State::data_of(HandlerId id, const char* call) {
  Watches::Entry* entry = watches.find(id);
  if (entry == nullptr || entry->data.ended) sys::fail(call, ENOENT);
  return entry->data;
}

void Reactor::State::change(const Watches::Entry& entry, WatchData& data, Interest interest,
                            bool paused, const char* call) {
  const Interest effective = paused ? Interest{} : interest;
  try {
    poller->modify(data.fd, effective, entry.id());
  } catch (const std::system_error& error) {
    fail_setting_up(call, text_of(data.fd), entry.name(), error);
  }
  data.interest = interest;
  data.paused = paused;
  data.concerning = concerning(effective);
  wake_embedder();
}

Interest Reactor::interest_of(HandlerId id) const noexcept {
  const Watches::Entry* entry = state_->checked("Watch::interest").watches.find(id);
  return entry == nullptr ? Interest{} : entry->data.interest;
}

int Reactor::fd_of(HandlerId id) const noexcept {
  const Watches::Entry* entry = state_->checked("Watch::fd").watches.find(id);
  return entry == nullptr ? -1 : entry->data.fd;
}

Name Reactor::name_of(HandlerId id) const noexcept {
  const Watches::Entry* entry = state_->checked("Watch::name").watches.find(id);
  return entry == nullptr ? Name("", "", 0) : entry->name();
}

}  // namespace detent
