// SPDX-License-Identifier: BSL-1.0
#include "detent/connection.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <utility>

#include "at_limit.h"
#include "detent/limit_reached.h"
#include "setup_error.h"

namespace detent {
namespace {

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::unique_ptr<Transport> checked(std::unique_ptr<Transport> transport) {
  if (transport == nullptr) throw std::invalid_argument("Connection: the transport is null");
  return transport;
}

// A transport without a descriptor keeps the reason.
std::error_code error_of_empty(Transport& transport) {
  std::array<std::byte, 1> byte = {};
  const std::error_code error = transport.read(byte).error;
  return error ? error : std::make_error_code(std::errc::bad_file_descriptor);
}

// The limit, if a refusal to watch a socket is due to one; no error otherwise.
std::error_code limit_in(std::error_code error) {
  // Above Capabilities::descriptor_limit.
  if (error == std::errc::invalid_argument) {
    return std::make_error_code(std::errc::too_many_files_open);
  }
  return is_at_limit(error) ? error : std::error_code();
}

// A poller ends a registration when its descriptor was closed, or the kernel refuses it again after
// a pause.
std::error_code why_unwatched(int fd) noexcept {
  const bool is_closed = ::fcntl(fd, F_GETFD) == -1;
  return std::make_error_code(is_closed ? std::errc::bad_file_descriptor
                                        : std::errc::not_enough_memory);
}

CallbackOwner<ConnectionKind> checked(const CallbackOwner<ConnectionKind>& kind) {
  CallbackOwner<ConnectionKind> shared(kind);
  if (CallbackOwner<ConnectionKind>::Call(shared)->options.bytes_per_turn == 0) {
    throw std::invalid_argument("Connection: ConnectionOptions::bytes_per_turn is 0");
  }
  return shared;
}

}  // namespace

Connection::Connection(TimerService& timers, std::unique_ptr<Transport> transport,
                       ConnectionHandlers handlers, Name name)
    : Connection(timers.reactor(), std::move(transport),
                 CallbackOwner<ConnectionKind>(std::in_place, std::move(handlers),
                                               ConnectionOptions(), name),
                 true) {}

Connection::Connection(TimerService& timers, std::unique_ptr<Transport> transport,
                       ConnectionOptions options, ConnectionHandlers handlers, Name name)
    : Connection(timers.reactor(), std::move(transport),
                 CallbackOwner<ConnectionKind>(std::in_place, std::move(handlers), options, name),
                 true) {}

Connection::Connection(TimerService& timers, std::unique_ptr<Transport> transport,
                       const CallbackOwner<ConnectionKind>& kind)
    : Connection(timers.reactor(), std::move(transport), kind, true) {}

Connection::Connection(Reactor& reactor, std::unique_ptr<Transport> transport,
                       const CallbackOwner<ConnectionKind>& kind, bool handlers_are_users)
    : reactor_(reactor),
      link_(reactor.link()),
      kind_(checked(kind)),
      transport_(checked(std::move(transport))),
      handlers_are_users_(handlers_are_users),
      watch_(watch()) {
  if (transport_->fd() == -1) end(error_of_empty(*transport_));
}

Connection::~Connection() { cut(); }

// The watch first: a descriptor leaves the poller before it is closed.
void Connection::cut() noexcept {
  watch_.cancel();
  later_.cancel();
  kind_.end();
}

Watch Connection::watch() {
  if (transport_->fd() == -1) return {};
  const Name name = CallbackOwner<ConnectionKind>::Call(kind_)->name;
  try {
    return reactor_.watch_source(
        transport_->fd(), [this](Ready ready) { return on_ready(ready); }, name);
  } catch (const std::system_error& error) {
    if (const std::error_code limit = limit_in(error.code())) {
      throw LimitReached(limit, setup_text("Connection", "", name, error));
    }
    fail_setting_up("Connection", "", name, error);
  }
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
  if (queue_.empty()) {
    const IoResult result = transport_->write(as_bytes(bytes));
    if (!result.error) queue_.append(bytes.substr(result.size));
    on_write_result(result, bytes.size());
  } else {
    queue_.append(bytes);
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

void Connection::flush() {
  if (!queue_.empty()) {
    const std::string_view bytes = queue_.front();
    const IoResult result = transport_->write(as_bytes(bytes));
    queue_.take(result.size);
    on_write_result(result, bytes.size());
    drained_ = drained_ || (queue_.empty() && writing_ == Side::open);
  }
  if (is_open() && queue_.empty() && writing_ == Side::ending) send_end();
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
  const IoResult result = transport_->shutdown_write();
  if (result.error || result.blocked != Blocked::no) return on_write_result(result, 0);
  writing_ = Side::ended;
  write_blocked_ = Blocked::no;
  if (reading_is_over()) return end(reason_);
  update_interest();
}

// A short write means that the system has no more room, so another try would fail.
void Connection::on_write_result(const IoResult& result, std::size_t asked) {
  if (result.error) return on_write_error(result.error);
  write_blocked_ = result.blocked;
  if (result.size < asked && result.blocked == Blocked::no)
    write_blocked_ = Blocked::until_writable;
  update_interest();
}

// Reads on, since the peer may have sent bytes before it went away. Their end ends the connection.
void Connection::on_write_error(std::error_code error) {
  queue_.clear();
  write_blocked_ = Blocked::no;
  writing_ = Side::ended;
  reason_ = error;
  if (reading_is_over()) return end(error);
  update_interest();
  drained_ = true;
  if (!wants_to_read()) come_back();
}

std::error_code Connection::set_no_delay(bool on) {
  if (!usable("Connection::set_no_delay")) return std::make_error_code(std::errc::not_connected);
  return transport_->set_no_delay(on);
}

// ---- events

std::size_t Connection::on_ready(Ready ready) {
  Served served = {CallbackOwner<ConnectionKind>::Call(kind_)};
  served_ = &served;
  try {
    if (is_open()) serve(ready, served);
    if (served && !is_open()) report(served);
  } catch (...) {
    if (served) {
      served_ = nullptr;
      if (is_open() ? may_hold_more_ || held_ != Held::no : !reported_) come_back();
    }
    throw;
  }
  if (served) served_ = nullptr;
  return served.calls;
}

void Connection::serve(Ready ready, const Served& served) {
  if (ready.invalid) return end(why_unwatched(transport_->fd()));
  const bool broken = ready.error || ready.hangup;
  const bool may_write =
      write_blocked_ == Blocked::until_readable ? ready.readable : ready.writable;
  const bool may_read = read_blocked_ == Blocked::until_writable ? ready.writable : ready.readable;

  if (write_blocked_ != Blocked::no && (may_write || broken)) flush();
  if (is_open() && drained_) tell_drained(served);
  if (served && is_open() && held_ != Held::no && !reading_paused_) give_held_input(served);
  const bool reads = served && is_open() && wants_to_read() && held_ == Held::no;
  if (reads && (may_read || broken)) read_some(served);
  // The reactor silences a watch after an unasked error. The read above has taken this one.
  const bool silenced = ready.error && !ready.hangup && !ready.readable && !ready.writable;
  if (served && is_open() && silenced) watch_.resume();
  // The read has taken what the write was waiting for.
  if (served && is_open() && write_blocked_ == Blocked::until_readable) {
    flush();
    if (is_open() && drained_) tell_drained(served);
  }
}

void Connection::update_interest() {
  const bool read_waits_for_room = wants_to_read() && read_blocked_ == Blocked::until_writable;
  const bool read_waits = wants_to_read() && !read_waits_for_room;
  const Interest interest = {
      .readable = read_waits || write_blocked_ == Blocked::until_readable,
      .writable = read_waits_for_room || write_blocked_ == Blocked::until_writable};
  if (interest == interest_) return;
  if (watch_) watch_.set_interest(interest);  // else the watch has ended: see serve()
  interest_ = interest;
}

// ---- the end

void Connection::close(std::error_code reason) {
  if (usable("Connection::close")) end(reason);
}

// The watch first: a descriptor leaves the poller before it is closed.
void Connection::end(std::error_code reason) {
  watch_.cancel();
  transport_.reset();
  queue_.clear();
  reason_ = reason;
  if (served_ == nullptr) come_back();
}

// Calls on_ready() in the next turn. It then reports an end that came outside of a callback, or
// reads on after the budget ran out. A transport may hold bytes that its descriptor does not
// announce.
void Connection::come_back() {
  if (std::exchange(comes_back_, true)) return;
  later_ = reactor_.next_turn(
      [this] {
        comes_back_ = false;
        on_ready({.readable = true});
      },
      CallbackOwner<ConnectionKind>::Call(kind_)->name);
}

void Connection::report(const Served& served) {
  if (std::exchange(reported_, true)) return;
  call(served.kind->handlers.on_closed, reason_);
}

}  // namespace detent
