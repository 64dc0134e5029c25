// SPDX-License-Identifier: BSL-1.0
#include "signals/signal_checks.h"

#include <pthread.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <system_error>

#include "setup_error.h"
#include "signals/held_signals.h"

namespace detent {
namespace {

constexpr const char* kCall = "Signals::watch";

std::string text_of(int signal) { return "signal " + std::to_string(signal); }

bool is_for_a_fault(int signal) {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL;
}

// Asks for the held ones first in any case: see held_signals.cc.
bool is_blocked_by_user(int signal) {
  if (is_held(signal)) return false;
  sigset_t blocked;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  return sigismember(&blocked, signal) == 1;
}

void check(int signal, const Name& name) {
  if (signal < 1 || signal > kHighestSignal) fail_to_catch(signal, name, EINVAL);
  const char* objection = nullptr;
  if (is_for_a_fault(signal)) objection = "the fault would occur again";
  if (is_blocked_by_user(signal)) objection = "this thread blocks it";
  if (objection == nullptr) return;
  throw std::invalid_argument(origin_text(kCall, text_of(signal), name) + ": " + objection);
}

}  // namespace

SignalSet checked_signals(std::initializer_list<int> signals, const Name& name) {
  if (signals.size() == 0) throw std::invalid_argument(std::string(kCall) + ": there is no signal");
  SignalSet set;
  for (const int signal : signals) {
    check(signal, name);
    set.set(static_cast<std::size_t>(signal));
  }
  return set;
}

void fail_to_catch(int signal, const Name& name, int error) {
  fail_setting_up(kCall, text_of(signal), name,
                  std::system_error(error, std::generic_category(), "sigaction"));
}

}  // namespace detent
