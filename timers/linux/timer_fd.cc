// SPDX-License-Identifier: BSL-1.0
#include "detent/timer_fd.h"

#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "sys.h"
#include "timerfd.h"
#include "wait_time.h"

namespace detent {
namespace {

TimerFd::Setting to_setting(const itimerspec& native) {
  return {.initial = sys::to_duration(native.it_value),
          .interval = sys::to_duration(native.it_interval)};
}

TimerFd::Setting set(int fd, int flags, Duration initial, Duration interval) {
  if (interval < Duration::zero()) throw std::invalid_argument("TimerFd: negative interval");
  const itimerspec wanted = {.it_interval = to_timespec(interval),
                             .it_value = to_timespec(initial)};
  itimerspec before = {};
  // ECANCELED: the clock was set since the last call; the timer is armed all the same.
  const int result = ::timerfd_settime(fd, flags, &wanted, &before);
  if (result == -1 && errno != ECANCELED) sys::fail("timerfd_settime");
  return to_setting(before);
}

}  // namespace

// The kernel keeps all the rest.
struct TimerFd::State {
  UniqueFd fd;
};

void TimerFd::Delete::operator()(State* state) const noexcept { delete state; }

TimerFd::TimerFd(ClockId clock, Mode mode)
    : state_(new State{sys::make_timerfd(clock, mode == Mode::non_blocking ? TFD_NONBLOCK : 0)}) {}

int TimerFd::fd() const noexcept { return state_ ? state_->fd.fd() : -1; }

// For the kernel an initial time of 0 means "disarm", so "at once" is one nanosecond.
TimerFd::Setting TimerFd::arm(Duration initial, Duration interval) {
  return set(fd(), 0, std::max(initial, Duration(1)), interval);
}

TimerFd::Setting TimerFd::arm_at_instant(Duration since_epoch, Duration interval,
                                         OnClockSet on_clock_set) {
  const int cancel = on_clock_set == OnClockSet::cancel ? TFD_TIMER_CANCEL_ON_SET : 0;
  return set(fd(), TFD_TIMER_ABSTIME | cancel, std::max(since_epoch, Duration(1)), interval);
}

TimerFd::Setting TimerFd::disarm() { return set(fd(), 0, {}, {}); }

TimerFd::Setting TimerFd::setting() const {
  itimerspec native = {};
  sys::check(::timerfd_gettime(fd(), &native), "timerfd_gettime");
  return to_setting(native);
}

std::uint64_t TimerFd::read() {
  std::uint64_t expirations = 0;
  while (::read(fd(), &expirations, sizeof expirations) == -1) {
    if (errno == EAGAIN) return 0;
    if (errno != EINTR) sys::fail("read");
  }
  return expirations;
}

}  // namespace detent
