// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. A stream over one or two descriptors that are no sockets: pipes, FIFOs, terminals.
#pragma once

#include <cstddef>
#include <span>
#include <system_error>

#include "detent/reactor.h"
#include "detent/stream.h"
#include "detent/unique_fd.h"

namespace detent {

class PipeStream final : public Stream {
 public:
  /// Throws what Reactor::watch_source does.
  PipeStream(Reactor& reactor, UniqueFd&& in, UniqueFd&& out, const StreamOptions& options,
             const Name& name);

  void start(User& user) override;
  void want_bytes(bool wanted) override;
  Written write(std::span<const Piece> pieces, std::span<const int> descriptors) noexcept override;
  void finish() override;
  void close(bool reset) noexcept override;
  [[nodiscard]] Endpoint local() const override { return {}; }
  [[nodiscard]] Endpoint peer() const override { return {}; }

 private:
  template <class Serve>
  Watch watch(const UniqueFd& fd, const Name& name, Serve serve);
  void on_input(Ready ready);
  void on_output(Ready ready);
  void read_some();
  void take_no_bytes(ssize_t result);
  void fail(std::error_code error);
  void end_in_next_turn();
  void update_input(bool keep_reading);
  void update_output();
  [[nodiscard]] bool is_started() const noexcept { return user_ != nullptr; }
  [[nodiscard]] bool reads() const noexcept {
    return is_started() && wants_bytes_ && !reading_ended_;
  }

  Reactor& reactor_;
  User* user_ = nullptr;  // null: not started, or closed
  UniqueFd in_;
  UniqueFd out_;
  std::error_code error_;  // of writing, or of both directions when nobody was told yet
  std::size_t bytes_per_turn_;
  bool wants_bytes_ = true;
  bool waits_for_room_ = false;
  bool writing_ended_ = false;
  bool reading_ended_ = false;
  bool is_serving_ = false;  // the output's event, at whose end its interest is updated
  bool watches_input_ = true;
  bool watches_output_ = false;
  Watch input_;
  Watch output_;
  Handle later_;
};

}  // namespace detent
