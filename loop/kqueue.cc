// SPDX-License-Identifier: BSL-1.0
#include "kqueue.h"

#include <fcntl.h>

#include <algorithm>

#include "sys.h"
#include "wait_time.h"

namespace detent::sys {

UniqueFd make_kqueue() {
  UniqueFd kqueue(check(::kqueue(), "kqueue"));
  check(::fcntl(kqueue.fd(), F_SETFD, FD_CLOEXEC), "fcntl");
  return kqueue;
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

}  // namespace detent::sys
