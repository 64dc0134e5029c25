// SPDX-License-Identifier: BSL-1.0
/// \file
/// Accepts connections and hands each to a function of yours.
///
///     detent::Listener listener(timers, detent::Endpoint::parse("127.0.0.1:1234"),
///                               [&](detent::Socket socket, const detent::Endpoint& peer) {
///                                 serve(std::move(socket), peer);
///                               });
///
/// At the limit of descriptors or memory it neither spins nor gives up: it turns one waiting client
/// away, rests, and tries again.
#pragma once

#include <cstdint>
#include <memory>
#include <system_error>

#include "detent/callback.h"
#include "detent/endpoint.h"
#include "detent/lifespan.h"
#include "detent/name.h"
#include "detent/reactor.h"
#include "detent/socket.h"
#include "detent/timer_service.h"
#include "detent/unique_fd.h"

namespace detent {

struct ListenerOptions {
  ListenOptions socket = {};
  /// Told once for each episode of trouble, when it begins; it ends with the next connection.
  Callback<void(std::error_code)> on_trouble = {};
};

/// Lives on its loop's thread and must go before the TimerService and the loop. Its callbacks may
/// destroy it.
class Listener {
 public:
  using OnAccept = Callback<void(Socket, const Endpoint& peer)>;

  struct Counters {
    std::uint64_t accepted = 0;
    std::uint64_t aborted = 0;   ///< Gone before they were accepted, or refused by the system.
    std::uint64_t shed = 0;      ///< Turned away at the limit.
    std::uint64_t episodes = 0;  ///< Of trouble.
  };

  /// Throws std::system_error when it cannot listen there.
  Listener(TimerService& timers, const Endpoint& endpoint, OnAccept on_accept, Name name = {});
  Listener(TimerService& timers, const Endpoint& endpoint, ListenerOptions options,
           OnAccept on_accept, Name name = {});
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Where it listens, with the port that the kernel chose.
  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

 private:
  struct Handlers {
    OnAccept on_accept;
    Callback<void(std::error_code)> on_trouble;
  };

  void accept_ready();
  void shed_one();
  void begin_rest(std::error_code error);

  TimerService& timers_;
  // Shared with the call in progress, which may destroy this object.
  std::shared_ptr<Handlers> handlers_;
  Socket socket_;
  Endpoint endpoint_;
  UniqueFd spare_;  // given up at the limit, so that one connection can be accepted and closed
  Counters counters_;
  Duration pause_ = {};  // of the present episode; zero: none
  Watch watch_;
  Timer retry_;
  Lifespan lifespan_;
};

}  // namespace detent
