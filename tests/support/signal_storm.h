// SPDX-License-Identifier: BSL-1.0
/// \file
/// Signals that interrupt whatever sleeps, as often as a test could wish.
#pragma once

#include <signal.h>
#include <sys/time.h>

namespace detent::testing_support {

/// SIGALRM two thousand times a second, as long as it lives. One at a time.
class SignalStorm {
 public:
  SignalStorm() {
    handled_ = 0;
    struct sigaction action = {};
    action.sa_handler = [](int) { handled_ = handled_ + 1; };
    ::sigaction(SIGALRM, &action, &before_);
    set_interval(500);
  }
  SignalStorm(const SignalStorm&) = delete;
  SignalStorm& operator=(const SignalStorm&) = delete;
  ~SignalStorm() {
    set_interval(0);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

  /// How many there have been.
  [[nodiscard]] int handled() const { return handled_; }

 private:
  static void set_interval(suseconds_t microseconds) {
    const itimerval interval = {.it_interval = {.tv_sec = 0, .tv_usec = microseconds},
                                .it_value = {.tv_sec = 0, .tv_usec = microseconds}};
    ::setitimer(ITIMER_REAL, &interval, nullptr);
  }

  static inline volatile sig_atomic_t handled_ = 0;
  struct sigaction before_ = {};
};

}  // namespace detent::testing_support
