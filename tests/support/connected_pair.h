// SPDX-License-Identifier: BSL-1.0
/// \file
/// Two descriptors that are connected, and what a test does with them.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "detent/unique_fd.h"

namespace detent::testing_support {

inline int checked(int result, const char* call) {
  if (result == -1) throw std::system_error(errno, std::system_category(), call);
  return result;
}

/// The test watches `near` and acts on `far`.
struct SocketPair {
  UniqueFd near;
  UniqueFd far;
};

/// Connected unix sockets; neither blocks.
[[nodiscard]] inline SocketPair make_socket_pair(int type = SOCK_STREAM) {
  std::array<int, 2> ends = {};
  checked(::socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), "socketpair");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// `near` reads what is written to `far`.
[[nodiscard]] inline SocketPair make_pipe() {
  std::array<int, 2> ends = {};
  checked(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), "pipe2");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

[[nodiscard]] inline UniqueFd make_tcp_socket(int flags = 0) {
  return UniqueFd(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), "socket"));
}

/// A loopback address that nobody listens on, or that `socket` is bound to once this returns.
[[nodiscard]] inline sockaddr_in bind_to_loopback(int socket) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  checked(::bind(socket, generic, size), "bind");
  checked(::getsockname(socket, generic, &size), "getsockname");
  return address;
}

/// As connect(2), but waits for an interrupted one, which goes on by itself. The end of an io_uring
/// interrupts without a signal.
inline int connect_to(int socket, const sockaddr_in& address) {
  const int result = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (result == 0 || errno != EINTR) return result;
  pollfd query = {.fd = socket, .events = POLLOUT, .revents = 0};
  while (::poll(&query, 1, -1) != 1) {
  }
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  errno = error;
  return error == 0 ? 0 : -1;
}

[[nodiscard]] inline SocketPair make_tcp_pair() {
  const UniqueFd listener = make_tcp_socket();
  const sockaddr_in address = bind_to_loopback(listener.fd());
  checked(::listen(listener.fd(), 1), "listen");
  UniqueFd far = make_tcp_socket();
  checked(connect_to(far.fd(), address), "connect");
  UniqueFd near(checked(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC), "accept4"));
  for (const int fd : {near.fd(), far.fd()}) {
    checked(::fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl");
  }
  return {std::move(near), std::move(far)};
}

inline void put(int fd, std::string_view bytes = "x") {
  checked(static_cast<int>(::write(fd, bytes.data(), bytes.size())), "write");
}

/// Writes until `fd` is not writable.
inline void fill(int fd) {
  const std::array<char, 4096> bytes = {};
  while (::write(fd, bytes.data(), bytes.size()) > 0) {
  }
}

/// What can be read without waiting; empty at the end of the stream as well.
inline std::string take(int fd) {
  std::string all;
  std::array<char, 512> buffer = {};
  for (;;) {
    const auto got = ::read(fd, buffer.data(), buffer.size());
    if (got <= 0) return all;
    all.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace detent::testing_support
