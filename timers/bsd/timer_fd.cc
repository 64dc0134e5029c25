// SPDX-License-Identifier: BSL-1.0
// The kernel's timer only wakes: kqueue(2). The code here reads the clock to decide what is due,
// and how often. So a grid does not drift, and an early wake-up does no harm.
#include "detent/timer_fd.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "kqueue.h"
#include "sys.h"
#include "wall_offset.h"

namespace detent {

struct TimerFd::State {
  State(ClockId clock, Mode mode) : own_clock(clock), blocking(mode == Mode::blocking) {}

  Setting set(ClockId by, std::optional<Duration> deadline, Duration period, bool cancel);
  [[nodiscard]] Setting setting() const;
  std::uint64_t take_expirations();
  bool take_cancellation();
  void wake_at_next() { sys::set_timer(kqueue.fd(), clock, next); }

  const ClockId own_clock;
  const bool blocking;
  const sys::Kqueue kqueue;

  std::mutex mutex;           // guards the rest: another thread may arm while one waits in read()
  ClockId clock = own_clock;  // the clock of `next`
  std::optional<Duration> next;  // since the clock's epoch; none: disarmed
  Duration interval = {};
  std::optional<WallOffset> offset;  // cancel when the wall clock was set since
};

TimerFd::Setting TimerFd::State::set(ClockId by, std::optional<Duration> deadline, Duration period,
                                     bool cancel) {
  if (period < Duration::zero()) throw std::invalid_argument("TimerFd: negative interval");
  const std::lock_guard lock(mutex);
  const Setting before = setting();
  clock = by;
  next = deadline;
  interval = period;
  offset.reset();
  if (cancel) offset.emplace(kernel_clock());
  wake_at_next();
  return before;
}

TimerFd::Setting TimerFd::State::setting() const {
  if (!next) return {};
  const Duration left = *next - sys::now(clock);
  if (left > Duration::zero()) return {.initial = left, .interval = interval};
  if (interval == Duration::zero()) return {};
  return {.initial = interval + left % interval, .interval = interval};
}

std::uint64_t TimerFd::State::take_expirations() {
  if (!next) return 0;
  const Duration late = sys::now(clock) - *next;
  if (late < Duration::zero()) return 0;
  if (interval == Duration::zero()) {
    next.reset();
    return 1;
  }
  const auto passed = late / interval;
  next = saturating_add(*next + passed * interval, interval);
  return static_cast<std::uint64_t>(passed) + 1;
}

bool TimerFd::State::take_cancellation() { return offset && offset->measure().has_value(); }

void TimerFd::Delete::operator()(State* state) const noexcept { delete state; }

TimerFd::TimerFd(ClockId clock, Mode mode) {
  // No kqueue wakes a suspended machine.
  const bool wakes = clock == ClockId::boot_alarm || clock == ClockId::wall_alarm;
  if (wakes) sys::fail("TimerFd", ENOTSUP);
  state_.reset(new State(clock, mode));
}

int TimerFd::fd() const noexcept { return state_ ? state_->kqueue.fd() : -1; }

// By the steady or boot clock, since setting the wall clock does not change a length of time.
TimerFd::Setting TimerFd::arm(Duration initial, Duration interval) {
  if (!state_) sys::fail("kevent", EBADF);
  const ClockId by = state_->own_clock == ClockId::boot ? ClockId::boot : ClockId::steady;
  const Duration deadline = saturating_add(sys::now(by), std::max(initial, Duration::zero()));
  return state_->set(by, deadline, interval, false);
}

TimerFd::Setting TimerFd::arm_at_instant(Duration since_epoch, Duration interval,
                                         OnClockSet on_clock_set) {
  if (!state_) sys::fail("kevent", EBADF);
  const ClockId by = state_->own_clock;
  const bool cancel = by == ClockId::wall && on_clock_set == OnClockSet::cancel;
  return state_->set(by, std::max(since_epoch, Duration::zero()), interval, cancel);
}

TimerFd::Setting TimerFd::disarm() {
  if (!state_) sys::fail("kevent", EBADF);
  return state_->set(state_->own_clock, std::nullopt, {}, false);
}

TimerFd::Setting TimerFd::setting() const {
  if (!state_) sys::fail("kevent", EBADF);
  const std::lock_guard lock(state_->mutex);
  return state_->setting();
}

// Waits without the lock. So it may collect the wake-up of another call. This does no harm: the
// clock decides what is due, and the kernel's timer is armed again.
std::uint64_t TimerFd::read() {
  if (!state_) sys::fail("kevent", EBADF);
  for (;;) {
    {
      const std::lock_guard lock(state_->mutex);
      const bool cancelled = state_->take_cancellation();
      const std::uint64_t expirations = state_->take_expirations();
      state_->wake_at_next();
      if (cancelled) sys::fail("TimerFd::read", ECANCELED);
      if (expirations > 0 || !state_->blocking) return expirations;
    }
    std::array<struct kevent, 1> event = {};
    const int count = sys::kevents(fd(), {}, event, std::nullopt);
    if (count == -1 && errno != EINTR) sys::fail("kevent");
  }
}

}  // namespace detent
