// SPDX-License-Identifier: BSL-1.0
/// \file
/// One non-blocking stream socket, TCP or unix. It moves bytes when it is asked to; when to ask is
/// the business of a Listener or a Connection, or of your own watch.
///
///     auto socket = detent::Socket::connect(detent::Endpoint::parse(address));
///     wait_until_writable(socket);                        // with a watch, or poll(2)
///     if (std::error_code error = socket.take_error()) report(error);
///     detent::IoResult result = socket.write(bytes);      // result.size of them are on their way
///
/// Setting up throws std::system_error, whose text names the call and the endpoint. What may happen
/// to any connection (refused, reset, would block) is a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>
#include <utility>

#include "detent/endpoint.h"
#include "detent/unique_fd.h"

namespace detent {

/// Whether a call had to be left for later, and what fd() must become first. A TLS read may have
/// to wait until it can write.
enum class Blocked : std::uint8_t { no, until_readable, until_writable };

/// What became of a read or a write. One of the four is set; none of them after moving 0 bytes.
struct IoResult {
  std::size_t size = 0;        ///< So many bytes were moved.
  std::error_code error = {};  ///< The connection is of no more use in this direction.
  bool end_of_stream = false;  ///< The peer will send no more; writing may still be possible.
  Blocked blocked = Blocked::no;
};

/// A stream of bytes over one non-blocking descriptor; the seam where TLS goes in below a
/// Connection. It never waits and decides nothing about when it is called. Use it from one thread.
class Transport {
 public:
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  /// Reads what is there, up to the size of `bytes`. A call that returns fewer bytes than asked
  /// for has left none behind that fd() would not announce; after a full one, ask again.
  [[nodiscard]] virtual IoResult read(std::span<std::byte> bytes) noexcept = 0;

  /// Writes what there is room for, from the beginning of `bytes`. When it is blocked, call it
  /// again with the same bytes first. No SIGPIPE, whatever the program's disposition is.
  [[nodiscard]] virtual IoResult write(std::span<const std::byte> bytes) noexcept = 0;

  /// Says that no more will be written; the peer reads to the end, and its answers can still be
  /// read here. May be blocked: then call it again. Repeating it is harmless.
  [[nodiscard]] virtual IoResult shutdown_write() noexcept = 0;

  /// What to watch. Belongs to the transport; -1 when it is empty.
  [[nodiscard]] virtual int fd() const noexcept = 0;

  /// See Socket::set_no_delay. operation_not_supported, unless overridden.
  virtual std::error_code set_no_delay(bool on) noexcept;

 protected:
  Transport() = default;
  Transport(Transport&&) = default;
  Transport& operator=(Transport&&) = default;
};

struct ListenOptions {
  int backlog = 4096;         ///< Connections not yet accepted. The kernel lowers it to its limit.
  bool reuse_address = true;  ///< A restart may bind while old connections linger: socket(7).
  bool reuse_port = false;    ///< Several sockets may share the port: socket(7), SO_REUSEPORT.
  bool ipv6_only = true;      ///< [::] means IPv6 alone. Off: IPv4 too, as ::ffff:1.2.3.4.
  bool no_delay = true;       ///< Of the connections that it takes: see Socket::set_no_delay.
};

struct AcceptResult;

/// Owns one stream socket, which is non-blocking and close-on-exec. Move-only; a moved-from socket
/// is empty, and its calls answer bad_file_descriptor.
class Socket final : public Transport {
 public:
  /// Empty.
  Socket() noexcept = default;
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  ~Socket() override = default;

  /// Listens at `endpoint`; port 0 lets the kernel choose one, see local_endpoint(). A unix path
  /// must not exist yet: nothing is unlinked, neither here nor when the socket is closed.
  /// std::system_error names socket, setsockopt, bind or listen. std::invalid_argument for an
  /// unnamed endpoint.
  [[nodiscard]] static Socket listen(const Endpoint& endpoint, ListenOptions options = {});

  /// Begins to connect. How it ends, take_error() tells once the socket is writable. That is so for
  /// every outcome, one that is known at once too (a unix socket's, such as
  /// no_such_file_or_directory; a full backlog there is resource_unavailable_try_again, on macOS
  /// and BSD connection_refused). A connection to itself is connection_refused: TCP makes one when
  /// nobody listens at a port that the kernel happens to choose for this end too.
  ///
  /// At the limit of descriptors or memory the socket is empty, and take_error(), read and write
  /// tell why, once; a Connection tells it too. std::system_error if there can be no such socket at
  /// all, and std::invalid_argument for an unnamed endpoint.
  [[nodiscard]] static Socket connect(const Endpoint& endpoint);

  /// Takes over a stream socket made elsewhere, a listening one too, and makes it non-blocking (for
  /// everybody who shares it) and close-on-exec; over TCP small writes are sent at once.
  /// std::system_error if that fails or it is no socket, std::invalid_argument if it is neither
  /// IPv4, IPv6 nor unix, or no stream: a datagram of 0 bytes would read as the end of one. It is
  /// closed then.
  [[nodiscard]] static Socket adopt(UniqueFd fd);

  /// Takes one connection from a listening socket. accept(2) tells which errors say that one
  /// connection is lost, and which that the program or the machine is at its limit.
  [[nodiscard]] AcceptResult accept();

  [[nodiscard]] IoResult read(std::span<std::byte> bytes) noexcept override;
  [[nodiscard]] IoResult write(std::span<const std::byte> bytes) noexcept override;
  [[nodiscard]] IoResult shutdown_write() noexcept override;
  [[nodiscard]] int fd() const noexcept override { return fd_.fd(); }
  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

  /// The error that is waiting on the socket, if any, and clears it: how `connect` ended, or what
  /// `Ready::error` is about. An error is told once, here or by `read` or `write`.
  [[nodiscard]] std::error_code take_error() noexcept;

  /// std::system_error if there is none; of the peer, not_connected when it has gone away already.
  [[nodiscard]] Endpoint local_endpoint() const;
  [[nodiscard]] Endpoint peer_endpoint() const;

  /// Whether small writes are sent at once: tcp(7), TCP_NODELAY. That is so unless asked otherwise,
  /// since an answer in two writes would wait for the peer's delayed acknowledgement (40 ms). A
  /// unix socket has no such option and answers operation_not_supported, which may be ignored.
  std::error_code set_no_delay(bool on) noexcept override;

  /// Gives the descriptor to the caller; the socket is empty then.
  [[nodiscard]] UniqueFd release() noexcept;

 private:
  explicit Socket(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
  void fail_connect(int error);
  [[nodiscard]] bool is_connected_to_itself(const Endpoint& to) const;
  int take_connect_error() noexcept;

  UniqueFd fd_;
  int connect_error_ = 0;    // known at once, kept for take_error()
  bool connecting_ = false;  // perhaps still
};

/// What became of an accept: a socket or an error, or neither when no connection waits.
struct AcceptResult {
  Socket socket;
  Endpoint peer;  ///< Known even if the peer has gone away since.
  std::error_code error = {};
};

}  // namespace detent
