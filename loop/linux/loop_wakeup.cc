// SPDX-License-Identifier: BSL-1.0
// An eventfd with two numbers. The loop watches one; the other is for signals alone. So nothing is
// ever written to, or read from, a number that other code may have closed, and whose file may be
// another by now. epoll watches the file, so it hears the signals even then.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "loop_wakeup.h"
#include "sys.h"

namespace detent {
namespace {

// Low numbers are those that other code had before, and may close once too often.
constexpr int kOutOfTheWay = 100;

int duplicate(int fd) noexcept {
  const int high = ::fcntl(fd, F_DUPFD_CLOEXEC, kOutOfTheWay);
  return high != -1 ? high : ::fcntl(fd, F_DUPFD_CLOEXEC, 0);  // the limit is low
}

// fcntl(2), but not by the C library's function, whose own instructions would be a good part of
// those of a wake-up.
int ask(const UniqueFd& fd, int question, int argument) noexcept {
  return static_cast<int>(::syscall(SYS_fcntl, fd.fd(), question, argument));
}

// F_DUPFD_QUERY, which glibc does not name yet: whether two numbers mean one file. Linux
// before 6.10 says EINVAL, and so does valgrind, with a warning. Then F_GETFD tells at least
// whether it is open.
constexpr int kIsSameFile = 1027;
constexpr int kYes = 1;
static_assert(kYes == FD_CLOEXEC, "F_GETFD's answer too");

bool write_one(int fd) noexcept {
  const std::uint64_t one = 1;
  return ::write(fd, &one, sizeof one) != -1 || errno == EAGAIN;  // full, so readable
}

}  // namespace

const bool LoopWakeup::kWatchesBoth = false;

LoopWakeup::LoopWakeup()
    : watched_(sys::check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      spare_(sys::check(duplicate(watched_.fd()), "fcntl")),
      first_(spare_.fd()),
      second_(watched_.fd()),
      question_(kIsSameFile) {}

LoopWakeup::~LoopWakeup() = default;

void LoopWakeup::signal() const noexcept {
  const sys::KeepErrno keep;
  if (!write_one(first_.load())) write_one(second_.load());
}

// Each write is an edge, though nobody has read what was there before.
Interest LoopWakeup::interest(const Poller& poller) noexcept {
  const bool edge = poller.capabilities().edge;
  return {.readable = true, .trigger = edge ? Trigger::edge : Trigger::level};
}

bool LoopWakeup::clear() noexcept {
  std::uint64_t count = 0;
  return ::read(first_.load(), &count, sizeof count) != -1;
}

// Where edges are told nothing has to be read, and in place of that call there is one that asks.
bool LoopWakeup::is_whole() noexcept {
  const bool whole = edge_ ? ask(watched_, question_, spare_.fd()) == kYes : clear();
  return whole || find_out();
}

// A level that is not readable: another file was, or other code has read this one. Where the kernel
// cannot compare the first is assumed.
[[gnu::noinline]] bool LoopWakeup::find_out() noexcept {
  if (!spare_) return true;
  const int same = ask(watched_, kIsSameFile, spare_.fd());
  if (same != -1 || errno != EINVAL) return same == kYes;
  question_ = F_GETFD;
  return edge_ && ask(watched_, F_GETFD, 0) != -1;
}

}  // namespace detent
