// SPDX-License-Identifier: BSL-1.0
/// \file
/// Sends signals to threads of this process, and says what became of them.
#pragma once

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "detent/signals.h"
#include "support/standard.h"

namespace detent::testing_support {

/// The thread sanitizer of g++ 12 runs handlers late, with a copy of the context, and merges
/// real-time signals.
#ifdef __SANITIZE_THREAD__
inline constexpr bool kSignalsAreDelayed = true;
#else
inline constexpr bool kSignalsAreDelayed = false;
#endif

/// A call in which that sanitizer runs the handlers that it has delayed.
inline void let_handlers_run() { ::poll(nullptr, 0, 0); }

/// Sends a value with a signal to the calling thread. It has been handled when this returns, unless
/// this thread blocks it. All processes of a user share one limit of the signals that wait, so this
/// waits while others have used it up.
inline void queue_to_this_thread(int signal, int value) {
  sigval with = {};
  with.sival_int = value;
  const auto at_most_until = std::chrono::steady_clock::now() + kPatience;
  int error = ::pthread_sigqueue(::pthread_self(), signal, with);
  while (error == EAGAIN && std::chrono::steady_clock::now() < at_most_until) {
    std::this_thread::yield();
    error = ::pthread_sigqueue(::pthread_self(), signal, with);
  }
  ASSERT_EQ(error, 0);
  let_handlers_run();
}

/// Whether the calling thread blocks it.
[[nodiscard]] inline bool is_blocked(int signal) {
  sigset_t blocked;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  return ::sigismember(&blocked, signal) == 1;
}

/// The calling thread blocks it, as long as this lives.
class BlockedSignal {
 public:
  explicit BlockedSignal(int signal) {
    sigset_t one;
    ::sigemptyset(&one);
    ::sigaddset(&one, signal);
    ::pthread_sigmask(SIG_BLOCK, &one, &former_);
  }
  BlockedSignal(const BlockedSignal&) = delete;
  BlockedSignal& operator=(const BlockedSignal&) = delete;
  ~BlockedSignal() { ::pthread_sigmask(SIG_SETMASK, &former_, nullptr); }

 private:
  sigset_t former_ = {};
};

/// All that a watch was told.
struct Told {
  int calls = 0;
  std::uint64_t count = 0;
  std::vector<SignalSender> senders = {};

  [[nodiscard]] auto recorder() {
    return [this](const CaughtSignal& caught) {
      ++calls;
      count += caught.count;
      senders.insert(senders.end(), caught.senders.begin(), caught.senders.end());
    };
  }
  [[nodiscard]] std::vector<int> values() const {
    std::vector<int> all;
    for (const SignalSender& sender : senders) all.push_back(sender.value);
    return all;
  }
};

/// `size` numbers from `first` on.
[[nodiscard]] inline std::vector<int> numbers(int first, int size) {
  std::vector<int> all;
  for (int i = 0; i < size; ++i) all.push_back(first + i);
  return all;
}

}  // namespace detent::testing_support
