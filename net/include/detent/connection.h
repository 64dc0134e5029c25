// SPDX-License-Identifier: BSL-1.0
/// \file
/// One stream to one peer: what arrives is handed to you, what you write is sent in order.
///
///     detent::Connection connection(timers, std::make_unique<detent::Socket>(std::move(socket)),
///         {.on_data = [](detent::Connection& c, std::string_view bytes) { c.write(bytes); },
///          .on_closed = [&](detent::Connection&, std::error_code e) { forget(e); }});
///     connection.write("hello\n");
///
/// The stream below is a Transport: a TCP or unix Socket, or one that encrypts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "detent/byte_queue.h"
#include "detent/callback.h"
#include "detent/callback_owner.h"
#include "detent/handle.h"
#include "detent/name.h"
#include "detent/reactor.h"
#include "detent/socket.h"
#include "detent/timer_service.h"

namespace detent {

class Connection;

/// What a Connection tells. Every function may destroy the Connection, and may be left empty.
struct ConnectionHandlers {
  /// Bytes have arrived; the view is valid during the call.
  Callback<void(Connection&, std::string_view bytes)> on_data = {};
  /// The peer will send no more, but may still read: finish() when nothing more is to be said.
  /// Comes once, after all data, and after finish() too; not when the peer has reset the
  /// connection, which on_closed tells. Left empty, the connection finishes by itself.
  Callback<void(Connection&)> on_end = {};
  /// All that was written has been handed to the system, after some had to wait; also, while
  /// reading is paused, when writing has failed, so that reading can go on to the end. Not after
  /// finish() otherwise.
  Callback<void(Connection&)> on_drained = {};
  /// It is over, and the descriptor closed: without an error when both sides had finished or
  /// close() was called without one. Comes once and last, never from inside a call of a member
  /// function, and not at all when the Connection is destroyed first.
  Callback<void(Connection&, std::error_code)> on_closed = {};
};

struct ConnectionOptions {
  /// How much is read in one turn at most; the rest is read in the next. At least 1.
  std::size_t bytes_per_turn = 1'048'576;
};

/// What connections of one kind have in common. In a CallbackOwner all clients of a server share
/// one.
struct ConnectionKind {
  ConnectionHandlers handlers = {};
  ConnectionOptions options = {};
  Name name = {};
};

/// Lives on its loop's thread and must go before the TimerService and the loop. Destroying it
/// closes the descriptor and drops what was not sent. A socket that is still connecting may be
/// handed in: writes wait, and on_closed tells if it fails. When its loop is gone it does nothing
/// any more.
///
/// The constructors throw std::invalid_argument for a null transport and for an option of 0,
/// LimitReached when the poller takes no more descriptors, and std::system_error when it does not
/// take this one. A transport without a descriptor is no error here: on_closed tells why it has
/// none.
class Connection {
 public:
  /// `transport` may be ready or connecting.
  Connection(TimerService& timers, std::unique_ptr<Transport> transport,
             ConnectionHandlers handlers, Name name = {});
  Connection(TimerService& timers, std::unique_ptr<Transport> transport, ConnectionOptions options,
             ConnectionHandlers handlers, Name name = {});
  /// One of many of a kind.
  Connection(TimerService& timers, std::unique_ptr<Transport> transport,
             const CallbackOwner<ConnectionKind>& kind);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// Sends the bytes, or queues what cannot be sent now; nothing is dropped and the order is kept.
  /// False, and without effect, when this direction is over: the peer has gone, a write has failed
  /// (this one too), close() was called, or the connection has finished by itself.
  /// std::logic_error after finish(): whoever calls that knows that all was written.
  bool write(std::string_view bytes);
  /// What write() has queued.
  [[nodiscard]] std::size_t queued() const noexcept { return queue_.size(); }

  /// Nothing more will be written: the peer sees the end of the stream after what was queued. The
  /// connection is over when the peer has ended too. Idempotent.
  void finish();
  /// Ends it at once and drops what is queued; `reason` is what on_closed will be told. Idempotent.
  void close(std::error_code reason = {});
  [[nodiscard]] bool is_open() const noexcept {
    return transport_ != nullptr && !kind_.has_ended();
  }

  /// No on_data and no on_end until reading is resumed; the peer is held back by the system.
  void pause_reading();
  void resume_reading();

  /// See Socket::set_no_delay. not_connected when the connection is over.
  std::error_code set_no_delay(bool on);

  /// The transport, for what only it knows; null when the connection is over.
  [[nodiscard]] Transport* transport() const noexcept { return transport_.get(); }

 protected:
  /// For a server whose clients derive from this: its handlers tell the user's by tell().
  Connection(Reactor& reactor, std::unique_ptr<Transport> transport,
             const CallbackOwner<ConnectionKind>& kind, bool handlers_are_users);

  /// Calls a callback of the user's, if it is not empty, for the observers to see, and counts it.
  template <class User, class... Args>
  void tell(User& callback, Args&&... args) {
    if (!callback) return;
    ++served_->calls;
    const Name& name = served_->kind->name;
    reactor_.observed([&name] { return Observer::Call{.name = name}; },
                      [&] { callback(*this, std::forward<Args>(args)...); });
  }
  /// Until when what came is held back: on_data is called again then, without bytes, before
  /// anything more is read.
  enum class Held : std::uint8_t {
    no,
    until_next_turn,
    until_told,  ///< By on_drained, resume_reading() or finish(). The peer is held back meanwhile.
  };
  /// For on_data and on_end, when what came cannot be dealt with now.
  void hold_input(Held until);
  [[nodiscard]] bool is_paused() const noexcept { return reading_paused_; }
  [[nodiscard]] bool has_finished() const noexcept { return finished_; }
  /// finish() by the library: a later write() is false, and no broken contract.
  void end_writing();
  /// First of rule 8 (handle.h): nothing is called any more, and nothing done.
  void cut() noexcept;

 private:
  // Whether the two directions are still of use.
  enum class Side : std::uint8_t { open, ending, ended };

  // An event in progress, on the stack: it outlives the Connection if a callback destroys that.
  struct Served {
    CallbackOwner<ConnectionKind>::Call kind;
    std::size_t calls = 0;  // of the user's callbacks
    explicit operator bool() const noexcept { return static_cast<bool>(kind); }
  };

  Watch watch();
  std::size_t on_ready(Ready ready);
  void serve(Ready ready, const Served& served);
  void give_held_input(const Served& served);
  void read_some(const Served& served);
  [[nodiscard]] std::size_t left_to_read(const Served& served) noexcept;
  void on_peer_end(const Served& served);
  template <class Handler, class... Args>
  void call(Handler& handler, Args&&... args) {
    if (handlers_are_users_) {
      tell(handler, std::forward<Args>(args)...);
    } else if (handler) {
      handler(*this, std::forward<Args>(args)...);
    }
  }
  void flush();
  void tell_drained(const Served& served);
  void send_end();
  void on_write_result(const IoResult& result, std::size_t asked);
  void on_write_error(std::error_code error);
  void end(std::error_code reason);
  void report(const Served& served);
  void come_back();
  void update_interest();
  [[nodiscard]] bool usable(const char* call) const;
  [[nodiscard]] bool wants_to_read() const noexcept {
    return !reading_paused_ && held_ != Held::until_told && !peer_ended_;
  }
  [[nodiscard]] bool reading_is_over() const noexcept { return peer_ended_ && held_ == Held::no; }

  Reactor& reactor_;
  Lifeline line_;  // says whether there still is a reactor
  CallbackOwner<ConnectionKind> kind_;
  std::unique_ptr<Transport> transport_;  // null: over
  ByteQueue queue_;
  std::error_code reason_;    // why it is over, or why writing is
  Served* served_ = nullptr;  // the innermost, while one is in progress
  Blocked read_blocked_ = Blocked::until_readable;
  Blocked write_blocked_ = Blocked::no;
  Side writing_ = Side::open;
  bool handlers_are_users_;
  bool finished_ = false;  // by the user
  bool drained_ = false;   // to be told: the queue has emptied, or a write has failed
  bool reading_paused_ = false;
  Held held_ = Held::no;
  bool may_hold_more_ = false;  // the transport, unannounced: the last read was a full one
  bool peer_ended_ = false;
  bool comes_back_ = false;
  bool reported_ = false;
  Interest interest_ = {.readable = true};  // the watch's, at hand: compared at each read and write
  Watch watch_;
  Handle later_;                 // made by come_back()
  std::uint64_t read_turn_ = 0;  // the turn in which read_in_turn_ bytes were read
  std::size_t read_in_turn_ = 0;
};

}  // namespace detent
