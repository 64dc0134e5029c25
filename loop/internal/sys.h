// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What every system call of ours needs, and what platforms spell differently.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>

#include "detent/clock.h"

namespace detent::sys {

/// Throws std::system_error for errno, naming the call.
[[noreturn]] void fail(const char* call);
[[noreturn]] void fail(const char* call, int code);

/// Passes a result through, or throws for -1.
inline int check(int result, const char* call) {
  if (result == -1) [[unlikely]]
    fail(call);
  return result;
}
/// For calls that return the error instead of setting errno.
inline void check_code(int code, const char* call) {
  if (code != 0) [[unlikely]]
    fail(call, code);
}

/// poll(2), for ever without `max_wait`; may come back early. As exact as the system can.
[[nodiscard]] int poll(pollfd* descriptors, std::size_t count, std::optional<Duration> max_wait);
/// The steady clock that goes on while the machine is suspended.
extern const clockid_t kBootClock;
/// getenv(3); null in a program that has more rights than its user, who may be an attacker.
[[nodiscard]] const char* trusted_environment(const char* name) noexcept;
/// See Clock::wall_drift.
[[nodiscard]] Duration wall_drift(Duration passed) noexcept;

/// The bit for "the peer will send no more"; 0 where poll(2) has none.
extern const short kPollReadClosed;

// Sockets of ours neither block, nor outlive an exec, nor raise SIGPIPE. A system without calls
// that make them so at once leaves a moment in which an exec on another thread can inherit one.

/// socket(2), for a stream.
[[nodiscard]] int open_socket(int family) noexcept;
/// accept(2), from such a socket.
[[nodiscard]] int accept(int fd, sockaddr* address, socklen_t* size) noexcept;
/// Makes a socket that came from elsewhere such a one, for everybody who shares it; throws.
void adopt_socket(int fd);
/// The flags of each send(2).
extern const int kSendFlags;
/// Whether a unix address may be a name that is no path: NUL comes first.
extern const bool kAbstractNames;

/// What tells that a stream has moved bytes: how many there are to read, how many wait to be sent
/// or how many more could be, and how many were sent so far, where that is known.
struct StreamState {
  int input = 0;
  int output = 0;
  std::uint64_t sent = 0;
  friend bool operator==(const StreamState&, const StreamState&) = default;
};
/// Of a pipe or a connected stream socket: two equal ones, taken before and after a callback, say
/// that it moved nothing. Nullopt for anything else, where nothing says so.
[[nodiscard]] std::optional<StreamState> stream_state(int fd) noexcept;

// ---- The same everywhere; for the platforms' own files
/// fcntl(2); false and errno if that fails.
[[nodiscard]] bool set_non_blocking(int fd) noexcept;
[[nodiscard]] bool set_close_on_exec(int fd) noexcept;
/// A pipe, or a stream socket that does not listen.
[[nodiscard]] bool is_stream(int fd) noexcept;

/// Restores errno at the end of a scope, for what may run between a call and its caller's look.
class KeepErrno {
 public:
  KeepErrno() noexcept : saved_(errno) {}
  KeepErrno(const KeepErrno&) = delete;
  KeepErrno& operator=(const KeepErrno&) = delete;
  ~KeepErrno() { errno = saved_; }

 private:
  int saved_;
};

}  // namespace detent::sys
