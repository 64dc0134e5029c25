// SPDX-License-Identifier: BSL-1.0
#include "pipe_stream.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "pipe_write.h"
#include "receive_buffer.h"
#include "stream_setup.h"
#include "sys.h"

namespace detent {
namespace {

std::error_code last_error() noexcept { return {errno, std::system_category()}; }

bool would_block() noexcept { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

std::unique_ptr<Stream> make_stream(Reactor& reactor, UniqueFd in, UniqueFd out,
                                    StreamOptions options, Name name) {
  check(options);
  if (!in && !out) throw std::invalid_argument("make_stream: neither descriptor is open");
  return set_up_stream(name, [&] {
    return std::make_unique<PipeStream>(reactor, std::move(in), std::move(out), options, name);
  });
}

PipeStream::PipeStream(Reactor& reactor, UniqueFd&& in, UniqueFd&& out,
                       const StreamOptions& options, const Name& name)
    : reactor_(reactor),
      in_(std::move(in)),
      out_(std::move(out)),
      bytes_per_turn_(options.bytes_per_turn),
      writing_ended_(!out_),
      input_(watch(in_, name, [this](Ready ready) { on_input(ready); })),
      output_(watch(out_, name, [this](Ready ready) { on_output(ready); })) {
  if (out_) output_.set_interest({});
}

template <class Serve>
Watch PipeStream::watch(const UniqueFd& fd, const Name& name, Serve serve) {
  if (!fd) return {};
  if (!sys::set_non_blocking(fd.fd()) || !sys::set_close_on_exec(fd.fd())) sys::fail("fcntl");
  const auto counted = [serve](Ready ready) {
    serve(ready);
    return std::size_t{0};  // the user counts its own callbacks
  };
  return reactor_.watch_source(fd.fd(), counted, name);
}

// ---- what its owner asks

void PipeStream::start(User& user) {
  user_ = &user;
  if (error_) return end_in_next_turn();
  update_input(false);
}

// As of a socket's stream: the interest goes only when bytes arrive.
void PipeStream::want_bytes(bool wanted) {
  wants_bytes_ = wanted;
  update_input(true);
}

Written PipeStream::write(std::span<const Piece> pieces,
                          std::span<const int> descriptors) noexcept {
  if (writing_ended_ || !is_started()) {
    return {.error = error_ ? error_ : std::make_error_code(std::errc::broken_pipe)};
  }
  if (!descriptors.empty()) {
    return {.error = std::make_error_code(std::errc::operation_not_supported)};
  }
  const std::size_t asked = total_size(pieces);
  IoParts parts(pieces);
  const ssize_t result =
      asked == 0 ? 0
                 : sys::retry_interrupted([&] { return write_without_sigpipe(out_.fd(), parts); });
  if (result == -1 && !would_block()) {
    error_ = last_error();
    writing_ended_ = true;
    if (!in_) end_in_next_turn();
  }
  const std::size_t size = result > 0 ? static_cast<std::size_t>(result) : 0;
  waits_for_room_ = !writing_ended_ && size < asked;
  update_output();
  return {.size = size, .error = error_};
}

// Without an input, nothing else would tell its user that it is over.
void PipeStream::finish() {
  if (!is_started() || std::exchange(writing_ended_, true)) return;
  waits_for_room_ = false;
  output_.cancel();
  out_.reset();
  if (!in_) end_in_next_turn();
}

// The watches first: a descriptor leaves the poller before it is closed.
void PipeStream::close(bool /*reset*/) noexcept {
  user_ = nullptr;
  waits_for_room_ = false;
  later_.cancel();
  input_.cancel();
  output_.cancel();
  in_.reset();
  out_.reset();
}

// ---- events

void PipeStream::on_output(Ready ready) {
  if (ready.invalid) return fail(why_unwatched(out_.fd()));
  is_serving_ = true;
  try {
    if (std::exchange(waits_for_room_, false)) user_->on_room();
  } catch (...) {
    is_serving_ = false;
    update_output();
    throw;
  }
  is_serving_ = false;
  update_output();
}

void PipeStream::on_input(Ready ready) {
  if (ready.invalid) return fail(why_unwatched(in_.fd()));
  const bool keep_reading = reads();
  try {
    if (keep_reading) read_some();
  } catch (...) {
    update_input(keep_reading);
    throw;
  }
  update_input(keep_reading);
}

void PipeStream::read_some() {
  const ReceiveBuffer receive_buffer;
  for (std::size_t left = bytes_per_turn_; left > 0 && reads();) {
    const std::span<std::byte> all = receive_buffer.bytes();
    const std::span<std::byte> buffer = all.first(std::min(all.size(), left));
    const ssize_t result =
        sys::retry_interrupted([&] { return ::read(in_.fd(), buffer.data(), buffer.size()); });
    if (result <= 0) return take_no_bytes(result);
    const auto size = static_cast<std::size_t>(result);
    user_->on_bytes(buffer.first(size), {});
    if (size < buffer.size()) return;
    left -= size;
  }
}

// The master of a terminal whose other side is closed: EIO, for ever (pty(7) does not say so).
void PipeStream::take_no_bytes(ssize_t result) {
  if (result == -1 && would_block()) return;
  if (result == -1 && errno != EIO) return fail(last_error());
  reading_ended_ = true;
  user_->on_end();
}

void PipeStream::fail(std::error_code error) {
  reading_ended_ = writing_ended_ = true;
  waits_for_room_ = false;
  error_ = error;
  if (is_started()) user_->on_error(error);
}

void PipeStream::end_in_next_turn() {
  reading_ended_ = true;
  later_ = reactor_.next_turn(
      [this] {
        if (error_) return user_->on_error(error_);
        user_->on_end();
      },
      in_ ? input_.name() : output_.name());
}

// ---- interests

void PipeStream::update_input(bool keep_reading) {
  const bool wanted = reads() || (keep_reading && watches_input_ && !reading_ended_);
  if (wanted == watches_input_) return;
  if (input_) input_.set_interest({.readable = wanted});  // else it has ended, or was closed
  watches_input_ = wanted;
}

void PipeStream::update_output() {
  if (is_serving_ || waits_for_room_ == watches_output_) return;
  if (output_) output_.set_interest({.writable = waits_for_room_});
  watches_output_ = waits_for_room_;
}

}  // namespace detent
