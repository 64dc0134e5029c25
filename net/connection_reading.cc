// SPDX-License-Identifier: BSL-1.0
// How a connection reads: in portions, and holding back what its user cannot handle yet.
#include <algorithm>
#include <span>

#include "detent/connection.h"
#include "receive_buffer.h"

namespace detent {
namespace {

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

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

void Connection::hold_input(Held until) {
  held_ = until;
  if (until == Held::until_next_turn) {
    come_back();  // the interest stays, since the next turn is soon
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
    // After a short read nothing is left, so another would find nothing.
    if (!served || !may_hold_more_ || !is_open() || !wants_to_read()) return;
    if (held_ != Held::no) return;
  }
  come_back();
}

// When a write has got the error of a reset, a read returns a clean end, which is not true.
void Connection::on_peer_end(const Served& served) {
  if (reason_ && reason_ != std::errc::broken_pipe) return end(reason_);
  peer_ended_ = true;
  if (!served.kind->handlers.on_end) end_writing();
  if (!is_open()) return;
  update_interest();  // an end of stream stays readable for ever
  call(served.kind->handlers.on_end);
  if (served && is_open() && writing_ == Side::ended && held_ == Held::no) end(reason_);
}

}  // namespace detent
