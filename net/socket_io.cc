// SPDX-License-Identifier: BSL-1.0
// How a socket moves bytes and descriptors.
#include <poll.h>
#include <sys/socket.h>

#include <utility>

#include "detent/socket.h"
#include "socket_message.h"
#include "socket_result.h"
#include "sys.h"

namespace detent {
namespace {

bool is_writable(int fd) noexcept {
  pollfd query = {.fd = fd, .events = POLLOUT, .revents = 0};
  return ::poll(&query, 1, 0) == 1;
}

bool is_unix(int fd) noexcept {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
         address.ss_family == AF_UNIX;
}

}  // namespace

Socket::Result Socket::read(std::span<std::byte> bytes) noexcept {
  if (bytes.empty()) return {};  // recv would answer 0, which means the end of the stream
  if (const int code = take_connect_error()) return {.error = to_error(code)};
  const ssize_t size =
      sys::retry_interrupted([&] { return ::recv(fd(), bytes.data(), bytes.size(), 0); });
  if (size == 0) return {.end_of_stream = true};
  return to_result(size);
}

Socket::Result Socket::read_with_descriptors(std::span<std::byte> bytes,
                                             std::span<UniqueFd>& descriptors) noexcept {
  const std::span<UniqueFd> room = std::exchange(descriptors, {});
  if (bytes.empty()) return {};
  if (const int code = take_connect_error()) return {.error = to_error(code)};
  ReceivedMessage message(bytes, room.size());
  const ssize_t size = sys::retry_interrupted([&] { return message.receive(fd()); });
  const Result result = size == 0 ? Result{.end_of_stream = true} : to_result(size);
  descriptors = message.take_descriptors(room);
  return result;
}

Socket::Result Socket::write(std::span<const std::byte> bytes) noexcept {
  if (bytes.empty()) return {};
  if (const int code = take_connect_error()) return {.error = to_error(code)};
  const ssize_t size = sys::retry_interrupted(
      [&] { return ::send(fd(), bytes.data(), bytes.size(), sys::kSendFlags); });
  return to_result(size);
}

Socket::Result Socket::write_pieces(std::span<const Piece> pieces,
                                    std::span<const int> descriptors) noexcept {
  if (const int code = take_connect_error()) return {.error = to_error(code)};
  if (descriptors.size() > kMostDescriptors) return {.error = to_error(EINVAL)};
  // TCP would drop them without a word.
  if (!descriptors.empty() && !is_unix(fd())) return {.error = to_error(EOPNOTSUPP)};
  const SentMessage message(pieces, descriptors);
  if (message.size() == 0) return {};
  return to_result(sys::retry_interrupted([&] { return message.send(fd()); }));
}

// While a socket is connecting, shutdown(2) would end the attempt, so waits until it is writable.
Socket::Result Socket::shutdown_write() noexcept {
  if (connecting_ && !is_writable(fd())) return {.would_block = true};
  connecting_ = false;
  if (::shutdown(fd(), SHUT_WR) == 0) return {};
  const int code = errno;
  // The pending error of a socket that is not connected is a better reason.
  const std::error_code reason = code == ENOTCONN ? take_error() : std::error_code();
  return {.error = reason ? reason : to_error(code)};
}

}  // namespace detent
