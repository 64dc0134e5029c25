// SPDX-License-Identifier: BSL-1.0
#include "socket_facts.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

namespace kqueue_double {
namespace {

std::optional<tcp_info> tcp_info_of(int socket) {
  tcp_info info = {};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == -1) return std::nullopt;
  return info;
}

int socket_option(int socket, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  ::getsockopt(socket, SOL_SOCKET, option, &value, &size);
  return value;
}

int asked_by_ioctl(int fd, unsigned long request) {
  int value = 0;
  return ::ioctl(fd, request, &value) == 0 ? value : 0;
}

}  // namespace

unsigned state_of(int fd, unsigned wanted) noexcept {
  pollfd query = {.fd = fd, .events = static_cast<short>(wanted), .revents = 0};
  if (::poll(&query, 1, 0) != 1) return 0;
  const auto state = static_cast<unsigned>(query.revents);
  return (state & POLLNVAL) == 0 ? state : 0;
}

unsigned type_of(int fd) noexcept {
  struct stat status = {};
  return ::fstat(fd, &status) == 0 ? status.st_mode & S_IFMT : 0;
}

std::intptr_t readable_size(int fd) noexcept {
  if (type_of(fd) == S_IFREG) {
    struct stat status = {};
    ::fstat(fd, &status);
    return std::max<std::intptr_t>(status.st_size - ::lseek(fd, 0, SEEK_CUR), 0);
  }
  if (type_of(fd) == S_IFSOCK && socket_option(fd, SO_ACCEPTCONN) != 0) {
    const auto info = tcp_info_of(fd);  // tcpi_unacked: tcp(7) does not say so, but ss(8) uses it
    return info ? info->tcpi_unacked : 1;
  }
  const int size = asked_by_ioctl(fd, FIONREAD);
  const bool counts = type_of(fd) == S_IFSOCK || type_of(fd) == S_IFIFO;
  return counts ? size : std::max(size, 1);
}

std::intptr_t writable_size(int fd) noexcept {
  if (type_of(fd) == S_IFSOCK) {
    return std::max(socket_option(fd, SO_SNDBUF) - asked_by_ioctl(fd, SIOCOUTQ), 0);
  }
  const int capacity = ::fcntl(fd, F_GETPIPE_SZ);
  return capacity > 0 ? std::max(capacity - asked_by_ioctl(fd, FIONREAD), 0) : 0;
}

Sending sending_of(int socket) noexcept {
  if (socket_option(socket, SO_TYPE) != SOCK_STREAM) return Sending::possible;
  if (const auto info = tcp_info_of(socket)) {
    switch (info->tcpi_state) {
      case TCP_ESTABLISHED:
      case TCP_CLOSE_WAIT:
        return Sending::possible;
      case TCP_SYN_SENT:
      case TCP_SYN_RECV:
      case TCP_LISTEN:
        return Sending::not_connected;
      case TCP_CLOSE:  // never opened, unless it was closed for reading too
        return (state_of(socket, POLLRDHUP) & POLLRDHUP) != 0 ? Sending::over
                                                              : Sending::not_connected;
      default:
        return Sending::over;
    }
  }
  // In a stream nothing is nothing; the errors come first.
  if (::send(socket, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) == 0) return Sending::possible;
  if (errno == EPIPE) return Sending::over;
  return errno == ENOTCONN ? Sending::not_connected : Sending::possible;
}

// SO_ERROR would tell, and clear it. What can have happened to a stream is: nobody was there, or
// the peer has gone.
std::uint32_t pending_error(int socket, unsigned state) noexcept {
  if ((state & POLLERR) == 0) return 0;
  const auto info = tcp_info_of(socket);
  return info && info->tcpi_rtt == 0 ? ECONNREFUSED : ECONNRESET;
}

}  // namespace kqueue_double
