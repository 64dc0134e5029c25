// SPDX-License-Identifier: BSL-1.0
/// \file
/// Waits on the kernel for many descriptors at once. Usable by itself, without a reactor.
///
///     auto poller = detent::make_poller();                 // epoll on Linux
///     poller->add(fd, {.readable = true}, {.slot = 1, .generation = 1});
///     std::array<detent::Event, 64> room;
///     for (const detent::Event& event : poller->wait(room, 3s)) use(event.id.slot, event.ready);
///
/// A poller knows descriptors and numbers, nothing else: it calls nobody, owns no descriptor that
/// it was given, and has no idea of time beyond the one wait.
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

/// What to wait for. "Readable" means that a read would not block, not that there is data. An
/// empty interest is legal: the descriptor stays registered, and out of the kernel's sight.
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

/// What happened. `hangup`, `error` and `invalid` come unasked, `read_closed` with `readable`. One
/// byte, so that comparing and combining two of them is one instruction.
struct Ready {
  bool readable : 1 = false;
  bool writable : 1 = false;
  bool priority : 1 = false;
  bool read_closed : 1 = false;  ///< The peer will send no more.
  bool hangup : 1 = false;       ///< Both directions are closed. Implies readable.
  bool error : 1 = false;        ///< SO_ERROR, on a socket, tells which.
  bool invalid : 1 = false;  ///< The descriptor was closed behind the poller's back; see `wait`.

  friend bool operator==(const Ready&, const Ready&) = default;
};

/// What both have.
[[nodiscard]] constexpr Ready operator&(Ready a, Ready b) noexcept {
  // Of & compilers make one instruction, of && they do not.
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

/// What a poller can tell apart and offer, so that nobody has to try and catch.
struct Capabilities {
  bool edge = false;           ///< Trigger::edge; without it, `not_supported` at registration.
  bool priority = false;       ///< Interest::priority; without it, `not_supported` as well.
  bool read_closed = false;    ///< Ready::read_closed.
  bool hangup = false;         ///< Ready::hangup and Ready::error as such, not as readable.
  bool native_handle = false;  ///< One descriptor that stands for all: native_handle().
  /// A number that was closed and reused without `remove` is told from its former file. Without it,
  /// what happens to the new file is reported under the old id.
  bool file_identity = false;
  /// Numbers from here on are invalid_argument at registration: select(2), FD_SETSIZE.
  int descriptor_limit = INT_MAX;
};

/// The contract of all pollers. A descriptor number can be registered once.
///
/// One thread at a time, whichever it is. io_uring's makes a new ring when another thread comes;
/// once its native handle was asked for it cannot, and then another thread's call is
/// std::logic_error.
///
/// The same four answers everywhere, as std::system_error that names the call and the descriptor,
/// "Poller::add(7): File exists":
///  - file_exists: `add` of a number that is registered; also when the old file was closed and the
///    number means another one now.
///  - no_such_file_or_directory: `modify` or `remove` of a number that is not.
///  - bad_file_descriptor: `add` of a number that is not open.
///  - operation_not_permitted: `add` of a regular file or a directory, for which waiting has no
///    meaning (watch the file's changes instead).
/// Remove a descriptor before closing it.
class Poller {
 public:
  Poller() = default;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  virtual ~Poller() = default;

  /// Registers `fd`; its events will carry `id`. Also not_supported: an interest that
  /// capabilities() does not list. invalid_argument: the poller's own native handle.
  virtual void add(int fd, Interest interest, HandlerId id) = 0;

  /// Replaces interest and id, and arms a one-shot or an edge anew. May be cheap: a poller can
  /// put the change off until `wait`, so a closed descriptor may show only there, as `invalid`.
  virtual void modify(int fd, Interest interest, HandlerId id) = 0;

  /// Forgets `fd`, which may have been closed before. Not put off: closing it may follow.
  virtual void remove(int fd) = 0;

  /// Applies changes, waits until something is ready or `max_wait` has passed, writes what is ready
  /// into `room`, from its beginning, and returns that part. What finds no room is told at the
  /// following waits, none starved, and equal ones equally often. No max_wait waits
  /// for ever; zero and less do not wait. Never returns early with nothing: signals do not end the
  /// wait, and where the kernel counts coarser than nanoseconds the time is rounded up. Allocates
  /// nothing in steady state. std::invalid_argument for no room at all; std::system_error where the
  /// kernel fails, and then nothing was told.
  ///
  /// An event whose id is HandlerId{} reached nobody: the kernel reported a file that was closed
  /// under its number while a duplicate lives on; the poller has seen to it that this ends. An
  /// event with `invalid` says that the registration has ended: its number is free again.
  /// A registration of a descriptor that was closed ends so when the poller finds out: at the next
  /// wait (poll, select), when it is changed, or, where a duplicate keeps the file alive and
  /// readable, within about a thousand waits (epoll). docs/semantics.md, L6, has it poller by
  /// poller.
  virtual std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) = 0;

  [[nodiscard]] virtual Capabilities capabilities() const noexcept = 0;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  /// A descriptor that is readable while `wait` would find something, for use in another loop; it
  /// belongs to the poller. What has been read since may keep it readable until a `wait` has
  /// looked. not_supported where capabilities() says so.
  [[nodiscard]] virtual int native_handle() = 0;
};

/// The pollers that this machine has, the default first. Asking has no side effect.
[[nodiscard]] std::vector<std::string_view> poller_names();

/// Makes a poller by name; an empty name means $DETENT_POLLER if that is set and not empty, else
/// the default. Never falls back: an unknown or unavailable name is std::invalid_argument whose
/// text lists what there is. std::system_error where the kernel refuses. A program with more rights
/// than its user (set-uid, file capabilities) ignores the environment, and so does a library that
/// was built with -DDETENT_ENVIRONMENT=OFF.
[[nodiscard]] std::unique_ptr<Poller> make_poller(std::string_view name = {});

}  // namespace detent
