// SPDX-License-Identifier: BSL-1.0
#include "support/loopback.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "support/check.h"

namespace bench {

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

detent::UniqueFd stream_socket() {
  return detent::UniqueFd(opened(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
}

void bind_to_loopback(int socket) {
  const sockaddr_in address = loopback(0);
  succeeded(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
}

void connect_to(int socket, std::uint16_t port) {
  const sockaddr_in address = loopback(port);
  succeeded(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address),
            "connect");
}

void set_non_blocking(int socket) { succeeded(::fcntl(socket, F_SETFL, O_NONBLOCK), "fcntl"); }

}  // namespace

detent::UniqueFd listen_on_loopback() {
  detent::UniqueFd socket = stream_socket();
  bind_to_loopback(socket.fd());
  succeeded(::listen(socket.fd(), 4096), "listen");
  set_non_blocking(socket.fd());
  return socket;
}

std::uint16_t port_of(int socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  succeeded(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  return ntohs(address.sin_port);
}

detent::UniqueFd connect_to_loopback(std::uint16_t port) {
  detent::UniqueFd socket = stream_socket();
  connect_to(socket.fd(), port);
  set_non_blocking(socket.fd());
  set_no_delay(socket.fd());
  return socket;
}

void set_no_delay(int socket) {
  const int on = 1;
  succeeded(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
}

void set_reset_on_close(int socket) {
  const linger at_once{1, 0};
  succeeded(::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "setsockopt");
}

detent::UniqueFd datagram_socket() {
  detent::UniqueFd socket(
      opened(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
  bind_to_loopback(socket.fd());
  return socket;
}

void connect_datagrams(int socket, std::uint16_t port) { connect_to(socket, port); }

}  // namespace bench
