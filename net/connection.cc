// SPDX-License-Identifier: BSL-1.0
#include "detent/connection.h"

#include <stdexcept>
#include <utility>

#include "detent/socket.h"

namespace detent {
namespace {

std::unique_ptr<Stream> checked(std::unique_ptr<Stream> stream) {
  if (stream == nullptr) throw std::invalid_argument("Connection: the stream is null");
  return stream;
}

}  // namespace

Connection::Connection(TimerService& timers, std::unique_ptr<Stream> stream,
                       ConnectionHandlers handlers, Name name)
    : Connection(timers.reactor(), std::move(stream),
                 CallbackOwner<ConnectionKind>(std::in_place, std::move(handlers), name), true) {}

Connection::Connection(TimerService& timers, std::unique_ptr<Stream> stream,
                       const CallbackOwner<ConnectionKind>& kind)
    : Connection(timers.reactor(), std::move(stream), kind, true) {}

Connection::Connection(Reactor& reactor, std::unique_ptr<Stream> stream,
                       const CallbackOwner<ConnectionKind>& kind, bool handlers_are_users)
    : reactor_(reactor),
      link_(reactor.link()),
      kind_(kind),
      stream_(checked(std::move(stream))),
      handlers_are_users_(handlers_are_users) {
  stream_->start(*this);
}

Connection::~Connection() { cut(); }

void Connection::cut() noexcept {
  drop_stream();
  later_.cancel();
  kind_.end();
}

// False when the connection or its loop is over.
bool Connection::usable(const char* call) const { return link_.check(call) && is_open(); }

// ---- writing

bool Connection::write(std::string_view bytes) {
  if (!usable("Connection::write")) return false;
  if (writing_ != Side::open) {
    if (finished_ && !reason_) throw std::logic_error("Connection::write: after finish");
    return false;
  }
  if (!queue_.empty()) {
    queue_.append(bytes);
  } else if (!bytes.empty()) {
    const Piece piece(bytes);
    const Written written = stream_->write({&piece, 1});
    if (written.error) {
      on_write_error(written.error);
    } else if (written.size < bytes.size()) {
      queue_.append(bytes.substr(written.size));
    }
  }
  return writing_ == Side::open;
}

void Connection::finish() {
  if (!usable("Connection::finish")) return;
  finished_ = true;
  if (held_ != Held::no) come_back();
  end_writing();
}

void Connection::end_writing() {
  if (writing_ != Side::open) return;
  writing_ = Side::ending;
  if (queue_.empty()) send_end();
}

void Connection::on_room() {
  serve_counted([this](const Served& served) {
    const Piece piece(queue_.front());
    const Written written = stream_->write({&piece, 1});
    queue_.take(written.size);
    if (written.error) on_write_error(written.error);
    if (!is_open() || !queue_.empty()) return;
    if (writing_ == Side::ending) return send_end();
    drained_ = true;
    tell_drained(served);
    if (served && is_open()) give_held_input(served);
  });
}

// Reports a failed write only while reading is paused, since the user may wait for on_drained for
// ever. Otherwise reading finds the end of the stream.
void Connection::tell_drained(const Served& served) {
  const bool failed = writing_ == Side::ended;
  if (failed && wants_to_read()) return;
  drained_ = false;
  call(served.kind->handlers.on_drained);
}

void Connection::send_end() {
  writing_ = Side::ended;
  stream_->finish();
  if (reading_is_over()) end(reason_);
}

// Reads on, since the peer may have sent bytes before it went away. Their end ends the connection.
void Connection::on_write_error(std::error_code error) {
  queue_.clear();
  writing_ = Side::ended;
  reason_ = error;
  if (reading_is_over()) return end(error);
  drained_ = true;
  if (!wants_to_read()) come_back();
}

std::error_code Connection::set_no_delay(bool on) {
  if (!usable("Connection::set_no_delay")) return std::make_error_code(std::errc::not_connected);
  Socket* const socket = stream_->socket();
  if (socket == nullptr) return std::make_error_code(std::errc::operation_not_supported);
  return socket->set_no_delay(on);
}

// ---- reading

void Connection::on_bytes(std::span<const std::byte> bytes, std::span<UniqueFd> /*descriptors*/) {
  serve_counted([this, bytes](const Served& served) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    call(served.kind->handlers.on_data, text);
  });
}

void Connection::on_end() {
  serve_counted([this](const Served& served) {
    peer_ended_ = true;
    if (!served.kind->handlers.on_end) end_writing();
    if (!is_open()) return;
    call(served.kind->handlers.on_end);
    if (served && is_open() && writing_ == Side::ended && held_ == Held::no) end(reason_);
  });
}

void Connection::on_error(std::error_code error) {
  serve_counted([this, error](const Served&) { end(reason_ ? reason_ : error); });
}

void Connection::pause_reading() {
  if (!usable("Connection::pause_reading")) return;
  reading_paused_ = true;
  update_wants();
  if (drained_) come_back();  // a write has failed before
}

void Connection::resume_reading() {
  if (!usable("Connection::resume_reading")) return;
  reading_paused_ = false;
  update_wants();
  if (held_ != Held::no) come_back();
}

void Connection::hold_input(Held until) {
  held_ = until;
  update_wants();
  if (until == Held::until_next_turn) come_back();
}

void Connection::give_held_input(const Served& served) {
  if (held_ == Held::no || reading_paused_) return;
  held_ = Held::no;
  call(served.kind->handlers.on_data, std::string_view());
  if (!served || !is_open() || held_ != Held::no) return;
  if (peer_ended_ && writing_ == Side::ended) return end(reason_);
  update_wants();
}

void Connection::update_wants() {
  const bool wanted = !reading_paused_ && held_ == Held::no;
  if (wanted == wants_bytes_) return;
  wants_bytes_ = wanted;
  stream_->want_bytes(wants_bytes_);
}

// ---- events

// The event of a stream is no callback; those of the user in it are.
template <class Event>
inline void Connection::serve_counted(Event event) {
  Reactor& reactor = reactor_;
  if (const std::size_t calls = serve(event)) reactor.add_callbacks(calls);
}

// Returns how many callbacks of the user it made.
template <class Event>
inline std::size_t Connection::serve(Event& event) {
  Served served = {CallbackOwner<ConnectionKind>::Call(kind_)};
  served_ = &served;
  try {
    event(served);
    if (served && !is_open()) report(served);
  } catch (...) {
    last_thrower = served.kind->name;
    if (served) after_throw();
    throw;
  }
  if (served) served_ = nullptr;
  return served.calls;
}

void Connection::after_throw() {
  served_ = nullptr;
  if (is_open()) update_wants();
  if (is_open() ? held_ != Held::no : !reported_) come_back();
}

// Goes on in the next turn: reports an end that came outside of a callback, or gives input that was
// held back.
void Connection::come_back() {
  if (std::exchange(comes_back_, true)) return;
  later_ =
      reactor_.next_turn([this] { on_return(); }, CallbackOwner<ConnectionKind>::Call(kind_)->name);
}

// The reactor has counted it as one callback.
void Connection::on_return() {
  comes_back_ = false;
  auto event = [this](const Served& served) {
    if (is_open() && drained_) tell_drained(served);
    if (served && is_open()) give_held_input(served);
  };
  serve(event);
}

// ---- the end

void Connection::close(std::error_code reason) {
  if (usable("Connection::close")) end(reason);
}

void Connection::end(std::error_code reason) {
  drop_stream();
  queue_.clear();
  reason_ = reason;
  if (served_ == nullptr) come_back();
}

// In an event, a function of the stream itself is still running: rule (d) of stream.h.
void Connection::drop_stream() noexcept {
  if (stream_ == nullptr) return;
  std::unique_ptr<Stream> stream = std::move(stream_);
  stream->close();
  if (served_ != nullptr && link_.owner() != nullptr) reactor_.retire(std::move(stream));
}

void Connection::report(const Served& served) {
  if (std::exchange(reported_, true)) return;
  call(served.kind->handlers.on_closed, reason_);
}

}  // namespace detent
