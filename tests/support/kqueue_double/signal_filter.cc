// SPDX-License-Identifier: BSL-1.0
// EVFILT_SIGNAL, by a handler that counts and then does what the program's disposition says. (With
// signalfd(2) the signal would have to be blocked, and deliveries would merge into one.)
#include <signal.h>

#include <array>
#include <cerrno>
#include <memory>

#include "kernel.h"
#include "knote.h"
#include "queue.h"

namespace kqueue_double {
namespace {

class SignalKnote;

// What the program has set, and how many registrations there are of a signal.
struct Watched {
  struct sigaction disposition = {};
  int knotes = 0;
};
std::array<Watched, NSIG> watched = {};

bool is_ignored_by_default(int signal) {
  return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
}

void count_delivery(int signal);

void on_signal(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  count_delivery(signal);
  const struct sigaction& program = watched.at(static_cast<std::size_t>(signal)).disposition;
  if ((program.sa_flags & SA_SIGINFO) != 0) {
    program.sa_sigaction(signal, info, context);
  } else if (program.sa_handler == SIG_IGN || program.sa_handler == SIG_DFL) {
    hide_this_interruption();
  } else {
    program.sa_handler(signal);
  }
  errno = error;
}

class SignalKnote final : public Knote {
 public:
  using Knote::Knote;

  int attach() override {
    if (event().ident == 0 || event().ident >= NSIG) return EINVAL;
    set_flag(EV_CLEAR, true);
    if (entry().knotes++ == 0) install_handler();
    return 0;
  }

  void detach() override {
    if (--entry().knotes > 0) return;
    struct sigaction current = {};
    ::sigaction(ident(), nullptr, &current);
    const bool is_ours = (current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == &on_signal;
    if (is_ours) ::sigaction(ident(), &entry().disposition, nullptr);
  }

  void count() {
    ++deliveries_;
    activate();
  }

  bool is_true() override {
    event().data = deliveries_;
    return deliveries_ > 0;
  }

  void clear() override {
    Knote::clear();
    deliveries_ = 0;
  }

 private:
  Watched& entry() { return watched.at(event().ident); }

  void install_handler() {
    ::sigaction(ident(), nullptr, &entry().disposition);
    struct sigaction ours = entry().disposition;
    const bool has_handler = (ours.sa_flags & SA_SIGINFO) != 0 ||
                             (ours.sa_handler != SIG_DFL && ours.sa_handler != SIG_IGN);
    // Else it ends the process, registered or not.
    if (!has_handler && ours.sa_handler == SIG_DFL && !is_ignored_by_default(ident())) return;
    ours.sa_sigaction = &on_signal;
    ours.sa_flags |= SA_SIGINFO;
    ours.sa_flags &= ~static_cast<int>(SA_RESETHAND);
    if (!has_handler) ours.sa_flags |= SA_RESTART;
    ::sigaction(ident(), &ours, nullptr);
  }

  std::intptr_t deliveries_ = 0;
};

void count_delivery(int signal) {
  const InKernel in_kernel;
  for (const auto& [number, queue] : kernel().queues) {
    Knote* const knote = queue->find(EVFILT_SIGNAL, static_cast<std::uintptr_t>(signal));
    if (knote != nullptr) static_cast<SignalKnote*>(knote)->count();
  }
}

}  // namespace

std::unique_ptr<Knote> make_signal_knote(Queue& queue, const struct kevent& change) {
  return std::make_unique<SignalKnote>(queue, change);
}

}  // namespace kqueue_double
