// SPDX-License-Identifier: BSL-1.0
#include "detent/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "at_limit.h"
#include "path_lock.h"
#include "socket_result.h"
#include "sys.h"

namespace detent {
namespace {

// Reports a failed call with the endpoint that it was about.
[[noreturn]] void fail_at(const char* call, const Endpoint& endpoint, int code) {
  sys::fail((std::string(call) + ' ' + endpoint.to_string()).c_str(), code);
}

void check_at(int result, const char* call, const Endpoint& endpoint) {
  if (result == -1) fail_at(call, endpoint, errno);
}

int native_family(const Endpoint& endpoint) noexcept {
  if (endpoint.family() == Endpoint::Family::ipv4) return AF_INET;
  if (endpoint.family() == Endpoint::Family::ipv6) return AF_INET6;
  return AF_UNIX;
}

const sockaddr* address_of(const Endpoint& endpoint) noexcept {
  return reinterpret_cast<const sockaddr*>(endpoint.native().data());
}

socklen_t size_of(const Endpoint& endpoint) noexcept {
  return static_cast<socklen_t>(endpoint.native().size());
}

int set_option(int fd, int level, int option, bool on) noexcept {
  const int value = on ? 1 : 0;
  return ::setsockopt(fd, level, option, &value, sizeof value);
}

// socket(7), SO_LINGER.
void reset_on_close(int fd) noexcept {
  const linger at_once = {.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// Room for any address that the kernel writes, and what it wrote.
struct AddressBuffer {
  sockaddr_storage storage = {};
  socklen_t size = sizeof storage;

  sockaddr* address() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] Endpoint endpoint() const {
    // `size` is that of the address, even if the address did not fit: getsockname(2).
    const auto whole = std::as_bytes(std::span(&storage, 1));
    return Endpoint::from_native(whole.first(std::min<std::size_t>(size, whole.size())));
  }
};

// One end of a pair whose other end is closed: for every poller it is readable and writable. Empty
// at the limit of descriptors.
UniqueFd make_always_ready() {
  std::array<int, 2> ends = {};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == -1) return {};
  UniqueFd end(ends[0]);
  const UniqueFd gone(ends[1]);
  sys::adopt_socket(end.fd());  // while the peer is open, as macOS requires
  return end;
}

bool is_tcp(const Endpoint& endpoint) noexcept { return native_family(endpoint) != AF_UNIX; }

void check_named(const Endpoint& endpoint, const char* call) {
  if (endpoint.family() != Endpoint::Family::unnamed) return;
  throw std::invalid_argument(std::string(call) + ": the endpoint is unnamed");
}

// For connect(2) it means this machine.
bool is_any_address(const Endpoint& endpoint) {
  return endpoint == Endpoint::ipv4("0.0.0.0", endpoint.port()) ||
         endpoint == Endpoint::ipv6("::", endpoint.port());
}

}  // namespace

Socket::Socket(Socket&& other) noexcept
    : fd_(std::move(other.fd_)),
      connect_error_(other.take_connect_error()),
      connecting_(std::exchange(other.connecting_, false)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  fd_ = std::move(other.fd_);
  connect_error_ = other.take_connect_error();
  connecting_ = std::exchange(other.connecting_, false);
  return *this;
}

Socket Socket::listen(const Endpoint& endpoint, ListenOptions options) {
  check_named(endpoint, "Socket::listen");
  std::optional<PathLock> lock;
  if (options.remove_dead_path && endpoint.family() == Endpoint::Family::unix_path) {
    lock.emplace(endpoint.path());
    if (lock->is_taken()) fail_at("bind", endpoint, EADDRINUSE);
    lock->remove_dead_socket();
  }
  Socket socket(UniqueFd(sys::open_socket(native_family(endpoint))));
  check_at(socket.fd(), "socket", endpoint);
  const int fd = socket.fd();
  const auto set = [&](int level, int option, bool on) {
    check_at(set_option(fd, level, option, on), "setsockopt", endpoint);
  };
  if (options.reuse_address) set(SOL_SOCKET, SO_REUSEADDR, true);
  if (options.reuse_port) set(SOL_SOCKET, SO_REUSEPORT, true);
  // Always set, since the system administrator chooses the default: ipv6(7), bindv6only.
  if (endpoint.family() == Endpoint::Family::ipv6) {
    set(IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only);
  }
  // Accepted connections inherit it from the listening socket.
  if (is_tcp(endpoint)) set(IPPROTO_TCP, TCP_NODELAY, options.no_delay);
  check_at(::bind(fd, address_of(endpoint), size_of(endpoint)), "bind", endpoint);
  check_at(::listen(fd, options.backlog), "listen", endpoint);
  return socket;
}

Socket Socket::connect(const Endpoint& endpoint) {
  check_named(endpoint, "Socket::connect");
  Socket socket(UniqueFd(sys::open_socket(native_family(endpoint))));
  if (!socket) {
    if (!is_at_limit({errno, std::system_category()})) check_at(-1, "socket", endpoint);
    socket.connect_error_ = errno;
    return socket;
  }
  if (is_tcp(endpoint)) socket.set_no_delay(true);
  const int result = ::connect(socket.fd(), address_of(endpoint), size_of(endpoint));
  // An interrupted connect goes on by itself (connect(2), EINTR in POSIX).
  socket.connecting_ = result == -1 && (errno == EINPROGRESS || errno == EINTR);
  if (result == -1 && !socket.connecting_) {
    socket.fail_connect(errno);
  } else if (is_tcp(endpoint) && socket.is_connected_to_itself(endpoint)) {
    reset_on_close(socket.fd());  // else TIME_WAIT would keep the port from a listener
    socket.fail_connect(ECONNREFUSED);
  }
  return socket;
}

// Makes the socket writable, so that callers handle every failure alike. On Linux an unconnected
// socket would do, since it shows as writable. A kqueue reports nothing for it.
void Socket::fail_connect(int error) {
  connect_error_ = error;
  connecting_ = false;
  fd_ = make_always_ready();
}

// The kernel chooses this end's port when the connect begins.
bool Socket::is_connected_to_itself(const Endpoint& to) const {
  const Endpoint local = local_endpoint();
  return local.port() == to.port() && (local == to || is_any_address(to));
}

Socket Socket::adopt(UniqueFd fd) {
  sys::adopt_socket(fd.fd());
  Socket socket(std::move(fd));
  const Endpoint local = socket.local_endpoint();  // throws unless it is a socket of a known family
  int type = 0;
  socklen_t size = sizeof type;
  sys::check(::getsockopt(socket.fd(), SOL_SOCKET, SO_TYPE, &type, &size), "getsockopt");
  if (type != SOCK_STREAM) {
    throw std::invalid_argument("Socket::adopt: descriptor " + std::to_string(socket.fd()) +
                                " is no stream socket");
  }
  if (is_tcp(local)) socket.set_no_delay(true);
  return socket;
}

AcceptResult Socket::accept() {
  AddressBuffer peer;
  UniqueFd accepted(sys::retry_interrupted([&] {
    peer.size = sizeof peer.storage;
    return sys::accept(fd(), peer.address(), &peer.size);
  }));
  if (!accepted) return {.error = to_result(-1).error};
  return {.socket = Socket(std::move(accepted)), .peer = peer.endpoint()};
}

std::error_code Socket::take_error() noexcept {
  if (const int code = take_connect_error()) return to_error(code);
  int code = 0;
  socklen_t size = sizeof code;
  if (::getsockopt(fd(), SOL_SOCKET, SO_ERROR, &code, &size) == -1) code = errno;
  return to_error(code);
}

bool Socket::is_listening() const noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd(), SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

Endpoint Socket::local_endpoint() const {
  AddressBuffer local;
  sys::check(::getsockname(fd(), local.address(), &local.size), "getsockname");
  return local.endpoint();
}

Endpoint Socket::peer_endpoint() const {
  AddressBuffer peer;
  sys::check(::getpeername(fd(), peer.address(), &peer.size), "getpeername");
  return peer.endpoint();
}

std::error_code Socket::set_no_delay(bool on) noexcept {
  return to_error(set_option(fd(), IPPROTO_TCP, TCP_NODELAY, on) == -1 ? errno : 0);
}

void Socket::reset() noexcept {
  reset_on_close(fd());
  *this = Socket();
}

UniqueFd Socket::release() noexcept {
  connect_error_ = 0;
  connecting_ = false;
  return std::move(fd_);
}

int Socket::take_connect_error() noexcept { return std::exchange(connect_error_, 0); }

}  // namespace detent
