// SPDX-License-Identifier: BSL-1.0
/// \file
/// Waits on the kernel for many descriptors at once. Usable by itself, without a reactor.
///
///     auto poller = detent::make_poller();                 // epoll on Linux
///     poller->add(fd, {.readable = true}, {.slot = 1, .generation = 1});
///     std::array<detent::Event, 64> room;
///     for (const detent::Event& event : poller->wait(room, 3s)) use(event.id.slot, event.ready);
///
/// A poller knows only descriptors and numbers. It calls no callback, does not own the descriptors
/// that it watches, and keeps no time beyond one wait.
#pragma once

#include <climits>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "detent/handler_id.h"
#include "detent/time.h"

namespace detent {

/// When a ready descriptor is reported.
enum class Trigger : std::uint8_t {
  level,    ///< At every wait while it is ready.
  edge,     ///< Once each time that it becomes ready: read or write until it would block.
  one_shot  ///< Once; then it stays registered, and silent until `modify`.
};

/// What to wait for. "Readable" means that a read would not block, not that there is data. An empty
/// interest is legal: the descriptor stays registered, but the kernel does not watch it.
struct Interest {
  bool readable : 1 = false;
  bool writable : 1 = false;
  bool priority : 1 = false;  ///< Urgent data and the like: poll(2), POLLPRI.
  Trigger trigger = Trigger::level;

  [[nodiscard]] constexpr bool empty() const noexcept {
    return !readable && !writable && !priority;
  }
  friend bool operator==(const Interest&, const Interest&) = default;
};

/// What happened. `hangup`, `error` and `invalid` come unasked; ask for `readable` to get
/// `read_closed`. One byte, so that comparing or combining two takes one instruction.
struct Ready {
  bool readable : 1 = false;
  bool writable : 1 = false;
  bool priority : 1 = false;
  bool read_closed : 1 = false;  ///< The peer will send no more.
  bool hangup : 1 = false;       ///< Both directions are closed. Implies readable.
  bool error : 1 = false;        ///< On a socket, SO_ERROR has its code.
  bool invalid : 1 = false;      ///< The descriptor was closed while registered; see `wait`.

  friend bool operator==(const Ready&, const Ready&) = default;
};

/// The bits that both have.
[[nodiscard]] constexpr Ready operator&(Ready a, Ready b) noexcept {
  // Compilers turn & into one instruction, but not &&.
  return {.readable = (a.readable & b.readable) != 0,
          .writable = (a.writable & b.writable) != 0,
          .priority = (a.priority & b.priority) != 0,
          .read_closed = (a.read_closed & b.read_closed) != 0,
          .hangup = (a.hangup & b.hangup) != 0,
          .error = (a.error & b.error) != 0,
          .invalid = (a.invalid & b.invalid) != 0};
}

struct Event {
  HandlerId id;  ///< As given to `add` or last `modify`.
  Ready ready;
};

/// What a poller can do, so that callers need not try and catch.
struct Capabilities {
  bool edge = false;           ///< Trigger::edge; without it, `not_supported` at registration.
  bool priority = false;       ///< Interest::priority; without it, `not_supported` as well.
  bool read_closed = false;    ///< Ready::read_closed.
  bool hangup = false;         ///< Ready::hangup and Ready::error as such, not as readable.
  bool native_handle = false;  ///< One descriptor stands for all: native_handle().
  /// The poller notices that a number was closed and reused without `remove`. Without it, the
  /// poller reports the new file's events under the old id.
  bool file_identity = false;
  /// Numbers from here on are invalid_argument at registration: select(2), FD_SETSIZE.
  int descriptor_limit = INT_MAX;
};

/// The contract of all pollers. A descriptor number can be registered once.
///
/// One thread at a time, whichever it is. The io_uring poller makes a new ring for another thread.
/// After native_handle() it cannot, and throws std::logic_error there.
///
/// All pollers have the same four errors, as std::system_error that names the call and the
/// descriptor, "Poller::add(7): File exists":
///  - file_exists: `add` of a number that is registered, even if its file was closed and the number
///    means another file now.
///  - no_such_file_or_directory: `modify` or `remove` of a number that is not registered.
///  - bad_file_descriptor: `add` of a number that is not open.
///  - operation_not_permitted: `add` of a regular file or a directory, on which no wait is possible
///    (detent::Files tells of its changes).
/// Remove a descriptor before closing it.
class Poller {
 public:
  Poller() = default;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  virtual ~Poller() = default;

  /// Registers `fd`; its events will carry `id`. Also throws not_supported for an interest that
  /// capabilities() does not list, and invalid_argument for the poller's own native handle.
  virtual void add(int fd, Interest interest, HandlerId id) = 0;

  /// Replaces interest and id, and arms a one-shot or an edge anew. A poller may delay the change
  /// until `wait`. So a closed descriptor may show only there, as `invalid`.
  virtual void modify(int fd, Interest interest, HandlerId id) = 0;

  /// Forgets `fd`, which may be closed already. Never delayed, so the caller may close `fd` next.
  virtual void remove(int fd) = 0;

  /// Applies changes, then waits until a descriptor is ready or `max_wait` has passed. Writes the
  /// events to the beginning of `room` and returns that part. Later waits report what found no
  /// room: none starve, and equal ones come equally often. Without max_wait it waits for ever; with
  /// zero or less it does not wait. Never returns early with nothing: signals do not end the wait,
  /// and times are rounded up to the kernel's unit. Allocates nothing in steady state.
  /// std::invalid_argument for no room at all; std::system_error when the kernel fails, and then it
  /// has reported nothing.
  ///
  /// An event with `invalid` ends the registration: its number is free again. When a registered
  /// descriptor was closed, the poller reports this once it notices: at the next wait (poll,
  /// select) or change. epoll may need about a thousand waits while a duplicate keeps the file
  /// alive and readable. See docs/semantics.md, L6, for each poller. An event with the id
  /// HandlerId{} is for no registration. Its number was closed, but a duplicate of the file lives;
  /// the poller makes such events stop.
  virtual std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) = 0;

  [[nodiscard]] virtual Capabilities capabilities() const noexcept = 0;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  /// A descriptor that is readable while `wait` would find something, for use in another loop. The
  /// poller owns it. It may stay readable after the data was read, until the next `wait`. Throws
  /// not_supported where capabilities() lacks it.
  [[nodiscard]] virtual int native_handle() = 0;
};

/// The pollers that this machine has, the default first. Has no side effect.
[[nodiscard]] std::vector<std::string_view> poller_names();

/// Makes a poller by name. An empty name means $DETENT_POLLER if that is set and not empty, else
/// the default. Never falls back: an unknown or unavailable name is std::invalid_argument, whose
/// text lists the pollers. std::system_error when the kernel refuses. A program with more rights
/// than its user (set-uid, file capabilities) ignores the environment. So does a library built with
/// -DDETENT_ENVIRONMENT=OFF.
[[nodiscard]] std::unique_ptr<Poller> make_poller(std::string_view name = {});

}  // namespace detent
