// SPDX-License-Identifier: BSL-1.0
// Linux: tcp(7), unix(7), pipe(7). glibc's netinet/tcp.h has no tcpi_bytes_sent yet.
#include "sys.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdlib>

#include "wait_time.h"

namespace detent::sys {

const char* trusted_environment(const char* name) noexcept { return ::secure_getenv(name); }

const clockid_t kBootClock = CLOCK_BOOTTIME;
const short kPollReadClosed = POLLRDHUP;

// On Linux a time server makes both clocks run faster or slower (clock_gettime(2)). So this is only
// how exactly they can be read. A sandbox with a kernel of its own may be less exact.
Duration wall_drift(Duration /*passed*/) noexcept { return std::chrono::microseconds(100); }

int poll(pollfd* descriptors, std::size_t count, std::optional<Duration> max_wait) {
  const timespec exact = to_timespec(max_wait.value_or(Duration::zero()));
  return ::ppoll(descriptors, count, max_wait ? &exact : nullptr, nullptr);
}

int open_socket(int family) noexcept {
  return ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int accept(int fd, sockaddr* address, socklen_t* size) noexcept {
  return ::accept4(fd, address, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

void adopt_socket(int fd) {
  if (!set_non_blocking(fd) || !set_close_on_exec(fd)) fail("fcntl");
}

const int kSendFlags = MSG_NOSIGNAL;
const int kCloseReceivedOnExec = MSG_CMSG_CLOEXEC;

const bool kAbstractNames = true;

std::optional<StreamState> stream_state(int fd) noexcept {
  const KeepErrno keep;
  if (!is_stream(fd)) return std::nullopt;
  StreamState state;
  ::ioctl(fd, FIONREAD, &state.input);
  ::ioctl(fd, TIOCOUTQ, &state.output);
  // Sent bytes may be acknowledged, and so leave the queue, before the second reading.
  tcp_info info = {};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) state.sent = info.tcpi_bytes_sent;
  return state;
}

}  // namespace detent::sys
