// SPDX-License-Identifier: BSL-1.0
#include "kqueue.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys.h"
#include "wait_time.h"

namespace detent::sys {
namespace {

constexpr int kOnlyOne = 0;
// The kernel does not report that the wall clock was set. So a wall timer goes off this often, to
// have the clock read.
constexpr Duration kWallClockLook = std::chrono::seconds(10);
// No kernel refuses this. Each has its own maximum.
constexpr Duration kLongestTimer = std::chrono::hours(24 * 365);
// Without a unit, the kernel counts milliseconds.
#ifdef NOTE_CRITICAL  // else macOS groups timers: kevent(2)
constexpr std::uint32_t kTimerNotes = NOTE_NSECONDS | NOTE_CRITICAL;
#else
constexpr std::uint32_t kTimerNotes = NOTE_NSECONDS;
#endif

int change_user_event(int kqueue, unsigned flags, std::uint32_t notes) noexcept {
  const std::array changes = {make_change(kOnlyOne, EVFILT_USER, flags, notes)};
  return kevents(kqueue, changes, {}, Duration::zero());
}

}  // namespace

UniqueFd make_kqueue() {
  UniqueFd kqueue(check(::kqueue(), "kqueue"));
  check(::fcntl(kqueue.fd(), F_SETFD, FD_CLOEXEC), "fcntl");
  return kqueue;
}

UniqueFd make_user_kqueue() {
  UniqueFd kqueue = make_kqueue();
  check(change_user_event(kqueue.fd(), EV_ADD | EV_CLEAR, NOTE_FFNOP), "kevent");
  return kqueue;
}

bool trigger(int kqueue) noexcept { return change_user_event(kqueue, 0, NOTE_TRIGGER) != -1; }

// EV_CLEAR: collecting the event clears the trigger. The change has no effect. It fails when
// `kqueue` is no such kqueue, and then the call does nothing else.
Collected collect(int kqueue) noexcept {
  const std::array changes = {make_change(kOnlyOne, EVFILT_USER, 0, NOTE_FFNOP)};
  std::array<struct kevent, 1> event = {};
  const int count = kevents(kqueue, changes, event, Duration::zero());
  if (count == 0) return Collected::nothing;
  const bool failed = count == -1 || (event[0].flags & EV_ERROR) != 0;
  return failed ? Collected::failed : Collected::trigger;
}

struct kevent make_change(int ident, int filter, unsigned flags, std::uint32_t notes,
                          std::int64_t data, std::uint32_t mark) noexcept {
  // Not EV_SET: the systems' macros differ in what they convert.
  struct kevent change = {};
  change.ident = static_cast<decltype(change.ident)>(ident);
  change.filter = static_cast<decltype(change.filter)>(filter);
  change.flags = static_cast<decltype(change.flags)>(flags);
  change.fflags = notes;
  change.data = static_cast<decltype(change.data)>(data);
  change.udata = reinterpret_cast<void*>(static_cast<std::uintptr_t>(mark));
  return change;
}

std::uint32_t mark_of(const struct kevent& event) noexcept {
  return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(event.udata));
}

int kevents(int kqueue, std::span<const struct kevent> changes, std::span<struct kevent> events,
            std::optional<Duration> max_wait) noexcept {
  const timespec exact = to_timespec(std::min(max_wait.value_or(kLongestWait), kLongestWait));
  return ::kevent(kqueue, changes.data(), static_cast<int>(changes.size()), events.data(),
                  static_cast<int>(events.size()), &exact);
}

// The kernel writes a receipt after it has read its change, so one array may be both: kevent(2).
void apply(int kqueue, std::span<struct kevent> changes) {
  for (struct kevent& change : changes) change.flags |= EV_RECEIPT;
  check(kevents(kqueue, changes, changes, Duration::zero()), "kevent");
}

Duration now(ClockId id) noexcept {
  const Clock& clock = kernel_clock();
  if (id == ClockId::wall) return clock.wall_now().time_since_epoch();
  if (id == ClockId::boot) return clock.boot_now().time_since_epoch();
  return clock.now().time_since_epoch();
}

// Gives EVFILT_TIMER the time that is left. The systems' absolute timers follow different clocks,
// and refuse instants that have passed. It may go off a little early.
void set_timer(int kqueue, ClockId id, std::optional<Duration> deadline) {
  const Duration left = deadline ? saturating_subtract(*deadline, now(id)) : Duration::zero();
  const Duration most = id == ClockId::wall ? kWallClockLook : kLongestTimer;
  const Duration delay = std::clamp(left, Duration(1), most);  // some refuse 0
  // EV_ADD alone would not clear an expiry that waits to be collected.
  std::array changes = {
      make_change(kOnlyOne, EVFILT_TIMER, EV_DELETE),
      make_change(kOnlyOne, EVFILT_TIMER, EV_ADD | EV_ONESHOT, kTimerNotes, delay.count())};
  const auto wanted = std::span(changes).first(deadline ? 2 : 1);
  apply(kqueue, wanted);
  for (const struct kevent& receipt : wanted) {
    const auto error = static_cast<int>(receipt.data);
    if (error != 0 && error != ENOENT) fail("kevent", error);  // ENOENT: there was none
  }
}

}  // namespace detent::sys
