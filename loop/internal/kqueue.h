// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private, BSD and macOS. What the users of kqueue(2) have in common.
#pragma once

#include <sys/event.h>

#include <cstdint>
#include <optional>
#include <span>

#include "detent/affinity.h"
#include "detent/clock.h"
#include "detent/unique_fd.h"

namespace detent::sys {

/// A new kqueue, close-on-exec; readable while something is queued in it, for any poller.
[[nodiscard]] UniqueFd make_kqueue();

/// A change for kevent(2). `mark` comes back with each event.
[[nodiscard]] struct kevent make_change(int ident, int filter, unsigned flags,
                                        std::uint32_t notes = 0, std::int64_t data = 0,
                                        std::uint32_t mark = 0) noexcept;
[[nodiscard]] std::uint32_t mark_of(const struct kevent& event) noexcept;

/// The time since the epoch of a clock; wall, boot, else steady.
[[nodiscard]] Duration now(ClockId id) noexcept;

/// Makes a kqueue of its own readable at `deadline` on a clock, and sometimes earlier. So the woken
/// thread reads the clock, and calls this again. Replaces the previous deadline, and clears its
/// event if it came. Nullopt only clears. Throws std::system_error.
void set_timer(int kqueue, ClockId id, std::optional<Duration> deadline);

/// A kqueue that any thread and any signal handler can make readable, by EVFILT_USER.
[[nodiscard]] UniqueFd make_user_kqueue();
/// Makes it readable; false when `kqueue` is no such kqueue.
bool trigger(int kqueue) noexcept;
/// What collect() found.
enum class Collected : std::uint8_t { trigger, nothing, failed };
/// Clears the trigger. Fails, and does nothing, when `kqueue` is no such kqueue.
Collected collect(int kqueue) noexcept;

/// kevent(2): applies the changes, then waits, and may return early. Without `max_wait` it waits
/// long. Returns the number of events, or -1.
int kevents(int kqueue, std::span<const struct kevent> changes, std::span<struct kevent> events,
            std::optional<Duration> max_wait) noexcept;

/// Applies the changes in order, and stores the errno of each, or 0, in its data. Throws
/// std::system_error when the call itself fails.
void apply(int kqueue, std::span<struct kevent> changes);

/// Owns a kqueue. A forked child does not inherit it. There the number may be another file's, so
/// the child does not close it.
class Kqueue {
 public:
  Kqueue() = default;
  Kqueue(Kqueue&&) = default;
  Kqueue& operator=(Kqueue&&) = default;
  ~Kqueue() {
    if (affinity_.in_forked_child()) static_cast<void>(fd_.release());
  }
  [[nodiscard]] int fd() const noexcept { return fd_.fd(); }

 private:
  UniqueFd fd_ = make_kqueue();
  Affinity affinity_;
};

}  // namespace detent::sys
