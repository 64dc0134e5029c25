// SPDX-License-Identifier: BSL-1.0
#include "socket_stream.h"

#include <algorithm>
#include <array>
#include <utility>

#include "receive_buffer.h"
#include "socket_message.h"
#include "stream_setup.h"

namespace detent {
namespace {

// A socket without a descriptor keeps the reason.
std::error_code why_empty(Socket& socket) {
  const std::error_code error = socket.take_error();
  return error ? error : std::make_error_code(std::errc::bad_file_descriptor);
}

template <class Ask>
Endpoint endpoint_or_unnamed(Ask ask) {
  try {
    return ask();
  } catch (const std::system_error&) {
    return {};  // closed, or the peer has gone
  }
}

}  // namespace

std::unique_ptr<Stream> make_stream(Reactor& reactor, Socket socket, StreamOptions options,
                                    Name name) {
  check(options);
  return set_up_stream(name, [&] {
    return std::make_unique<SocketStream>(reactor, std::move(socket), options, name);
  });
}

SocketStream::SocketStream(Reactor& reactor, Socket&& socket, const StreamOptions& options,
                           const Name& name)
    : reactor_(reactor),
      socket_(std::move(socket)),
      bytes_per_turn_(options.bytes_per_turn),
      descriptors_per_read_(static_cast<std::uint8_t>(options.descriptors_per_read)) {
  if (!socket_) {
    error_ = why_empty(socket_);
    return;
  }
  const auto serve = [this](Ready ready) {
    on_ready(ready);
    return std::size_t{0};  // its user counts its own callbacks
  };
  watch_ = reactor.watch_source(socket_.fd(), serve, name);
}

// ---- what its owner asks

void SocketStream::start(User& user) {
  user_ = &user;
  if (error_) return fail_in_next_turn(error_);
  if (!interest_.readable) update_interest(false);
}

// Off, the interest goes only when bytes arrive, so a short pause costs no system call.
void SocketStream::want_bytes(bool wanted) {
  wants_bytes_ = wanted;
  update_interest(true);
}

Written SocketStream::write(std::span<const Piece> pieces,
                            std::span<const int> descriptors) noexcept {
  if (writing_ended_ || !is_started()) {
    return {.error = error_ ? error_ : std::make_error_code(std::errc::broken_pipe)};
  }
  const bool is_plain = pieces.size() == 1 && descriptors.empty();
  const std::size_t asked = is_plain ? pieces[0].size : total_size(pieces);
  const Socket::Result result =
      is_plain ? socket_.write({pieces[0].data, asked}) : socket_.write_pieces(pieces, descriptors);
  if (result.error) {
    error_ = result.error;
    writing_ended_ = true;
  }
  waits_for_room_ = !result.error && result.size < asked;
  if (waits_for_room_ || interest_.writable || result.error) update_interest(true);
  return {.size = result.size, .error = result.error};
}

void SocketStream::finish() {
  if (!is_started() || std::exchange(writing_ended_, true)) return;
  waits_for_room_ = false;
  send_end();
}

void SocketStream::send_end() {
  const Socket::Result result = socket_.shutdown_write();
  finishes_ = result.would_block;
  if (result.error) error_ = result.error;  // told when reading ends
  if (result.error && reading_ended_) fail_in_next_turn(result.error);
  update_interest(true);
}

// The watch first: a descriptor leaves the poller before it is closed.
void SocketStream::close(bool reset) noexcept {
  user_ = nullptr;
  finishes_ = waits_for_room_ = false;
  later_.cancel();
  watch_.cancel();
  if (reset) socket_.reset();
  static_cast<void>(socket_.release());
}

Endpoint SocketStream::local() const {
  return endpoint_or_unnamed([this] { return socket_.local_endpoint(); });
}

Endpoint SocketStream::peer() const {
  return endpoint_or_unnamed([this] { return socket_.peer_endpoint(); });
}

// ---- events

// Wherever an event calls the user, it may be closed after it, and is not destroyed: rule (d).
void SocketStream::on_ready(Ready ready) {
  const bool keep_reading = reads();
  is_serving_ = true;
  try {
    serve(ready);
  } catch (...) {
    is_serving_ = false;
    update_interest(keep_reading);
    throw;
  }
  is_serving_ = false;
  update_interest(keep_reading);
}

void SocketStream::serve(Ready ready) {
  if (ready.invalid) [[unlikely]] {
    error_ = why_unwatched(socket_.fd());
    if (is_started()) fail(error_);
    return;
  }
  const bool broken = ready.error || ready.hangup;
  if (ready.writable || broken) {
    if (std::exchange(waits_for_room_, false)) user_->on_room();
    if (finishes_) send_end();
  }
  if (reads() && (ready.readable || broken)) read_some();
  // The reactor silences a watch after an unasked error. The read above has taken this one.
  const bool silenced = ready.error && !ready.hangup && !ready.readable && !ready.writable;
  if (silenced && is_started()) watch_.resume();
}

// After a short read nothing is left, or the descriptor tells of it again.
void SocketStream::read_some() {
  const ReceiveBuffer receive_buffer;
  for (std::size_t left = bytes_per_turn_; left > 0 && reads();) {
    const std::span<std::byte> all = receive_buffer.bytes();
    const std::span<std::byte> buffer = all.first(std::min(all.size(), left));
    const std::size_t size =
        descriptors_per_read_ == 0 ? read_bytes(buffer) : read_with_descriptors(buffer);
    if (size < buffer.size()) return;
    left -= size;
  }
}

std::size_t SocketStream::read_bytes(std::span<std::byte> buffer) {
  const Socket::Result result = socket_.read(buffer);
  if (result.size > 0) {
    user_->on_bytes(buffer.first(result.size), {});
  } else {
    take_no_bytes(result);
  }
  return result.size;
}

std::size_t SocketStream::read_with_descriptors(std::span<std::byte> buffer) {
  std::array<UniqueFd, kMostDescriptors> room;
  std::span<UniqueFd> descriptors = std::span(room).first(descriptors_per_read_);
  const Socket::Result result = socket_.read_with_descriptors(buffer, descriptors);
  if (result.size > 0) {
    user_->on_bytes(buffer.first(result.size), descriptors);
  } else {
    take_no_bytes(result);
  }
  return result.size;
}

// When a write has got the error of a reset, a read returns a clean end, which is not true.
void SocketStream::take_no_bytes(const Socket::Result& result) {
  if (result.would_block) return;
  if (result.error) return fail(result.error);
  if (error_ && error_ != std::errc::broken_pipe) return fail(error_);
  reading_ended_ = true;
  user_->on_end();
}

void SocketStream::fail(std::error_code error) {
  reading_ended_ = writing_ended_ = true;
  finishes_ = waits_for_room_ = false;
  user_->on_error(error);
}

void SocketStream::fail_in_next_turn(std::error_code error) {
  reading_ended_ = writing_ended_ = true;
  error_ = error;
  later_ = reactor_.next_turn([this] { user_->on_error(error_); }, watch_.name());
}

void SocketStream::update_interest(bool keep_reading) {
  if (is_serving_) return;
  const bool keeps = keep_reading && interest_.readable && !reading_ended_;
  const Interest wanted = {.readable = keeps || reads(), .writable = waits_for_room_ || finishes_};
  if (wanted == interest_) return;
  if (watch_) watch_.set_interest(wanted);  // else the watch has ended, or it was closed
  interest_ = wanted;
}

}  // namespace detent
