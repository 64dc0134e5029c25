// SPDX-License-Identifier: BSL-1.0
#include "detent/connection.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <utility>

#include "detent/limit_reached.h"
#include "setup_error.h"

namespace detent {
namespace {

// One for each thread, since a loop reads for one connection at a time; if a callback runs another
// loop meanwhile, that one's connections get buffers of their own. As large as pays: a smaller one
// costs a bulk transfer a system call for each part.
class ReceiveBuffer {
 public:
  ReceiveBuffer() : is_shared_(!std::exchange(in_use, true)) {
    auto& buffer = is_shared_ ? shared : own_;
    if (buffer == nullptr) buffer = std::make_unique_for_overwrite<std::byte[]>(kSize);
    bytes_ = {buffer.get(), kSize};
  }
  ReceiveBuffer(const ReceiveBuffer&) = delete;
  ReceiveBuffer& operator=(const ReceiveBuffer&) = delete;
  ~ReceiveBuffer() {
    if (is_shared_) in_use = false;
  }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  static constexpr std::size_t kSize = 262'144;
  static thread_local std::unique_ptr<std::byte[]> shared;
  static thread_local bool in_use;

  bool is_shared_;
  std::unique_ptr<std::byte[]> own_;
  std::span<std::byte> bytes_;
};
thread_local std::unique_ptr<std::byte[]> ReceiveBuffer::shared;
thread_local bool ReceiveBuffer::in_use = false;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::unique_ptr<Transport> checked(std::unique_ptr<Transport> transport) {
  if (transport == nullptr) throw std::invalid_argument("Connection: the transport is null");
  return transport;
}

// One that could not be opened keeps the reason.
std::error_code error_of_empty(Transport& transport) {
  std::array<std::byte, 1> byte = {};
  const std::error_code error = transport.read(byte).error;
  return error ? error : std::make_error_code(std::errc::bad_file_descriptor);
}

// The limit that a refusal to watch a socket tells of; none: it is another error.
std::error_code limit_in(std::error_code error) {
  // Above Capabilities::descriptor_limit.
  if (error == std::errc::invalid_argument) {
    return std::make_error_code(std::errc::too_many_files_open);
  }
  return is_at_limit(error) ? error : std::error_code();
}

// A poller gives a registration up when its descriptor was closed behind its back, or when the
// kernel refuses to take it back after a pause.
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
      line_(reactor.line()),
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
      throw LimitReached(limit, setup_text("Connection", name, error));
    }
    fail_setting_up("Connection", name, error);
  }
}

// False when nothing is to be done any more.
bool Connection::usable(const char* call) const { return line_.check(call) && is_open(); }

template <class Handler, class... Args>
void Connection::call(Handler& handler, Args&&... args) {
  if (handlers_are_users_) {
    tell(handler, std::forward<Args>(args)...);
  } else if (handler) {
    handler(*this, std::forward<Args>(args)...);
  }
}

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

// A failure is told like this only to one that has paused reading until the queue is empty, and
// would wait for ever: the others find the end of the stream.
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

// A short write means that the system has no more room, so another try would be in vain.
void Connection::on_write_result(const IoResult& result, std::size_t asked) {
  if (result.error) return on_write_error(result.error);
  write_blocked_ = result.blocked;
  if (result.size < asked && result.blocked == Blocked::no)
    write_blocked_ = Blocked::until_writable;
  update_interest();
}

// What the peer had sent before it went away is still to be read; the end of that ends it all.
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

// ---- reading

void Connection::pause_reading() {
  if (!usable("Connection::pause_reading")) return;
  reading_paused_ = true;
  update_interest();
  if (drained_) come_back();  // a write has failed before
}

void Connection::resume_reading() {
  if (!usable("Connection::resume_reading")) return;
  reading_paused_ = false;
  update_interest();
  if (may_hold_more_ || held_ != Held::no) come_back();
}

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
  // The reactor silences a watch after an error that nobody asked for; this one has been read.
  const bool silenced = ready.error && !ready.hangup && !ready.readable && !ready.writable;
  if (served && is_open() && silenced) watch_.resume();
  // The read has taken what the write was waiting for.
  if (served && is_open() && write_blocked_ == Blocked::until_readable) {
    flush();
    if (is_open() && drained_) tell_drained(served);
  }
}

void Connection::hold_input(Held until) {
  held_ = until;
  if (until == Held::until_next_turn) {
    come_back();  // the interest stays as it is: this is over soon
  } else {
    update_interest();
  }
}

void Connection::give_held_input(const Served& served) {
  held_ = Held::no;
  call(served.kind->handlers.on_data, std::string_view());
  if (!served || !is_open() || held_ != Held::no) return;
  if (peer_ended_ && writing_ == Side::ended) return end(reason_);
  update_interest();
  if (may_hold_more_) come_back();
}

// The descriptor and come_back() may both lead here in one turn.
std::size_t Connection::left_to_read(const Served& served) noexcept {
  if (const std::uint64_t turn = reactor_.turn(); read_turn_ != turn) {
    read_turn_ = turn;
    read_in_turn_ = 0;
  }
  return served.kind->options.bytes_per_turn - read_in_turn_;
}

void Connection::read_some(const Served& served) {
  const ReceiveBuffer receive_buffer;
  while (const std::size_t left = left_to_read(served)) {
    const std::span<std::byte> all = receive_buffer.bytes();
    const std::span<std::byte> buffer = all.first(std::min(all.size(), left));
    const IoResult result = transport_->read(buffer);
    if (result.error) return end(reason_ ? reason_ : result.error);
    if (result.end_of_stream) return on_peer_end(served);
    read_in_turn_ += result.size;
    read_blocked_ =
        result.blocked == Blocked::until_writable ? result.blocked : Blocked::until_readable;
    may_hold_more_ = result.size == buffer.size();
    update_interest();
    if (result.blocked != Blocked::no) return;

    call(served.kind->handlers.on_data, as_text(buffer.first(result.size)));
    // After a short read there is nothing left, so another would be in vain.
    if (!served || !may_hold_more_ || !is_open() || !wants_to_read()) return;
    if (held_ != Held::no) return;
  }
  come_back();
}

// After a reset that a write has taken note of, reading looks like a clean end: that is none.
void Connection::on_peer_end(const Served& served) {
  if (reason_ && reason_ != std::errc::broken_pipe) return end(reason_);
  peer_ended_ = true;
  if (!served.kind->handlers.on_end) end_writing();
  if (!is_open()) return;
  update_interest();  // an end of stream stays readable for ever
  call(served.kind->handlers.on_end);
  if (served && is_open() && writing_ == Side::ended && held_ == Held::no) end(reason_);
}

void Connection::update_interest() {
  const bool read_waits_for_room = wants_to_read() && read_blocked_ == Blocked::until_writable;
  const bool read_waits = wants_to_read() && !read_waits_for_room;
  const Interest interest = {
      .readable = read_waits || write_blocked_ == Blocked::until_readable,
      .writable = read_waits_for_room || write_blocked_ == Blocked::until_writable};
  if (interest == interest_) return;
  if (watch_) watch_.set_interest(interest);  // else its end is about to be told
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

// In the next turn: to report an end that was brought about outside of a callback, or to read on
// where the budget ran out, since a transport may hold bytes that its descriptor does not announce.
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
