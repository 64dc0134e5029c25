// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Accepts from a listening socket.
#pragma once

#include <cstddef>
#include <memory>
#include <system_error>

#include "detent/callback_owner.h"
#include "detent/network.h"
#include "detent/reactor.h"
#include "detent/unique_fd.h"

namespace detent {

class KernelAcceptor final : public Acceptor {
 public:
  /// Throws what Reactor::watch_source does.
  KernelAcceptor(Reactor& reactor, Socket&& listening, const AcceptorOptions& options,
                 Network::OnStream&& on_stream, const Name& name);
  ~KernelAcceptor() override;

  void want(bool wanted) override;
  bool shed_one() noexcept override;
  [[nodiscard]] Endpoint local() const override { return socket_.local_endpoint(); }

 private:
  struct Handlers {
    Network::OnStream on_stream;
    StreamOptions stream;
    std::size_t accepts_per_turn;
    Name name;
  };
  using Call = CallbackOwner<Handlers>::Call;

  Watch watch();
  void accept_ready(Ready ready);
  void watch_again();

  Reactor& reactor_;
  CallbackOwner<Handlers> handlers_;
  Socket socket_;
  UniqueFd spare_;  // closed at the limit, so that one connection can be accepted and closed
  bool wanted_ = true;
  Handle later_;
  Watch watch_;
};

}  // namespace detent
