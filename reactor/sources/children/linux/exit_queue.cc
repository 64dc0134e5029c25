// SPDX-License-Identifier: BSL-1.0
// pidfd_open(2), in an epoll of their own. A pidfd names its process for good: no other process can
// be meant by it, even after the number is used again.
#include "children/exit_queue.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include "detent/affinity.h"
#include "sys.h"

namespace detent {
namespace {

// PIDFD_GET_INFO of linux/pidfd.h, which is newer than some systems' headers.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup;
  std::uint32_t ids[11];
  std::int32_t exit_code;  // a wait status
};
constexpr std::uint64_t kExitInfo = 1U << 3;
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);

bool get_info(int pidfd, PidfdInfo& info) noexcept {
  info = {};
  info.mask = kExitInfo;
  return ::ioctl(pidfd, kGetInfo, &info) == 0;
}

// The kernel knows the status only of a process that was reaped, by whomever: since Linux 6.15.
std::optional<int> status_after_reaping(int pidfd) noexcept {
  PidfdInfo info;
  if (!get_info(pidfd, info) || (info.mask & kExitInfo) == 0) return std::nullopt;
  return info.exit_code;
}

int status_of(const siginfo_t& info) noexcept {
  if (info.si_code == CLD_EXITED) return W_EXITCODE(info.si_status, 0);
  return info.si_status | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
}

UniqueFd open_process(const Process& process) {
  // glibc 2.36 declares pidfd_open for C alone.
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  if (!pidfd && errno == ESRCH && process.is_spawned) {
    // A counter that is not zero stands for it: readable, and no process.
    pidfd.reset(::eventfd(1, EFD_CLOEXEC));
  }
  // The number of a thread is that of no process: ENOENT, and EINVAL before Linux 6.9.
  if (!pidfd && (errno == ENOENT || errno == EINVAL)) errno = ESRCH;
  if (!pidfd) sys::fail("pidfd_open");
  return pidfd;
}

}  // namespace

struct ExitQueue::System {
  explicit System(std::size_t most)
      : epoll(sys::check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")), events(most) {}

  UniqueFd epoll;
  std::vector<epoll_event> events;
  Affinity affinity;
};

ExitQueue::ExitQueue(std::size_t most) : system_(std::make_unique<System>(most)) {}

ExitQueue::~ExitQueue() = default;

int ExitQueue::fd() const noexcept { return system_->epoll.fd(); }

UniqueFd ExitQueue::reserve() const {
  return UniqueFd(sys::check(::fcntl(fd(), F_DUPFD_CLOEXEC, 0), "fcntl"));
}

// Edges: a tracer may keep a process that has ended from its parent. It is readable all that time,
// and reported once more when the tracer lets it go.
void ExitQueue::add(ProcessTable::Number number, Process& process) {
  UniqueFd pidfd = open_process(process);
  // Reaped is a hang-up, which is always reported: pidfd_open(2).
  epoll_event event = {.events = EPOLLET | (process.tell_when_reaped ? 0U : EPOLLIN),
                       .data = {.u32 = number}};
  if (PidfdInfo info; process.tell_when_reaped && !get_info(pidfd.fd(), info) && errno != ESRCH) {
    sys::fail("ioctl (PIDFD_GET_INFO)", ENOTSUP);
  }
  sys::check(::epoll_ctl(fd(), EPOLL_CTL_ADD, pidfd.fd(), &event), "epoll_ctl");
  process.fd = std::move(pidfd);
}

// Closing alone would not do: a forked child has a copy, which keeps it in the epoll.
void ExitQueue::remove(ProcessTable::Number /*number*/, Process& process) noexcept {
  if (!system_->affinity.in_forked_child()) {
    ::epoll_ctl(fd(), EPOLL_CTL_DEL, process.fd.fd(), nullptr);
  }
  process.fd.reset();
}

// An edge comes once, so nothing may fail after the wait.
void ExitQueue::take(std::vector<Ended>& ended) {
  ended.clear();
  auto& events = system_->events;
  ended.reserve(events.size());
  const int count = ::epoll_wait(fd(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    ended.push_back({.number = events[static_cast<std::size_t>(i)].data.u32});
  }
}

// Fails for what is no child of ours, and for a child that other code reaped, or that the kernel
// did since the program ignores SIGCHLD: waitid(2).
Collected collect(const Process& process, Collect how) noexcept {
  siginfo_t info = {};
  const auto id = static_cast<id_t>(process.fd.fd());
  const int flags = WEXITED | WNOHANG | (how == Collect::look ? WNOWAIT : 0);
  if (::waitid(P_PIDFD, id, &info, flags) == -1) {
    return {.status = status_after_reaping(process.fd.fd())};
  }
  if (info.si_pid == 0) return {.has_ended = false};
  return {.status = status_of(info)};
}

// A zombie keeps its number and that of its group, so no other process gets the signal.
int send_signal(const Process& process, int signal) noexcept {
  const int asked = process.has_own_group ? 0 : signal;
  const long result = ::syscall(SYS_pidfd_send_signal, process.fd.fd(), asked, nullptr, 0);
  if (result == -1) return errno == EBADF ? ESRCH : errno;  // EBADF: the counter
  if (!process.has_own_group) return 0;
  return ::kill(-process.pid, signal) == -1 ? errno : 0;
}

}  // namespace detent
