// SPDX-License-Identifier: BSL-1.0
/// \file
/// One stream to one peer: what arrives is handed to you, what you write is sent in order.
///
///     detent::Connection connection(timers, std::make_unique<detent::Socket>(std::move(socket)),
///                                   {.on_data = [&](std::string_view bytes) { use(bytes); },
///                                    .on_closed = [&](std::error_code e) { forget(e); }});
///     connection.write("hello\n");
///
/// The stream below is a Transport: a TCP or unix Socket, or one that encrypts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <system_error>

#include "detent/byte_queue.h"
#include "detent/callback.h"
#include "detent/lifespan.h"
#include "detent/name.h"
#include "detent/reactor.h"
#include "detent/socket.h"
#include "detent/timer_service.h"

namespace detent {

/// What a Connection tells. Every function may destroy the Connection, and may be left empty.
struct ConnectionHandlers {
  /// Bytes have arrived; the view is valid during the call.
  Callback<void(std::string_view bytes)> on_data = {};
  /// The peer will send no more, but may still read: finish() when nothing more is to be said.
  /// Left empty, the connection finishes by itself.
  Callback<void()> on_end = {};
  /// All that was written has been handed to the system, after some had to wait; also, while
  /// reading is paused, when writing has failed, so that reading can go on to the end. Not after
  /// finish() otherwise.
  Callback<void()> on_drained = {};
  /// It is over, and the descriptor closed: without an error when both sides had finished or
  /// close() was called without one. Comes once and last, never from inside a call of a member
  /// function, and not at all when the Connection is destroyed first.
  Callback<void(std::error_code)> on_closed = {};
};

/// Lives on its loop's thread and must go before the TimerService and the loop. Destroying it
/// closes the descriptor and drops what was not sent. A socket that is still connecting may be
/// handed in: writes wait, and on_closed tells if it fails.
class Connection {
 public:
  /// `transport` may be ready or connecting. Throws what Reactor::watch throws.
  Connection(TimerService& timers, std::unique_ptr<Transport> transport,
             ConnectionHandlers handlers, Name name = {});
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends the bytes, or queues what cannot be sent now; nothing is dropped and the order is kept.
  /// Without effect when the connection is over. std::logic_error after finish().
  void write(std::string_view bytes);
  /// What write() has queued.
  [[nodiscard]] std::size_t queued() const noexcept { return queue_.size(); }

  /// Nothing more will be written: the peer sees the end of the stream after what was queued. The
  /// connection is over when the peer has ended too. Idempotent.
  void finish();
  /// Ends it at once and drops what is queued; `reason` is what on_closed will be told. Idempotent.
  void close(std::error_code reason = {});
  [[nodiscard]] bool is_open() const noexcept { return transport_ != nullptr; }

  /// No on_data and no on_end until reading is resumed; the peer is held back by the system.
  void pause_reading();
  void resume_reading();

  /// The transport, for what only it knows; null when the connection is over.
  [[nodiscard]] Transport* transport() const noexcept { return transport_.get(); }

 private:
  // Whether the two directions are still of use.
  enum class Side : std::uint8_t { open, ending, ended };

  void on_ready(Ready ready);
  void serve(Ready ready, const Lifespan::Guard& alive);
  void read_some(const Lifespan::Guard& alive);
  void on_peer_end();
  void flush();
  void send_end();
  void on_write_result(const IoResult& result, std::size_t asked);
  void on_write_error(std::error_code error);
  void end(std::error_code reason);
  void report();
  void come_back();
  void update_interest();
  [[nodiscard]] bool wants_to_read() const noexcept { return !reading_paused_ && !peer_ended_; }

  TimerService& timers_;
  // Shared with the call in progress, which may destroy this object.
  std::shared_ptr<ConnectionHandlers> handlers_;
  std::unique_ptr<Transport> transport_;  // null: over
  ByteQueue queue_;
  std::error_code reason_;  // why it is over, or why writing is
  Blocked read_blocked_ = Blocked::until_readable;
  Blocked write_blocked_ = Blocked::no;
  Side writing_ = Side::open;
  bool reading_paused_ = false;
  bool may_hold_more_ = false;  // the transport, unannounced: the last read was a full one
  bool peer_ended_ = false;
  bool dispatching_ = false;
  bool reported_ = false;
  Interest interest_ = {.readable = true};  // the watch's, at hand: compared at each read and write
  Watch watch_;
  Timer later_;                      // armed by come_back()
  std::uint64_t spent_in_turn_ = 0;  // the last turn in which the budget of reads ran out
  Lifespan lifespan_;
};

}  // namespace detent
