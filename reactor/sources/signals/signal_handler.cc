// SPDX-License-Identifier: BSL-1.0
#include "signals/signal_handler.h"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <mutex>
#include <thread>

#include "signals/held_signals.h"
#include "signals/signal_sender.h"
#include "sys.h"

namespace detent {
namespace {

// ---- what the handler reads, without a lock

// Handlers go through a list of places, in any number of threads at once. A place is never freed,
// so the list can be read at any time. An inbox can go. So a handler counts itself as a visitor of
// the place while it uses the inbox there. close_inbox() empties the place, and then waits until
// there are no visitors. Handlers that come later find the place empty, and do not visit it.
struct Place {
  std::atomic<SignalInbox*> inbox = nullptr;
  std::atomic<int> visitors = 0;
  Place* next = nullptr;
};
constinit std::atomic<Place*> places = nullptr;

// The process that the inboxes belong to.
constinit std::atomic<pid_t> owner = 0;

static_assert(std::atomic<Place*>::is_always_lock_free && std::atomic<pid_t>::is_always_lock_free,
              "used in signal handlers");

void visit(Place& place, const QueuedSignal& caught, void* context) noexcept {
  if (place.inbox.load() == nullptr) return;
  ++place.visitors;
  if (SignalInbox* const inbox = place.inbox.load()) {
    if (inbox->put(caught)) hold_signal(caught.signal, context);
  }
  --place.visitors;
}

// A forked child has a copy of the inboxes; after vfork(2) it has the inboxes themselves. In both
// cases their wake-ups are the parent's. No fork handler runs early enough to empty the places, so
// this asks for the process at each signal.
void on_signal(int signal, siginfo_t* info, void* context) {
  const sys::KeepErrno keep;
  if (::getpid() != owner.load()) return;
  const QueuedSignal caught = {.signal = signal, .sender = sender_of(*info)};
  for (Place* place = places.load(); place != nullptr; place = place->next) {
    visit(*place, caught, context);
  }
}

// ---- what the handler does not read, behind a lock

struct Disposition {
  int watches = 0;
  struct sigaction former = {};
};

struct Registry {
  std::mutex lock;
  std::array<Disposition, kHighestSignal + 1> dispositions = {};
};

// Never destroyed: a Signals object of static storage may go later.
Registry& registry() {
  static Registry& the_one = *new Registry;
  return the_one;
}

// In a forked child. The visitors stayed in the parent. The handler is still there, so what it
// replaced is not forgotten.
void begin_anew() {
  for (Place* place = places; place != nullptr; place = place->next) {
    place->inbox = nullptr;
    place->visitors = 0;
  }
  for (Disposition& disposition : registry().dispositions) disposition.watches = 0;
  owner = ::getpid();
  release_held_signals();
}

// No thread is in the middle of a change when another one forks.
void watch_forks() {
  const auto lock = [] { registry().lock.lock(); };
  const auto unlock = [] { registry().lock.unlock(); };
  const auto unlock_in_child = [] {
    begin_anew();
    registry().lock.unlock();
  };
  static const int registered = ::pthread_atfork(lock, unlock, unlock_in_child);
  sys::check_code(registered, "pthread_atfork");
}

Place& free_place() {
  for (Place* place = places; place != nullptr; place = place->next) {
    if (place->inbox.load() == nullptr) return *place;
  }
  auto* const place = new Place;
  place->next = places;
  places = place;
  return *place;
}

Disposition& disposition_of(int signal) {
  return registry().dispositions[static_cast<std::size_t>(signal)];
}

bool is_ours(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == &on_signal;
}

// If this thread holds the signal, it waits in the kernel for watches that have ended. So SIG_IGN
// drops it (POSIX, sigaction()): the former disposition might end the process. SIGCHLD does that
// nowhere, and with SIG_IGN the system would forget children that end at this moment.
void put_back(int signal, const struct sigaction& former) {
  struct sigaction ignored = {};
  ignored.sa_handler = SIG_IGN;
  if (is_held(signal) && signal != SIGCHLD) ::sigaction(signal, &ignored, nullptr);
  ::sigaction(signal, &former, nullptr);
}

}  // namespace

void open_inbox(SignalInbox& inbox) {
  watch_forks();
  const std::lock_guard guard(registry().lock);
  if (owner != ::getpid()) begin_anew();  // the first, or a child that was not made by fork(2)
  free_place().inbox = &inbox;
}

void close_inbox(const SignalInbox& inbox) noexcept {
  const std::lock_guard guard(registry().lock);
  Place* place = places;
  while (place->inbox != &inbox) place = place->next;
  place->inbox = nullptr;
  while (place->visitors != 0) std::this_thread::sleep_for(std::chrono::microseconds(10));
}

// All signals are blocked in the handler, so it needs little stack, and real-time signals are
// handled in the order in which they were sent: signal(7).
int catch_signal(int signal) noexcept {
  struct sigaction ours = {};
  ours.sa_sigaction = on_signal;
  ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigfillset(&ours.sa_mask);
  const std::lock_guard guard(registry().lock);
  struct sigaction former = {};
  if (::sigaction(signal, &ours, &former) == -1) return errno;
  Disposition& disposition = disposition_of(signal);
  if (!is_ours(former)) disposition.former = former;
  ++disposition.watches;
  return 0;
}

void release_signal(int signal) noexcept {
  const std::lock_guard guard(registry().lock);
  Disposition& disposition = disposition_of(signal);
  if (--disposition.watches > 0) return;
  struct sigaction current = {};
  ::sigaction(signal, nullptr, &current);
  if (is_ours(current)) put_back(signal, disposition.former);
}

}  // namespace detent
