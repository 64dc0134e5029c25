// SPDX-License-Identifier: BSL-1.0
#include "detent/connection.h"

#include <span>
#include <stdexcept>
#include <utility>

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

}  // namespace

Connection::Connection(TimerService& timers, std::unique_ptr<Transport> transport,
                       ConnectionHandlers handlers, Name name)
    : timers_(timers),
      handlers_(std::make_shared<ConnectionHandlers>(std::move(handlers))),
      transport_(std::move(transport)),
      watch_(timers.reactor().watch(
          *transport_, interest_, [this](Ready ready) { on_ready(ready); }, name)) {}

// ---- writing

void Connection::write(std::string_view bytes) {
  timers_.reactor().check("Connection::write");
  if (!is_open() || (writing_ == Side::ended && reason_)) return;
  if (writing_ != Side::open) throw std::logic_error("Connection::write: after finish");
  if (!queue_.empty()) return queue_.append(bytes);
  const IoResult result = transport_->write(as_bytes(bytes));
  if (!result.error) queue_.append(bytes.substr(result.size));
  on_write_result(result, bytes.size());
}

void Connection::finish() {
  timers_.reactor().check("Connection::finish");
  if (!is_open() || writing_ != Side::open) return;
  writing_ = Side::ending;
  if (queue_.empty()) send_end();
}

void Connection::flush() {
  if (!queue_.empty()) {
    const std::string_view bytes = queue_.front();
    const IoResult result = transport_->write(as_bytes(bytes));
    queue_.take(result.size);
    on_write_result(result, bytes.size());
  }
  if (is_open() && queue_.empty() && writing_ == Side::ending) send_end();
}

void Connection::send_end() {
  const IoResult result = transport_->shutdown_write();
  on_write_result(result, 0);
  if (!is_open() || result.error || result.blocked != Blocked::no) return;
  writing_ = Side::ended;
  if (peer_ended_) end(reason_);
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
  if (peer_ended_) return end(error);
  update_interest();
}

// ---- reading

void Connection::pause_reading() {
  timers_.reactor().check("Connection::pause_reading");
  reading_paused_ = true;
  if (is_open()) update_interest();
}

void Connection::resume_reading() {
  timers_.reactor().check("Connection::resume_reading");
  reading_paused_ = false;
  if (!is_open()) return;
  update_interest();
  if (may_hold_more_) come_back();
}

void Connection::on_ready(Ready ready) {
  const Lifespan::Guard alive(lifespan_);
  const auto handlers = handlers_;
  dispatching_ = true;
  try {
    serve(ready, alive);
  } catch (...) {
    if (alive) dispatching_ = false;
    if (alive && (!is_open() || may_hold_more_)) come_back();
    throw;
  }
  if (!alive) return;
  dispatching_ = false;
  if (!is_open()) report();
}

void Connection::serve(Ready ready, const Lifespan::Guard& alive) {
  const bool broken = ready.error || ready.hangup || ready.invalid;
  const bool was_blocked = write_blocked_ != Blocked::no;
  const bool may_write =
      write_blocked_ == Blocked::until_readable ? ready.readable : ready.writable;
  const bool may_read = read_blocked_ == Blocked::until_writable ? ready.writable : ready.readable;

  if (was_blocked && (may_write || broken)) {
    flush();
    // After a failure, whoever has paused reading until the queue is empty must not wait for ever.
    const bool freed = writing_ == Side::open || (writing_ == Side::ended && reading_paused_);
    const bool drained = is_open() && write_blocked_ == Blocked::no && freed;
    if (drained && handlers_->on_drained) handlers_->on_drained();
  }
  if (alive && is_open() && wants_to_read() && (may_read || broken)) read_some(alive);
  // The reactor silences a watch after an error that nobody asked for; this one has been read.
  const bool silenced = ready.error && !ready.hangup && !ready.readable && !ready.writable;
  if (alive && is_open() && silenced) watch_.resume();
  // The read has taken what the write was waiting for.
  if (alive && is_open() && write_blocked_ == Blocked::until_readable) flush();
}

void Connection::read_some(const Lifespan::Guard& alive) {
  const std::uint64_t turn = timers_.reactor().counters().turns;
  // The descriptor and come_back() may both lead here in one turn.
  if (spent_in_turn_ == turn) return come_back();
  const auto handlers = handlers_;
  const ReceiveBuffer receive_buffer;
  const std::span<std::byte> buffer = receive_buffer.bytes();
  for (std::size_t left = timers_.reactor().budgets().reads; left > 0; --left) {
    const IoResult result = transport_->read(buffer);
    if (result.error) return end(reason_ ? reason_ : result.error);
    if (result.end_of_stream) return on_peer_end();
    read_blocked_ =
        result.blocked == Blocked::until_writable ? result.blocked : Blocked::until_readable;
    may_hold_more_ = result.size == buffer.size();
    update_interest();
    if (result.blocked != Blocked::no) return;

    if (handlers->on_data) handlers->on_data(as_text(buffer.first(result.size)));
    // After a short read there is nothing left, so another would be in vain.
    if (!alive || !may_hold_more_ || !is_open() || !wants_to_read()) return;
  }
  spent_in_turn_ = turn;
  come_back();
}

void Connection::on_peer_end() {
  peer_ended_ = true;
  if (writing_ == Side::ended) return end(reason_);
  update_interest();  // an end of stream stays readable for ever
  const auto handlers = handlers_;
  if (handlers->on_end) return handlers->on_end();
  finish();
}

void Connection::update_interest() {
  const bool read_waits_for_room = wants_to_read() && read_blocked_ == Blocked::until_writable;
  const bool read_waits = wants_to_read() && !read_waits_for_room;
  const Interest interest = {
      .readable = read_waits || write_blocked_ == Blocked::until_readable,
      .writable = read_waits_for_room || write_blocked_ == Blocked::until_writable};
  if (interest == interest_) return;
  watch_.set_interest(interest);
  interest_ = interest;
}

// ---- the end

void Connection::close(std::error_code reason) {
  timers_.reactor().check("Connection::close");
  if (is_open()) end(reason);
}

// The watch first: a descriptor leaves the poller before it is closed.
void Connection::end(std::error_code reason) {
  watch_.cancel();
  transport_.reset();
  queue_.clear();
  reason_ = reason;
  if (!dispatching_) come_back();
}

// In the next turn: to report an end that was brought about outside of a callback, or to read on
// where the budget ran out, since a transport may hold bytes that its descriptor does not announce.
void Connection::come_back() {
  later_ = timers_.after(Duration::zero(), [this] {
    if (is_open()) {
      on_ready({.readable = true});
    } else {
      report();
    }
  });
}

void Connection::report() {
  if (std::exchange(reported_, true)) return;
  const auto handlers = handlers_;
  if (handlers->on_closed) handlers->on_closed(reason_);
}

}  // namespace detent
