// SPDX-License-Identifier: BSL-1.0
/// \file
/// Accepts connections and hands each to a function of yours.
///
///     detent::Listener listener(timers, detent::Endpoint::parse(address),  // "127.0.0.1:1234"
///                               [&](detent::Socket socket, const detent::Endpoint& peer) {
///                                 serve(std::move(socket), peer);
///                               });
///
/// At the limit of descriptors or memory it turns one waiting client away, rests, and tries again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>

#include "detent/callback.h"
#include "detent/callback_owner.h"
#include "detent/endpoint.h"
#include "detent/name.h"
#include "detent/reactor.h"
#include "detent/socket.h"
#include "detent/timer_service.h"
#include "detent/unique_fd.h"

namespace detent {

struct ListenerOptions {
  ListenOptions socket = {};
  /// How many connections it accepts in one turn at most; the rest in the next. At least 1.
  std::size_t accepts_per_turn = 64;
  /// Called at the beginning of each episode of trouble, which lasts until the next connection.
  Callback<void(std::error_code)> on_trouble = {};
};

/// Lives on its loop's thread. Destroy it before the TimerService and the loop. Its callbacks may
/// destroy it. When `on_accept` lets LimitReached through, the listener turns the client away and
/// rests, as at a limit of accept(2). All other exceptions leave Reactor::run.
class Listener {
 public:
  using OnAccept = Callback<void(Socket, const Endpoint& peer)>;

  struct Counters {
    std::uint64_t accepted = 0;
    std::uint64_t aborted = 0;   ///< Gone before they were accepted, or refused by the system.
    std::uint64_t shed = 0;      ///< Turned away at the limit.
    std::uint64_t episodes = 0;  ///< Episodes of trouble.
  };

  /// Throws std::system_error when it cannot listen there; std::invalid_argument when `on_accept`
  /// is empty and for an option of 0.
  Listener(TimerService& timers, const Endpoint& endpoint, OnAccept on_accept, Name name = {});
  Listener(TimerService& timers, const Endpoint& endpoint, ListenerOptions options,
           OnAccept on_accept, Name name = {});
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  /// Where it listens, with the port that the kernel chose.
  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

 private:
  friend class LineServer;
  struct Handlers {
    const char* type;  // in errors: this one's, or that of the server that owns it
    OnAccept on_accept;
    Callback<void(std::error_code)> on_trouble;
    std::size_t accepts_per_turn;
    Name name;
  };
  using Call = CallbackOwner<Handlers>::Call;

  Listener(const char* type, TimerService& timers, const Endpoint& endpoint,
           ListenerOptions options, OnAccept on_accept, Name name);
  static Handlers checked(Handlers handlers);
  Socket listen(const Endpoint& endpoint, const ListenOptions& options);
  Watch watch();
  void cut() noexcept;
  std::size_t accept_ready(Ready ready);
  std::error_code hand_over(const Call& call, AcceptResult accepted);
  std::size_t rest(const Call& call, std::error_code error);
  void retry();
  void shed_one();

  Reactor& reactor_;
  CallbackOwner<Handlers> handlers_;
  Timer retry_;
  Socket socket_;
  Endpoint endpoint_;
  UniqueFd spare_;  // closed at the limit, so that one connection can be accepted and closed
  Counters counters_;
  Duration pause_ = {};  // of the present episode; zero: none
  Watch watch_;
};

}  // namespace detent
