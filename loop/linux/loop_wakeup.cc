// SPDX-License-Identifier: BSL-1.0
// An eventfd with two numbers. The loop watches one, and writes and reads signals by the other. So
// it does not use a number that other code may have closed and reused, unless the other number
// fails. epoll watches the file, so signals reach it even then.
#include "loop_wakeup.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "sys.h"

namespace detent {
namespace {

// Other code uses low numbers, and may close one of them once too often.
constexpr int kOutOfTheWay = 100;

int duplicate(int fd) noexcept {
  const int high = ::fcntl(fd, F_DUPFD_CLOEXEC, kOutOfTheWay);
  return high != -1 ? high : ::fcntl(fd, F_DUPFD_CLOEXEC, 0);  // the limit is low
}

// fcntl(2) without the C library's function, whose instructions would be a large part of those of a
// wake-up.
int ask(const UniqueFd& fd, int question, int argument) noexcept {
  return static_cast<int>(::syscall(SYS_fcntl, fd.fd(), question, argument));
}

// F_DUPFD_QUERY: whether two numbers mean one file. glibc does not name it yet. Linux before 6.10
// answers EINVAL, and so does valgrind, with a warning. Then F_GETFD at least shows whether the
// number is open.
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

// Each write is an edge, even if the signals before it were not read.
Interest LoopWakeup::interest(const Poller& poller) noexcept {
  const bool edge = poller.capabilities().edge;
  return {.readable = true, .trigger = edge ? Trigger::edge : Trigger::level};
}

bool LoopWakeup::clear() noexcept {
  std::uint64_t count = 0;
  return ::read(first_.load(), &count, sizeof count) != -1;
}

// With edges nothing has to be read. Instead of that call there is one that checks the file.
bool LoopWakeup::is_whole() noexcept {
  const bool whole = edge_ ? ask(watched_, question_, spare_.fd()) == kYes : clear();
  return whole || find_out();
}

// With a level, nothing to read means that another file was ready, or that other code read this
// one. Where the kernel cannot compare the files, assumes another file.
[[gnu::noinline]] bool LoopWakeup::find_out() noexcept {
  if (!spare_) return true;
  const int same = ask(watched_, kIsSameFile, spare_.fd());
  if (same != -1 || errno != EINVAL) return same == kYes;
  question_ = F_GETFD;
  return edge_ && ask(watched_, F_GETFD, 0) != -1;
}

}  // namespace detent
