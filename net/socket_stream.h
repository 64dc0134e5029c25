// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. A stream over a socket: knows about readiness, blocking and hang-ups.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>

#include "detent/reactor.h"
#include "detent/socket.h"
#include "detent/stream.h"

namespace detent {

class SocketStream final : public Stream {
 public:
  /// Throws what Reactor::watch_source does.
  SocketStream(Reactor& reactor, Socket&& socket, const StreamOptions& options, const Name& name);

  void start(User& user) override;
  void want_bytes(bool wanted) override;
  Written write(std::span<const Piece> pieces, std::span<const int> descriptors) noexcept override;
  void finish() override;
  void close(bool reset) noexcept override;
  [[nodiscard]] Endpoint local() const override;
  [[nodiscard]] Endpoint peer() const override;
  [[nodiscard]] Socket* socket() noexcept override { return socket_ ? &socket_ : nullptr; }

 private:
  void on_ready(Ready ready);
  void serve(Ready ready);
  void read_some();
  std::size_t read_bytes(std::span<std::byte> buffer);
  std::size_t read_with_descriptors(std::span<std::byte> buffer);
  void take_no_bytes(const Socket::Result& result);
  void send_end();
  void fail(std::error_code error);
  void fail_in_next_turn(std::error_code error);
  void update_interest(bool keep_reading);
  [[nodiscard]] bool is_started() const noexcept { return user_ != nullptr; }
  [[nodiscard]] bool reads() const noexcept {
    return is_started() && wants_bytes_ && !reading_ended_;
  }

  Reactor& reactor_;
  User* user_ = nullptr;  // null: not started, or closed
  Socket socket_;
  std::error_code error_;  // of writing; or of both directions, when nobody was told yet
  std::size_t bytes_per_turn_;
  std::uint8_t descriptors_per_read_;
  bool wants_bytes_ = true;
  bool waits_for_room_ = false;
  bool finishes_ = false;  // finish() waits for the end of the connect
  bool writing_ended_ = false;
  bool reading_ended_ = false;
  bool is_serving_ = false;                 // an event, at whose end the interest is updated
  Interest interest_ = {.readable = true};  // the watch's; compared after each event and write
  Watch watch_;
  Handle later_;
};

}  // namespace detent
