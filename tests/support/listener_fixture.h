// SPDX-License-Identifier: BSL-1.0
/// \file
/// A listener for tests, and what it told.
#pragma once

#include <sys/socket.h>

#include "detent/listener.h"
#include "detent/simulation.h"
#include "support/net_fixtures.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"

namespace detent::testing_support {

/// Real sockets on every poller, in a time that the test moves.
class ListenerFixture : public testing::TestWithParam<std::string_view> {
 protected:
  /// At a unix socket unless told otherwise: there a connect is in the backlog when it returns. Its
  /// callbacks take note, and then do what the test has set.
  void listen(const Endpoint& endpoint = unused_name(), ListenerOptions options = {}) {
    options.on_trouble = on_trouble();
    listener_ = std::make_unique<Listener>(timers_, endpoint, std::move(options), on_accept());
  }
  void listen(Socket listening, ListenerOptions options = {}) {
    options.on_trouble = on_trouble();
    listener_ =
        std::make_unique<Listener>(timers_, std::move(listening), std::move(options), on_accept());
  }
  [[nodiscard]] Listener::OnAccept on_accept() {
    return [this](Socket socket, const Endpoint& peer) {
      accepted_.push_back(std::move(socket));
      peers_.push_back(peer);
      if (then_) then_();
    };
  }

  void connect_clients(int count = 1) {
    for (int i = 0; i < count; ++i) clients_.push_back(Socket::connect(listener_->endpoint()));
  }
  [[nodiscard]] bool was_turned_away(std::size_t client) const {
    char byte = 0;
    return ::recv(clients_[client].fd(), &byte, 1, MSG_DONTWAIT) == 0;
  }
  std::size_t turn() { return reactor_.dispatch(); }
  [[nodiscard]] bool is_quiet() {
    std::size_t calls = 0;
    for (int i = 0; i < 100; ++i) calls += turn();
    return calls == 0;
  }
  template <class Done>
  [[nodiscard]] bool run_until(Done done) {
    return testing_support::run_until(reactor_, std::move(done));
  }

  Simulation clock_;
  Reactor reactor_{{.poller = make_poller(GetParam()), .clock = &clock_}};
  TimerService timers_{reactor_};
  std::vector<Socket> accepted_;
  std::vector<Endpoint> peers_;
  std::vector<int> troubles_;
  Callback<void()> then_;
  std::vector<Socket> clients_;
  std::unique_ptr<Listener> listener_;

 private:
  [[nodiscard]] Callback<void(std::error_code)> on_trouble() {
    return [this](std::error_code error) {
      troubles_.push_back(error.value());
      if (then_) then_();
    };
  }
};

}  // namespace detent::testing_support
