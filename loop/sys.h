// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What every system call of ours needs, and what platforms spell differently.
#pragma once

#include <poll.h>
#include <time.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
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

/// The bit for "the peer will send no more"; 0 where poll(2) has none.
extern const short kPollReadClosed;

/// How much lies in a stream's queues, and how much it has sent.
struct StreamState {
  int input = 0;
  int output = 0;
  std::uint64_t sent = 0;
  friend bool operator==(const StreamState&, const StreamState&) = default;
};
/// Of a pipe or a connected stream socket: two equal ones, taken before and after a callback, say
/// that it moved nothing. Nullopt for anything else, where nothing says so.
[[nodiscard]] std::optional<StreamState> stream_state(int fd) noexcept;

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
