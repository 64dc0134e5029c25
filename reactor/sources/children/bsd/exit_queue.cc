// SPDX-License-Identifier: BSL-1.0
// EVFILT_PROC, in a kqueue of their own: kqueue(2).
#include "children/exit_queue.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <map>
#include <span>

#include "kqueue.h"
#include "sys.h"

namespace detent {
namespace {

// Elsewhere than on macOS NOTE_EXIT alone has the status, of any process.
#ifdef NOTE_EXITSTATUS
constexpr std::uint32_t kStatusNote = NOTE_EXITSTATUS;
#else
constexpr std::uint32_t kStatusNote = 0;
#endif

bool has_status(const struct kevent& event) noexcept {
  return kStatusNote == 0 || (event.fflags & kStatusNote) != 0;
}

int status_of(const siginfo_t& info) noexcept {
  if (info.si_code == CLD_EXITED) return (info.si_status & 0xff) << 8;
  return info.si_status | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
}

// An errno, or 0.
int try_to_add(int kqueue, int pid, std::uint32_t notes) {
  std::array change = {sys::make_change(pid, EVFILT_PROC, EV_ADD | EV_ONESHOT, NOTE_EXIT | notes)};
  sys::apply(kqueue, change);
  return static_cast<int>(change[0].data);
}

bool is_our_zombie(int pid) noexcept {
  siginfo_t info = {};
  const int flags = WEXITED | WNOHANG | WNOWAIT;
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, flags) == 0 && info.si_pid != 0;
}

bool is_our_child(int pid) noexcept {
  siginfo_t info = {};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

using SteadyTime = std::chrono::steady_clock::time_point;

SteadyTime in_a_little_while() noexcept {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(10);
}

// Kernels report an exit a moment before the parent can wait for it (libuv#3521). So this waits a
// little, but not for a tracer, which may keep the process for as long as it likes. A sleep takes a
// whole tick of the kernel, 10 ms or more on some, so the time decides and not a count.
void wait_until_collectable(int pid, SteadyTime deadline) noexcept {
  constexpr timespec kMoment = {.tv_sec = 0, .tv_nsec = 100'000};
  while (is_our_child(pid) && !is_our_zombie(pid)) {
    if (std::chrono::steady_clock::now() >= deadline) return;
    ::nanosleep(&kMoment, nullptr);
  }
}

bool exists(int pid) noexcept { return ::kill(pid, 0) == 0 || errno == EPERM; }

}  // namespace

// A kqueue has one registration for a process, which all its watches share.
struct ExitQueue::System {
  explicit System(std::size_t most) : events(most) {}
  System(const System&) = delete;
  System& operator=(const System&) = delete;
  // A forked child does not inherit it: there the number may be another file's.
  ~System() {
    if (affinity.in_forked_child()) static_cast<void>(kqueue.release());
  }

  void add_ended(int pid, ProcessTable::Number number) {
    wait_until_collectable(pid, in_a_little_while());
    ended.push_back({.number = number, .is_last = true});
    sys::trigger(kqueue.fd());
  }
  // Allocates nothing after reserve(): the kernel reports an exit once, so it must not be lost.
  void reserve() { ended.reserve(ended.size() + numbers.size()); }
  void move_to_ended(const struct kevent& event, SteadyTime deadline) {
    const auto pid = static_cast<int>(event.ident);
    std::optional<int> status;
    if (has_status(event)) status = static_cast<int>(event.data);
    const auto [first, last] = numbers.equal_range(pid);
    if (first != last) wait_until_collectable(pid, deadline);
    for (auto each = first; each != last; ++each) ended.push_back({each->second, status, true});
    numbers.erase(first, last);
  }
  // For the last watch of the process, in the kernel too.
  void remove(int pid, ProcessTable::Number number) noexcept {
    std::erase_if(ended, [&](const Ended& each) { return each.number == number; });
    const auto [first, last] = numbers.equal_range(pid);
    const auto own = std::find_if(first, last, [&](auto& each) { return each.second == number; });
    if (own == last) return;
    numbers.erase(own);
    if (!numbers.contains(pid) && !affinity.in_forked_child()) ignore(pid);
  }
  void ignore(int pid) const noexcept {
    const std::array change = {sys::make_change(pid, EVFILT_PROC, EV_DELETE)};
    sys::kevents(kqueue.fd(), change, {}, Duration::zero());
  }

  UniqueFd kqueue = sys::make_user_kqueue();
  std::vector<struct kevent> events;
  std::multimap<int, ProcessTable::Number> numbers;  // by process
  std::vector<Ended> ended;                          // and not taken
  Affinity affinity;
};

ExitQueue::ExitQueue(std::size_t most) : system_(std::make_unique<System>(most)) {}

ExitQueue::~ExitQueue() = default;

int ExitQueue::fd() const noexcept { return system_->kqueue.fd(); }

UniqueFd ExitQueue::reserve() const { return {}; }

// The kernel may refuse a process that is ending as if there were none (libuv#3451). Or it may take
// one whose exit it has reported before. So this looks again after both.
void ExitQueue::add(ProcessTable::Number number, Process& process) {
  const int pid = process.pid;
  int error = try_to_add(fd(), pid, kStatusNote);
  if (error == EACCES && !process.tell_when_reaped) error = try_to_add(fd(), pid, 0);
  const bool is_zombie = is_our_zombie(pid);
  if (error == 0) system_->numbers.emplace(pid, number);
  if (error == 0 && !is_zombie) return;
  if (is_zombie || (error == ESRCH && (process.is_spawned || exists(pid)))) {
    system_->remove(pid, number);
    return system_->add_ended(pid, number);
  }
  // macOS has the status of children only.
  sys::fail("kevent (EVFILT_PROC)", error == EACCES ? ENOTSUP : error);
}

void ExitQueue::remove(ProcessTable::Number number, Process& process) noexcept {
  system_->remove(process.pid, number);
}

void ExitQueue::take(std::vector<Ended>& ended) {
  auto& events = system_->events;
  ended.reserve(events.size());
  system_->reserve();
  const int count = sys::kevents(fd(), {}, events, Duration::zero());
  const SteadyTime deadline = in_a_little_while();
  for (int i = 0; i < count; ++i) {
    const struct kevent& event = events[static_cast<std::size_t>(i)];
    if (event.filter == EVFILT_PROC) system_->move_to_ended(event, deadline);
  }
  auto& waiting = system_->ended;
  const auto end =
      waiting.begin() + static_cast<std::ptrdiff_t>(std::min(waiting.size(), events.size()));
  ended.assign(waiting.begin(), end);
  waiting.erase(waiting.begin(), end);
  if (!waiting.empty()) sys::trigger(fd());
}

Collected collect(const Process& process, Collect how) noexcept {
  if (how == Collect::look) {
    siginfo_t info = {};
    const auto id = static_cast<id_t>(process.pid);
    if (::waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) == -1) return {};
    if (info.si_pid == 0) return {.has_ended = false};
    return {.status = status_of(info)};
  }
  int status = 0;
  const pid_t reaped = ::waitpid(process.pid, &status, WNOHANG);
  if (reaped == -1) return {};
  if (reaped == 0) return {.has_ended = false};
  return {.status = status};
}

// Other code may have reaped it, or the kernel did since the program ignores SIGCHLD. Then another
// process may have its number. What is our child keeps it: waitid(2).
int send_signal(const Process& process, int signal) noexcept {
  if (!is_our_child(process.pid)) return ESRCH;
  const pid_t target = process.has_own_group ? -process.pid : process.pid;
  return ::kill(target, signal) == -1 ? errno : 0;
}

}  // namespace detent
