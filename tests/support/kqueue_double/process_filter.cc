// SPDX-License-Identifier: BSL-1.0
// EVFILT_PROC with NOTE_EXIT, by pidfd_open(2), which glibc 2.36 declares for C alone.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <limits>
#include <memory>
#include <optional>

#include "hidden_fd.h"
#include "knote.h"
#include "kqueue_double.h"
#include "queue.h"
#include "socket_facts.h"

namespace kqueue_double {
namespace {

constinit std::atomic<Zombies> zombies = Zombies::reported;

// PIDFD_GET_INFO: once a process is reaped, Linux 6.15 knows its status.
std::optional<int> status_after_reaping(int pidfd) {
  struct Info {
    std::uint64_t mask;
    std::uint64_t cgroup;
    std::uint32_t ids[11];
    std::int32_t exit_code;
  } info = {};
  constexpr std::uint64_t kExit = 1U << 3;
  info.mask = kExit;
  if (::ioctl(pidfd, _IOWR(0xFF, 11, Info), &info) == -1 || (info.mask & kExit) == 0) return {};
  return info.exit_code;
}

class ProcessKnote final : public Knote {
 public:
  using Knote::Knote;

  int attach() override {
    if ((asked_fflags_ & ~NOTE_EXITSTATUS) != NOTE_EXIT) return EINVAL;
    const bool is_number = event().ident - 1 < std::uintptr_t{std::numeric_limits<pid_t>::max()};
    if (!is_number) return ESRCH;
    process_ = HiddenFd(static_cast<int>(::syscall(SYS_pidfd_open, ident(), 0)));
    if (process_.fd() == -1) return errno == EINVAL ? ESRCH : errno;
    if ((asked_fflags_ & NOTE_EXITSTATUS) != 0 && !is_our_child()) return EACCES;
    is_silent_ = zombies == Zombies::silent && has_ended();
    if (zombies == Zombies::unknown && has_ended()) return ESRCH;
    return queue().watch(event(), process_.fd(), EPOLLIN);
  }
  void detach() override { queue().unwatch(event(), process_.fd()); }

  bool is_true() override {
    if (is_silent_ || !has_ended()) return false;
    set_flag(EV_EOF | EV_ONESHOT, true);  // it ends with the process
    const bool is_asked = (asked_fflags_ & NOTE_EXITSTATUS) != 0;
    const std::optional<int> known = is_asked ? status() : std::nullopt;
    event().fflags = known ? asked_fflags_ : asked_fflags_ & ~NOTE_EXITSTATUS;
    event().data = known.value_or(0);
    return true;
  }

 private:
  [[nodiscard]] bool has_ended() const { return (state_of(process_.fd(), POLLIN) & POLLIN) != 0; }
  [[nodiscard]] bool is_our_child() const {
    siginfo_t info = {};
    const auto id = static_cast<id_t>(process_.fd());
    return ::waitid(P_PIDFD, id, &info, WEXITED | WNOWAIT | WNOHANG) == 0;
  }
  // As wait(2) would tell it, and without doing what wait does.
  [[nodiscard]] std::optional<int> status() const {
    siginfo_t info = {};
    const auto id = static_cast<id_t>(process_.fd());
    if (::waitid(P_PIDFD, id, &info, WEXITED | WNOWAIT | WNOHANG) == -1) {
      return status_after_reaping(process_.fd());
    }
    if (info.si_pid == 0) return {};  // a tracer has it
    if (info.si_code == CLD_EXITED) return W_EXITCODE(info.si_status, 0);
    return info.si_status | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
  }

  HiddenFd process_;
  bool is_silent_ = false;
};

}  // namespace

void set_zombies(Zombies are) noexcept { zombies = are; }

std::unique_ptr<Knote> make_process_knote(Queue& queue, const struct kevent& change) {
  return std::make_unique<ProcessKnote>(queue, change);
}

}  // namespace kqueue_double
