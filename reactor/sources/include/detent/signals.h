// SPDX-License-Identifier: BSL-1.0
/// \file
/// Calls a function of yours on the loop's thread when the process gets a signal.
///
///     detent::Signals signals(reactor);
///     const auto stop = signals.watch({SIGINT, SIGTERM}, [&](const auto&) { reactor.stop(); });
///     const auto count = signals.watch({SIGHUP}, [&](const detent::CaughtSignal& caught) {
///       hang_ups += caught.count;
///       for (const detent::SignalSender& sender : caught.senders) note(sender.pid);
///     });
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>

#include "detent/callback.h"
#include "detent/handle.h"
#include "detent/name.h"

namespace detent {

class Reactor;

/// Where one signal came from: sigaction(2), siginfo_t.
struct SignalSender {
  /// The process, or the child for SIGCHLD. 0: the kernel sent the signal, or did not say who did.
  std::int64_t pid = 0;
  std::uint32_t user = 0;   ///< Its real user, if the process is known.
  int value = 0;            ///< What sigqueue(3) or a timer of timer_create(2) sent along,
  void* pointer = nullptr;  ///< the same as a pointer, for a sender that set sival_ptr.
};

/// What a watch is told in one turn of one signal.
struct CaughtSignal {
  int signal;
  /// How often it came. The kernel merges a signal with an equal one that no thread has taken yet,
  /// unless it is a real-time signal.
  std::uint64_t count;
  /// In the order in which they came; valid during the call. If there are fewer than `count`, the
  /// queue was full for the others.
  std::span<const SignalSender> senders;
};

/// Watches signals of the process. Lives on its reactor's thread; destroy it before the reactor.
/// There may be several, in several threads, for the same signals: each is told. Takes about 80 KB,
/// and allocates nothing for a signal.
///
/// A handler (sigaction(2)) takes the signal in whichever thread the kernel chooses, puts it into a
/// queue of 1,024 and wakes the loop. System calls that were interrupted go on (SA_RESTART) where
/// they can: signal(7). If the queue is full and the interrupted thread is the loop's, this thread
/// blocks the signal until the loop has emptied the queue. So a flood cannot lock the loop up, and
/// what a sender queues meanwhile waits in the kernel. In a forked child the handler does nothing.
class Signals final {
 public:
  /// Throws std::system_error when the system refuses a descriptor. std::logic_error on another
  /// thread, in a forked child, and when the reactor is being destroyed.
  explicit Signals(Reactor& reactor);
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals();

  /// Calls `on_signal` for each of `signals` that comes, once a turn, in the order of their
  /// numbers. Several watches of one signal are told in the order of these calls. A signal that has
  /// come and was not told yet is told to new watches too. The first watch of a signal in the
  /// process sets its disposition. When the last one goes, the former disposition is put back,
  /// unless other code has changed it meanwhile.
  ///
  /// std::invalid_argument for an empty `on_signal`, for no signal, for one that the calling thread
  /// blocks, and for SIGSEGV, SIGBUS, SIGFPE and SIGILL: the instruction at fault would run again.
  /// std::system_error when the system refuses one, as SIGKILL; then none is watched.
  /// std::logic_error on another thread, in a forked child, and when the reactor is gone.
  [[nodiscard]] Handle watch(std::initializer_list<int> signals,
                             Callback<void(const CaughtSignal&)> on_signal, Name name = {});

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace detent
