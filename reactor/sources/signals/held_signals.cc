// SPDX-License-Identifier: BSL-1.0
#include "signals/held_signals.h"

#include <atomic>
#include <csignal>

#include "signals/signal_set.h"

namespace detent {
namespace {

// A handler uses them only in a thread of a loop. That thread has used them before, in watch(), so
// they exist: the first use may allocate memory.
thread_local constinit AtomicSignalSet held;
thread_local constinit std::atomic<bool> some_are_held = false;

// The functions of sets are macros on macOS, so they have no :: in front.
//
// OpenBSD's context has its mask under another name, as bits: sigaction(2) there.
template <class Context>
void block(Context& context, int signal) {
  if constexpr (requires { context.uc_sigmask; }) {
    sigaddset(&context.uc_sigmask, signal);
  } else {
    context.sc_mask |= 1U << (signal - 1);
  }
}

}  // namespace

void hold_signal(int signal, void* context) noexcept {
  held.insert(signal);
  some_are_held = true;
  block(*static_cast<ucontext_t*>(context), signal);
}

bool is_held(int signal) noexcept { return held.contains(signal); }

void release_held_signals() noexcept {
  if (!some_are_held.exchange(false)) return;
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal = 1; signal <= kHighestSignal; ++signal) {
    if (!held.contains(signal)) continue;
    held.erase(signal);
    sigaddset(&signals, signal);
  }
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

}  // namespace detent
