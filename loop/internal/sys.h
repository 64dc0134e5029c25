// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What every system call of ours needs, and what differs from platform to platform.
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

/// Calls again while a signal interrupts.
template <class Call>
auto retry_interrupted(Call call) noexcept {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

/// poll(2), without `max_wait` for ever; may return early. As exact as the system can be.
[[nodiscard]] int poll(pollfd* descriptors, std::size_t count, std::optional<Duration> max_wait);
/// The steady clock that goes on while the machine is suspended.
extern const clockid_t kBootClock;
/// getenv(3); null in a program that has more rights than its user, who may be an attacker.
[[nodiscard]] const char* trusted_environment(const char* name) noexcept;
/// See Clock::wall_drift.
[[nodiscard]] Duration wall_drift(Duration passed) noexcept;

/// The bit for "the peer will send no more"; 0 where poll(2) has none.
extern const short kPollReadClosed;

// Our sockets neither block, nor outlive an exec, nor raise SIGPIPE. Some systems cannot make one
// so in one call. There a program that another thread starts meanwhile may inherit it.

/// socket(2), for a stream.
[[nodiscard]] int open_socket(int family) noexcept;
/// accept(2), from such a socket.
[[nodiscard]] int accept(int fd, sockaddr* address, socklen_t* size) noexcept;
/// Makes a socket from elsewhere such a one, for all that share it; throws.
void adopt_socket(int fd);
/// The flags of each send(2).
extern const int kSendFlags;
/// The flag of a recvmsg(2) that makes received descriptors close-on-exec; 0 where there is none.
extern const int kCloseReceivedOnExec;
/// Whether a unix address may be a name that is no path: NUL comes first.
extern const bool kAbstractNames;

/// Shows whether a stream has moved bytes. `input`: how many there are to read. `output`: how many
/// wait to be sent, or how many more could be. `sent`: how many were sent so far, where known.
struct StreamState {
  int input = 0;
  int output = 0;
  std::uint64_t sent = 0;
  friend bool operator==(const StreamState&, const StreamState&) = default;
};
/// For a pipe or a connected stream socket. If the states before and after a callback are equal,
/// the callback moved nothing. Nullopt for any other file, where the system has no such numbers.
[[nodiscard]] std::optional<StreamState> stream_state(int fd) noexcept;

// ---- The same everywhere; for the platforms' own files
/// fcntl(2); false and errno if that fails.
[[nodiscard]] bool set_non_blocking(int fd) noexcept;
[[nodiscard]] bool set_close_on_exec(int fd) noexcept;
/// A pipe, or a stream socket that does not listen.
[[nodiscard]] bool is_stream(int fd) noexcept;

/// Restores errno at the end of a scope, for code that may run before a caller reads errno.
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
