// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. A connect that goes on.
#pragma once

#include <memory>

#include "detent/handle.h"
#include "detent/network.h"
#include "detent/reactor.h"
#include "detent/socket.h"

namespace detent {

/// Belongs to its own watch's callable, so it goes when it is cancelled, when it is through, and
/// when the reactor goes.
class ConnectAttempt final : private HandleOwner {
 public:
  /// `socket` has a descriptor. Throws what Reactor::watch_source does, and leaves `on_stream`
  /// then.
  static Handle begin(Reactor& reactor, Socket&& socket, const ConnectOptions& options,
                      Network::OnStream& on_stream, const Name& name);
  ConnectAttempt(Reactor& reactor, Socket&& socket, const ConnectOptions& options,
                 const Name& name);
  ConnectAttempt(const ConnectAttempt&) = delete;
  ConnectAttempt& operator=(const ConnectAttempt&) = delete;
  ~ConnectAttempt() { link_.cut(); }

 private:
  void on_ready(Ready ready);
  void cancel(HandlerId id) noexcept override;
  [[nodiscard]] bool active(HandlerId id) const noexcept override;

  Reactor& reactor_;
  Network::OnStream on_stream_;
  StreamOptions options_;
  Name name_;
  Socket socket_;
  ServiceLink link_;
  Watch watch_;
};

}  // namespace detent
