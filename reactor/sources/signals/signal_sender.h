// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Who sent a signal, as far as the system says it.
#pragma once

#include <csignal>

#include "detent/signals.h"

namespace detent {

// POSIX, "Signal Actions": a process sent it if the code is SI_USER, SI_QUEUE or at most 0. But
// Linux keeps the number of a timer where si_pid is.
/// For a signal handler.
[[nodiscard]] inline SignalSender sender_of(const siginfo_t& info) noexcept {
  const int code = info.si_code;
  const bool is_by_timer = code == SI_TIMER;
  const bool is_by_process = !is_by_timer && (code == SI_USER || code == SI_QUEUE || code <= 0);
  const bool is_by_child = !is_by_timer && info.si_signo == SIGCHLD;
  SignalSender sender;
  if (is_by_process || is_by_child) {
    sender.pid = info.si_pid;
    sender.user = info.si_uid;
  }
  if (is_by_process || is_by_timer) {
    sender.value = info.si_value.sival_int;
    sender.pointer = info.si_value.sival_ptr;
  }
  return sender;
}

}  // namespace detent
