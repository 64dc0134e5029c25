// SPDX-License-Identifier: BSL-1.0
// macOS, FreeBSD and NetBSD, by calls that mean the same on all of them: kqueue(2), socket(2). It
// uses no newer calls that only some of them have (accept4, ppoll, MSG_NOSIGNAL).
#include "sys.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "detent/unique_fd.h"
#include "kqueue.h"
#include "wait_time.h"

namespace detent::sys {
namespace {

bool prevent_sigpipe(int fd) noexcept {
  const int on = 1;
  return ::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on) == 0;
}

// How many bytes could be written. SO_NWRITE and FIONWRITE count the bytes that wait. They do not
// work for pipes, nor for unix sockets: the bytes of those are in the peer's queue at once.
int room_in(int queue, int fd) noexcept {
  std::array event = {make_change(fd, EVFILT_WRITE, EV_ADD)};
  const int count = kevents(queue, event, event, Duration::zero());
  const bool writable = count == 1 && (event[0].flags & EV_ERROR) == 0;
  return writable ? static_cast<int>(event[0].data) : 0;
}

// Sent bytes may be acknowledged, and the room be as before, before the second reading.
#ifdef TCP_CONNECTION_INFO  // macOS
std::uint64_t bytes_sent(int fd) noexcept {
  tcp_connection_info info = {};
  socklen_t size = sizeof info;
  const int result = ::getsockopt(fd, IPPROTO_TCP, TCP_CONNECTION_INFO, &info, &size);
  return result == 0 ? info.tcpi_txbytes : 0;
}
#else  // tcp(4)
std::uint64_t bytes_sent(int fd) noexcept {
  tcp_info info = {};
  socklen_t size = sizeof info;
  const int result = ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
  return result == 0 ? info.tcpi_snd_nxt : 0;
}
#endif

}  // namespace

const char* trusted_environment(const char* name) noexcept {
  return ::issetugid() == 0 ? std::getenv(name) : nullptr;
}

const clockid_t kBootClock = CLOCK_MONOTONIC;
const short kPollReadClosed = 0;

// A time server may make the wall clock run up to 0.5 % faster or slower (adjtime(2)). This does
// not count as setting it.
Duration wall_drift(Duration passed) noexcept {
  return std::chrono::milliseconds(100) + passed / 200;
}

int poll(pollfd* descriptors, std::size_t count, std::optional<Duration> max_wait) {
  return ::poll(descriptors, static_cast<nfds_t>(count), to_milliseconds(max_wait));
}

int open_socket(int family) noexcept {
  UniqueFd socket(::socket(family, SOCK_STREAM, 0));
  const int fd = socket.fd();
  const bool made =
      fd != -1 && set_close_on_exec(fd) && set_non_blocking(fd) && prevent_sigpipe(fd);
  return made ? socket.release() : -1;
}

// The socket inherits SO_NOSIGPIPE from the listening one. Setting it again would fail on macOS for
// a connection that has ended meanwhile.
int accept(int fd, sockaddr* address, socklen_t* size) noexcept {
  UniqueFd socket(::accept(fd, address, size));
  const bool made = socket && set_close_on_exec(socket.fd()) && set_non_blocking(socket.fd());
  return made ? socket.release() : -1;
}

void adopt_socket(int fd) {
  if (!set_non_blocking(fd) || !set_close_on_exec(fd)) fail("fcntl");
  if (!prevent_sigpipe(fd)) fail("setsockopt");
}

const int kSendFlags = 0;
const int kCloseReceivedOnExec = 0;  // macOS has no such flag

const bool kAbstractNames = false;

std::optional<StreamState> stream_state(int fd) noexcept {
  const KeepErrno keep;
  const UniqueFd queue(::kqueue());
  if (!queue || !is_stream(fd)) return std::nullopt;
  StreamState state;
  ::ioctl(fd, FIONREAD, &state.input);
  state.output = room_in(queue.fd(), fd);
  state.sent = bytes_sent(fd);
  return state;
}

}  // namespace detent::sys
