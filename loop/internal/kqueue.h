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

/// Makes a kqueue that is used for nothing else readable once it is `deadline` on a clock, now and
/// then before; whoever is woken reads the clock, and calls this again. Takes back the deadline
/// before, and what has come of it; nullopt does only that. Throws std::system_error.
void set_timer(int kqueue, ClockId id, std::optional<Duration> deadline);

/// A kqueue that any thread and any signal handler can make readable, by EVFILT_USER.
[[nodiscard]] UniqueFd make_user_kqueue();
/// Makes it readable; false when that is no such kqueue.
bool trigger(int kqueue) noexcept;
/// What there was to take back.
enum class Collected : std::uint8_t { trigger, nothing, failed };
/// Takes that back; fails, and does nothing, when that is no such kqueue.
Collected collect(int kqueue) noexcept;

/// kevent(2): applies the changes, then waits, for ever without `max_wait`, and may come back
/// early. How many events there are, or -1.
int kevents(int kqueue, std::span<const struct kevent> changes, std::span<struct kevent> events,
            std::optional<Duration> max_wait) noexcept;

/// Applies the changes in their order, and puts the errno of each, 0 if it went well, into its
/// data. Throws std::system_error when the call itself fails.
void apply(int kqueue, std::span<struct kevent> changes);

/// Owns a kqueue. A forked child does not inherit it: there the number may be anybody's, and is
/// left alone.
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
