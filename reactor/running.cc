// SPDX-License-Identifier: BSL-1.0
// What calls for a turn: the loop itself, a caller that wants one turn, or another loop.
#include <cstddef>
#include <cstdint>
#include <optional>

#include "reactor_state.h"

namespace detent {

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
    state.prepare_turn();
    applied = true;
  });
  const bool interrupted = state.phase > Phase::begun;
  const bool pending = !applied || interrupted || state.has_events() || state.has_functions();
  if (pending || !state.mailbox->may_sleep()) return Duration::zero();
  return std::nullopt;
}

int Reactor::native_handle() {
  state_->affinity.check("Reactor::native_handle");
  if (state_->poller == nullptr) state_->fail_busy("Reactor::native_handle");
  return state_->poller->native_handle();
}

}  // namespace detent
