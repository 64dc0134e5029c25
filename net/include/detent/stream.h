// SPDX-License-Identifier: BSL-1.0
/// \file
/// Bytes in order, to and from one peer: a socket, a pipe, a terminal, or what you write yourself.
///
///     std::unique_ptr<detent::Stream> stream = detent::make_stream(reactor, std::move(socket));
///     detent::Connection connection(timers, std::move(stream), std::move(handlers));
///
/// To use one, make a Connection of it. To write one that encrypts or simulates, keep five rules:
///  (a) No event comes from inside start, want_bytes, write, finish or close.
///  (b) on_end comes once, and on_error once and last: each after all bytes that had arrived.
///      on_room comes once after each write that took less than all.
///  (c) An event may throw. What it got counts as delivered; the rest comes in the next turn.
///  (d) The owner may close the stream in any of its events. It destroys the stream only when no
///      event of the stream is running (Reactor::retire). So an event needs no guard: after it,
///      look only whether you were closed.
///  (e) Descriptors to send are borrowed until the write that takes their first byte. Received ones
///      that on_bytes has not moved out are closed after it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <system_error>

#include "detent/endpoint.h"
#include "detent/name.h"
#include "detent/piece.h"
#include "detent/retirable.h"
#include "detent/unique_fd.h"

namespace detent {

class Reactor;
class Socket;

struct Written {
  std::size_t size = 0;        ///< How many bytes were taken.
  std::error_code error = {};  ///< This direction is over. Reading goes on to its end.
};

/// It is connected when it is made, or still connecting: then writes wait for room. Belongs to one
/// loop, and lives on its thread. Destroy it before the loop, or never use it after that.
class Stream : public Retirable {
 public:
  /// Who gets the events of a stream. Any of them may call any function of the stream.
  class User {
   public:
    /// Bytes have arrived; their memory is valid during the call. Move those of the descriptors
    /// out that you want to keep.
    virtual void on_bytes(std::span<const std::byte> bytes, std::span<UniqueFd> descriptors) = 0;
    /// There is room again, after a write that took less than all.
    virtual void on_room() = 0;
    /// The peer will send no more. Writing may still be possible.
    virtual void on_end() = 0;
    /// Both directions are over.
    virtual void on_error(std::error_code error) = 0;
    virtual ~User() = default;
  };

  /// Begins to deliver events, which go to `user` until close(). Call it once, and first. Until
  /// then nothing is read.
  virtual void start(User& user) = 0;
  /// Whether on_bytes and on_end may come; at first they may. Off, the system holds the peer back.
  virtual void want_bytes(bool wanted) = 0;
  /// Writes what there is room for, from the beginning of the pieces, in order. Descriptors need at
  /// least one byte to go with; operation_not_supported where none can be sent. Never raises
  /// SIGPIPE.
  virtual Written write(std::span<const Piece> pieces,
                        std::span<const int> descriptors = {}) noexcept = 0;
  /// Our direction ends after what was written. Call write() no more.
  virtual void finish() = 0;
  /// Ends it at once; no event comes after this. `reset`: tells the peer that something went wrong,
  /// where there is a way to (TCP). Idempotent.
  virtual void close(bool reset = false) noexcept = 0;

  /// The addresses, asked of the system. Unnamed when there is none, or none any more.
  [[nodiscard]] virtual Endpoint local() const = 0;
  [[nodiscard]] virtual Endpoint peer() const = 0;

  /// The socket below, for its options; null without one, and after close().
  [[nodiscard]] virtual Socket* socket() noexcept { return nullptr; }
};

struct StreamOptions {
  /// How many bytes it reads in one turn at most; it reads the rest in the next. At least 1.
  std::size_t bytes_per_turn = 1'048'576;
  /// How many descriptors it takes with the bytes of one read of a unix socket, at most 253. The
  /// system closes those beyond. 0 costs nothing.
  std::size_t descriptors_per_read = 0;
};

/// A stream over a stream socket, which may still be connecting. Throws LimitReached when the
/// poller takes no more descriptors, std::system_error when it refuses this one, and
/// std::invalid_argument for an option out of range. A socket without a descriptor is no error
/// here: on_error tells why it has none. Errors have `name` in their text.
[[nodiscard]] std::unique_ptr<Stream> make_stream(Reactor& reactor, Socket socket,
                                                  StreamOptions options = {}, Name name = {});

/// A stream over a pipe, a FIFO or a terminal: reads from `in` and writes to `out`, of which one
/// may be empty. Give a terminal's descriptor and a duplicate of it. Makes them non-blocking, for
/// all that share them, and close-on-exec. finish() closes `out`; a stream without `in` then tells
/// on_end. When a terminal's other side is closed, that is the end. Throws as the one above; a
/// regular file is operation_not_permitted, and std::invalid_argument when both are empty.
[[nodiscard]] std::unique_ptr<Stream> make_stream(Reactor& reactor, UniqueFd in, UniqueFd out,
                                                  StreamOptions options = {}, Name name = {});

}  // namespace detent
