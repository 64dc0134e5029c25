// SPDX-License-Identifier: BSL-1.0
/// \file
/// What the process does with a signal, for a test that changes it.
///
///     KeptDisposition ignored(SIGUSR1, SIG_IGN);
#pragma once

#include <signal.h>

namespace detent::testing_support {

[[nodiscard]] inline struct sigaction disposition_of(int signal) {
  struct sigaction current = {};
  ::sigaction(signal, nullptr, &current);
  return current;
}

/// Sets it, and puts the former one back.
class KeptDisposition {
 public:
  KeptDisposition(int signal, sighandler_t handler) : signal_(signal) {
    struct sigaction action = {};
    action.sa_handler = handler;
    ::sigaction(signal, &action, &former_);
  }
  KeptDisposition(const KeptDisposition&) = delete;
  KeptDisposition& operator=(const KeptDisposition&) = delete;
  ~KeptDisposition() { ::sigaction(signal_, &former_, nullptr); }

 private:
  int signal_;
  struct sigaction former_ = {};
};

}  // namespace detent::testing_support
