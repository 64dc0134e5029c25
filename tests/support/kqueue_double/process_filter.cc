// SPDX-License-Identifier: BSL-1.0
// EVFILT_PROC with NOTE_EXIT, by pidfd_open(2), which glibc 2.36 declares for C alone.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <memory>

#include "hidden_fd.h"
#include "knote.h"
#include "queue.h"
#include "socket_facts.h"

namespace kqueue_double {
namespace {

class ProcessKnote final : public Knote {
 public:
  using Knote::Knote;

  int attach() override {
    if ((asked_fflags_ & ~NOTE_EXITSTATUS) != NOTE_EXIT) return EINVAL;
    const bool is_number = event().ident - 1 < std::uintptr_t{std::numeric_limits<pid_t>::max()};
    if (!is_number) return ESRCH;
    process_ = HiddenFd(static_cast<int>(::syscall(SYS_pidfd_open, ident(), 0)));
    if (process_.fd() == -1) return errno == EINVAL ? ESRCH : errno;
    return queue().watch(event(), process_.fd(), EPOLLIN);
  }
  void detach() override { queue().unwatch(event(), process_.fd()); }

  bool is_true() override {
    if ((state_of(process_.fd(), POLLIN) & POLLIN) == 0) return false;
    set_flag(EV_EOF | EV_ONESHOT, true);  // it ends with the process
    event().fflags = asked_fflags_;
    event().data = (asked_fflags_ & NOTE_EXITSTATUS) != 0 ? status() : 0;
    return true;
  }

 private:
  // As wait(2) would tell it, and without doing what wait does; 0 when it is nobody's to ask.
  [[nodiscard]] int status() const {
    siginfo_t info = {};
    const auto id = static_cast<id_t>(process_.fd());
    if (::waitid(P_PIDFD, id, &info, WEXITED | WNOWAIT | WNOHANG) == -1) return 0;
    if (info.si_code == CLD_EXITED) return W_EXITCODE(info.si_status, 0);
    return info.si_status | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
  }

  HiddenFd process_;
};

}  // namespace

std::unique_ptr<Knote> make_process_knote(Queue& queue, const struct kevent& change) {
  return std::make_unique<ProcessKnote>(queue, change);
}

}  // namespace kqueue_double
