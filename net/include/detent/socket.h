// SPDX-License-Identifier: BSL-1.0
/// \file
/// One non-blocking stream socket, TCP or unix. A Listener, a Connection or your own watch decides
/// when to call it.
///
///     auto socket = detent::Socket::connect(detent::Endpoint::parse(address));
///     wait_until_writable(socket);                        // with a watch, or poll(2)
///     if (std::error_code error = socket.take_error()) report(error);
///     detent::Socket::Result result = socket.write(bytes);  // result.size of them are on their
///     way
///
/// Setting up throws std::system_error, whose text names the call and the endpoint. Errors that any
/// connection may have (refused, reset, would block) are return values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>
#include <utility>

#include "detent/endpoint.h"
#include "detent/piece.h"
#include "detent/unique_fd.h"

namespace detent {

struct ListenOptions {
  int backlog = 4096;         ///< Connections not yet accepted. The kernel lowers it to its limit.
  bool reuse_address = true;  ///< A restart may bind while old connections linger: socket(7).
  bool reuse_port = false;    ///< Several sockets may share the port: socket(7), SO_REUSEPORT.
  bool ipv6_only = true;      ///< [::] means IPv6 alone. Off: IPv4 too, as ::ffff:1.2.3.4.
  bool no_delay = true;       ///< For the accepted connections: see Socket::set_no_delay.
  /// Whether to remove a dead socket at a unix path first, such as one that a crash left behind. A
  /// socket is dead if it refuses a connection. No other file is removed, and no symbolic link. A
  /// Listener removes its own path in the same way when it closes; a Socket leaves it.
  ///
  /// A file PATH.detent-lock exists meanwhile. So if several programs start at once, one gets the
  /// path and the others get address_in_use. Two sockets look dead and are not: on macOS and BSD
  /// one with a full backlog; everywhere one whose program, without this lock, has not called
  /// listen(2) yet.
  bool remove_dead_path = true;
};

struct AcceptResult;

/// Owns one stream socket, which is non-blocking and close-on-exec. Move-only; a moved-from socket
/// is empty, and its calls answer bad_file_descriptor.
class Socket {
 public:
  /// The result of a read or a write. One of the four is set; none of them after moving 0 bytes.
  struct Result {
    std::size_t size = 0;        ///< How many bytes were moved.
    std::error_code error = {};  ///< This direction of the connection is over.
    bool end_of_stream = false;  ///< The peer will send no more; writing may still be possible.
    bool would_block = false;    ///< Try again when the socket is readable, or writable.
  };

  /// Empty.
  Socket() noexcept = default;
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  ~Socket() = default;

  /// Listens at `endpoint`; port 0 lets the kernel choose one, see local_endpoint(). Closing the
  /// socket leaves a unix path. std::system_error names socket, setsockopt, bind or listen.
  /// std::invalid_argument for an unnamed endpoint.
  [[nodiscard]] static Socket listen(const Endpoint& endpoint, ListenOptions options = {});

  /// Begins to connect. Once the socket is writable, take_error() returns the result. This holds
  /// even for a result that is known at once, such as a unix socket's no_such_file_or_directory. A
  /// unix socket's full backlog is resource_unavailable_try_again, on macOS and BSD
  /// connection_refused. A connection to itself is connection_refused. (TCP makes one when no
  /// socket listens at a port, and the kernel chooses that port for this end too.)
  ///
  /// At the limit of descriptors or memory the socket is empty, and take_error(), read or write
  /// returns the reason, once. A Connection reports it too. std::system_error if the system has no
  /// such sockets, and std::invalid_argument for an unnamed endpoint.
  [[nodiscard]] static Socket connect(const Endpoint& endpoint);

  /// Takes over a stream socket made elsewhere; it may be a listening one. Makes it non-blocking
  /// (for all that share it) and close-on-exec; TCP then sends small writes at once.
  /// std::system_error if that fails or it is no socket. std::invalid_argument if it is neither
  /// IPv4, IPv6 nor unix, or no stream. (A datagram of 0 bytes would read as the end of a stream.)
  /// When it throws, it closes the descriptor.
  [[nodiscard]] static Socket adopt(UniqueFd fd);

  /// Takes one connection from a listening socket. accept(2) lists the errors. Some mean that one
  /// connection is lost, others that the program or the machine is at its limit.
  [[nodiscard]] AcceptResult accept();

  /// Reads what is there, up to the size of `bytes`.
  [[nodiscard]] Result read(std::span<std::byte> bytes) noexcept;
  /// The same with the descriptors that a unix socket's peer sent with these bytes. Give it the
  /// room for them, at most 253; it becomes the part that is filled. The system closes those for
  /// which there is no room.
  [[nodiscard]] Result read_with_descriptors(std::span<std::byte> bytes,
                                             std::span<UniqueFd>& descriptors) noexcept;
  /// Writes what there is room for, from the beginning of `bytes`. Never raises SIGPIPE.
  [[nodiscard]] Result write(std::span<const std::byte> bytes) noexcept;
  /// The same with several pieces in one system call, as far as they are no more than 64, and with
  /// descriptors, which go with the first byte. A socket that is not unix returns
  /// operation_not_supported for descriptors.
  [[nodiscard]] Result write_pieces(std::span<const Piece> pieces,
                                    std::span<const int> descriptors = {}) noexcept;
  /// Says that no more will be written. The peer reads to the end, and its answers can still be
  /// read here. Would block while connecting. Repeating it is harmless.
  [[nodiscard]] Result shutdown_write() noexcept;
  [[nodiscard]] int fd() const noexcept { return fd_.fd(); }
  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

  /// Returns the pending error, if any, and clears it: the result of `connect`, or the reason for
  /// `Ready::error`. Only one call returns it: this, `read` or `write`.
  [[nodiscard]] std::error_code take_error() noexcept;

  /// Whether it accepts connections rather than being one.
  [[nodiscard]] bool is_listening() const noexcept;

  /// std::system_error if there is none. For the peer, not_connected when it has gone already.
  [[nodiscard]] Endpoint local_endpoint() const;
  [[nodiscard]] Endpoint peer_endpoint() const;

  /// Whether to send small writes at once: tcp(7), TCP_NODELAY. It is on by default. Off, an answer
  /// in two writes would wait for the peer's delayed acknowledgement (40 ms). A unix socket has no
  /// such option and returns operation_not_supported, which you may ignore.
  std::error_code set_no_delay(bool on) noexcept;

  /// Closes it so that a TCP peer gets a reset.
  void reset() noexcept;
  /// Gives the descriptor to the caller and leaves the socket empty.
  [[nodiscard]] UniqueFd release() noexcept;

 private:
  explicit Socket(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
  void fail_connect(int error);
  [[nodiscard]] bool is_connected_to_itself(const Endpoint& to) const;
  int take_connect_error() noexcept;

  UniqueFd fd_;
  int connect_error_ = 0;    // of a connect that failed at once, for take_error()
  bool connecting_ = false;  // it may still be connecting
};

/// The result of an accept: a socket, an error, or neither when no connection waits.
struct AcceptResult {
  Socket socket = {};
  Endpoint peer = {};  ///< Known even if the peer has gone away since.
  std::error_code error = {};
};

}  // namespace detent
