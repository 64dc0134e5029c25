// SPDX-License-Identifier: BSL-1.0
/// \file
/// One stream to one peer: calls you with the bytes that arrive, and sends what you write in order.
///
///     detent::Connection connection(timers, detent::make_stream(reactor, std::move(socket)),
///         {.on_data = [](detent::Connection& c, std::string_view bytes) { c.write(bytes); },
///          .on_closed = [&](detent::Connection&, std::error_code e) { forget(e); }});
///     connection.write("hello\n");
///
/// It uses a Stream: over a TCP or unix socket, a pipe, or one that you write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "detent/byte_queue.h"
#include "detent/callback.h"
#include "detent/callback_owner.h"
#include "detent/handle.h"
#include "detent/name.h"
#include "detent/reactor.h"
#include "detent/stream.h"
#include "detent/timer_service.h"
#include "detent/unique_fd.h"

namespace detent {

class Connection;

/// The callbacks of a Connection. Each may destroy the Connection, and may be left empty.
struct ConnectionHandlers {
  /// Bytes have arrived. The view is valid during the call.
  Callback<void(Connection&, std::string_view bytes)> on_data = {};
  /// The peer will send no more, but may still read: call finish() when you have written all. Comes
  /// once, after all data, and after finish() too. Does not come when the peer has reset the
  /// connection: on_closed reports that. If it is empty, the connection finishes by itself.
  Callback<void(Connection&)> on_end = {};
  /// The system has taken all queued bytes. Comes also when writing has failed while reading is
  /// paused, so that you can resume reading to the end. Else it does not come after finish().
  Callback<void(Connection&)> on_drained = {};
  /// The connection is over and its stream closed. There is no error when both sides had finished,
  /// or when close() was called without one. Comes once and last, never from inside a call of a
  /// member function. Does not come when the Connection is destroyed first.
  Callback<void(Connection&, std::error_code)> on_closed = {};
};

/// What connections of one kind have in common. All clients of a server share one, in a
/// CallbackOwner.
struct ConnectionKind {
  ConnectionHandlers handlers = {};
  Name name = {};
};

/// Lives on its loop's thread. Destroy it before the TimerService and the loop. Destroying it
/// closes the stream and drops what was not sent. The stream may still be connecting: writes wait,
/// and on_closed reports a failure. When its loop is gone, it does nothing any more.
class Connection : private Stream::User {
 public:
  /// `stream` has not been started. std::invalid_argument when it is null.
  Connection(TimerService& timers, std::unique_ptr<Stream> stream, ConnectionHandlers handlers,
             Name name = {});
  /// One of many connections of a kind.
  Connection(TimerService& timers, std::unique_ptr<Stream> stream,
             const CallbackOwner<ConnectionKind>& kind);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override;

  /// Sends the bytes, or queues what cannot be sent now; keeps the order and drops nothing. False,
  /// without effect, when this direction is over. Then the peer has gone, a write has failed (even
  /// this one), close() was called, or the connection has finished by itself. Otherwise
  /// std::logic_error after finish(), which says that all was written.
  bool write(std::string_view bytes);
  /// How many bytes are queued.
  [[nodiscard]] std::size_t queued() const noexcept { return queue_.size(); }

  /// Says that you will write no more: the peer sees the end of the stream after the queued bytes.
  /// The connection is over when the peer has ended too. Idempotent.
  void finish();
  /// Ends it at once and drops the queued bytes. on_closed will get `reason`. Idempotent.
  void close(std::error_code reason = {});
  [[nodiscard]] bool is_open() const noexcept { return stream_ != nullptr && !kind_.has_ended(); }

  /// Calls no on_data and no on_end until resume_reading(). Meanwhile the system holds the peer
  /// back.
  void pause_reading();
  void resume_reading();

  /// See Socket::set_no_delay. operation_not_supported when the stream has no socket, not_connected
  /// when the connection is over.
  std::error_code set_no_delay(bool on);

  /// The stream, for its addresses and its socket; null when the connection is over.
  [[nodiscard]] Stream* stream() const noexcept { return stream_.get(); }

 protected:
  /// For a server whose clients derive from this: its handlers call the user's callbacks by tell().
  Connection(Reactor& reactor, std::unique_ptr<Stream> stream,
             const CallbackOwner<ConnectionKind>& kind, bool handlers_are_users);

  /// Calls a user's callback if it is not empty, tells the observers, and counts the call.
  template <class User, class... Args>
  void tell(User& callback, Args&&... args) {
    if (!callback) return;
    ++served_->calls;
    const Name& name = served_->kind->name;
    reactor_.observed([&name] { return Observer::Call{.name = name}; },
                      [&] { callback(*this, std::forward<Args>(args)...); });
  }
  /// How long to hold input back. After that, calls on_data without bytes before it reads on.
  enum class Held : std::uint8_t {
    no,
    until_next_turn,
    until_told,  ///< Until on_drained, resume_reading() or finish(). Meanwhile reads no more.
  };
  /// For on_data and on_end, when they cannot handle all input now.
  void hold_input(Held until);
  [[nodiscard]] bool is_paused() const noexcept { return reading_paused_; }
  [[nodiscard]] bool has_finished() const noexcept { return finished_; }
  /// finish() by the library: after it write() returns false and does not throw.
  void end_writing();
  /// The first step of rule 8 (handle.h): from now on calls no callback and does nothing.
  void cut() noexcept;

 private:
  // The state of the writing direction.
  enum class Side : std::uint8_t { open, ending, ended };

  // An event in progress. On the stack, so that it outlives a Connection that a callback destroys.
  struct Served {
    CallbackOwner<ConnectionKind>::Call kind;
    std::size_t calls = 0;  // of the user's callbacks
    explicit operator bool() const noexcept { return static_cast<bool>(kind); }
  };

  void on_bytes(std::span<const std::byte> bytes, std::span<UniqueFd> descriptors) final;
  void on_room() final;
  void on_end() final;
  void on_error(std::error_code error) final;
  void on_return();

  template <class Event>
  void serve_counted(Event event);
  template <class Event>
  std::size_t serve(Event& event);
  void after_throw();
  template <class Handler, class... Args>
  void call(Handler& handler, Args&&... args) {
    if (handlers_are_users_) {
      tell(handler, std::forward<Args>(args)...);
    } else if (handler) {
      handler(*this, std::forward<Args>(args)...);
    }
  }
  void give_held_input(const Served& served);
  void tell_drained(const Served& served);
  void send_end();
  void on_write_error(std::error_code error);
  void end(std::error_code reason);
  void drop_stream() noexcept;
  void report(const Served& served);
  void come_back();
  void update_wants();
  [[nodiscard]] bool usable(const char* call) const;
  [[nodiscard]] bool wants_to_read() const noexcept {
    return !reading_paused_ && held_ != Held::until_told && !peer_ended_;
  }
  [[nodiscard]] bool reading_is_over() const noexcept { return peer_ended_ && held_ == Held::no; }

  Reactor& reactor_;
  ServiceLink link_;  // says whether the reactor still lives
  CallbackOwner<ConnectionKind> kind_;
  std::unique_ptr<Stream> stream_;  // null: over
  ByteQueue queue_;
  std::error_code reason_;    // why the connection, or writing, is over
  Served* served_ = nullptr;  // the event in progress, or null
  Side writing_ = Side::open;
  bool handlers_are_users_;
  bool finished_ = false;  // finish() was called
  bool drained_ = false;   // on_drained is due: the queue is empty, or a write failed
  bool reading_paused_ = false;
  Held held_ = Held::no;
  bool wants_bytes_ = true;  // as the stream was told
  bool peer_ended_ = false;
  bool comes_back_ = false;
  bool reported_ = false;
  Handle later_;  // made by come_back()
};

}  // namespace detent
