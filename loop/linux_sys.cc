// SPDX-License-Identifier: BSL-1.0
// Linux: tcp(7), unix(7), pipe(7). glibc's netinet/tcp.h has no tcpi_bytes_sent yet.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "sys.h"
#include "wait_time.h"

namespace detent::sys {
namespace {

int option(int fd, int name) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

bool is_stream(int fd) noexcept {
  struct stat status = {};
  if (::fstat(fd, &status) == -1) return false;
  if (S_ISFIFO(status.st_mode)) return true;
  return option(fd, SO_TYPE) == SOCK_STREAM && option(fd, SO_ACCEPTCONN) == 0;
}

}  // namespace

const clockid_t kBootClock = CLOCK_BOOTTIME;
const short kPollReadClosed = POLLRDHUP;

int poll(pollfd* descriptors, std::size_t count, std::optional<Duration> max_wait) {
  const timespec exact = to_timespec(max_wait.value_or(Duration::zero()));
  return ::ppoll(descriptors, count, max_wait ? &exact : nullptr, nullptr);
}

std::optional<StreamState> stream_state(int fd) noexcept {
  const KeepErrno keep;
  if (!is_stream(fd)) return std::nullopt;
  StreamState state;
  ::ioctl(fd, FIONREAD, &state.input);
  ::ioctl(fd, TIOCOUTQ, &state.output);
  // What was sent may have been acknowledged, and so have left the queue, before anybody looks.
  tcp_info info = {};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) state.sent = info.tcpi_bytes_sent;
  return state;
}

}  // namespace detent::sys
