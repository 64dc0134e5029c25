// SPDX-License-Identifier: BSL-1.0
/// \file
/// Accepts connections and hands each to a function of yours.
///
///     detent::Listener listener(timers, detent::Endpoint::parse(address),  // "127.0.0.1:1234"
///                               [&](detent::Socket socket, const detent::Endpoint& peer) {
///                                 serve(std::move(socket), peer);
///                               });
///
/// At the limit of descriptors or memory, or of its clients, it turns one of them away, rests, and
/// tries again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>

#include "detent/affinity.h"
#include "detent/callback.h"
#include "detent/callback_owner.h"
#include "detent/endpoint.h"
#include "detent/handle.h"
#include "detent/name.h"
#include "detent/reactor.h"
#include "detent/socket.h"
#include "detent/timer_service.h"
#include "detent/unique_fd.h"

namespace detent {

class ClientBook;

struct ListenerOptions {
  static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

  ListenOptions socket = {};  ///< Without effect on a socket that listened already.
  /// How many connections it accepts in one turn at most; the rest in the next. At least 1.
  std::size_t accepts_per_turn = 64;
  /// How many clients it has at a time. It turns one more away and rests, as at every limit. It
  /// accepts again as soon as a client has gone. A client counts while its Admission lives.
  std::size_t max_clients = kNoLimit;
  /// How many clients of one address it has at a time. It turns away each one more, without a rest.
  /// Clients of unix sockets have no address, so this does not limit them.
  std::size_t clients_per_address = kNoLimit;
  /// How many bits of an IPv6 address count, from 1 to 128. By default 64, since one machine may
  /// have all addresses that begin with the same 64. Link-local and IPv4 addresses count whole.
  unsigned ipv6_prefix = 64;
  /// Called at the beginning of each episode of trouble, with its reason. An episode lasts until
  /// the next connection; at max_clients, until one that leaves room for another. An address at
  /// clients_per_address has episodes of its own. The codes of these two limits are NetErrors.
  Callback<void(std::error_code)> on_trouble = {};
};

/// The place of one client at its listener, for as long as it lives. It may outlive the listener.
class [[nodiscard]] Admission : public Handle {
 public:
  Admission() noexcept = default;

 private:
  friend class ClientBook;
  using Handle::Handle;
};

/// Lives on its loop's thread. Destroy it before the TimerService and the loop. Its callbacks may
/// destroy it. When `on_accept` lets LimitReached through, the listener turns the client away and
/// rests, as at a limit of accept(2). All other exceptions leave Reactor::run.
class Listener {
 public:
  using OnAccept = Callback<void(Socket, const Endpoint& peer)>;

  struct Counters {
    std::uint64_t accepted = 0;
    std::uint64_t aborted = 0;  ///< Gone before they were accepted, or refused by the system.
    std::uint64_t shed = 0;     ///< Turned away at any limit.
    std::uint64_t shed_by_address = 0;  ///< Of these: at clients_per_address.
    std::uint64_t episodes = 0;         ///< Episodes of trouble.
  };

  /// Throws std::system_error when it cannot listen there; std::invalid_argument when `on_accept`
  /// is empty and for an option out of its range.
  Listener(TimerService& timers, const Endpoint& endpoint, OnAccept on_accept, Name name = {});
  Listener(TimerService& timers, const Endpoint& endpoint, ListenerOptions options,
           OnAccept on_accept, Name name = {});
  /// Takes over a socket that listens already, such as one that the program was started with:
  /// Socket::adopt(UniqueFd(3)). Never removes the path of such a socket. std::invalid_argument if
  /// it does not listen.
  Listener(TimerService& timers, Socket listening, OnAccept on_accept, Name name = {});
  Listener(TimerService& timers, Socket listening, ListenerOptions options, OnAccept on_accept,
           Name name = {});
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  /// As close().
  ~Listener();

  /// Accepts no more, in this turn either. Clients still connect and wait, up to the backlog.
  /// Idempotent.
  void pause();
  /// Accepts again, first the clients that waited. If it rests, it goes on resting. Idempotent.
  void resume();
  /// Stops listening for good, and destroys the callbacks; a running one when it returns. The
  /// system refuses new clients and disconnects those that wait. Removes the path of a unix socket,
  /// unless another process listens there too or `remove_dead_path` is off. (It looks up a relative
  /// path from the present working directory.) Idempotent.
  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(socket_); }

  /// For `on_accept`, where the options limit the clients: keep the Admission as long as the
  /// client. A client whose Admission is not taken does not count. Empty without such limits, and
  /// when `on_accept` does not run.
  Admission take_admission() noexcept { return std::move(admission_); }

  /// Where it listens, with the port that the kernel chose; where it listened, once closed.
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
  // One of the two.
  struct Source {
    Endpoint endpoint = {};
    Socket listening = {};
  };
  enum class State : std::uint8_t {
    accepting,
    resting,  // until retry_
    full,     // the same, or until a client goes
  };

  Listener(const char* type, TimerService& timers, Source source, ListenerOptions options,
           OnAccept on_accept, Name name);
  static Handlers checked(const char* type, OnAccept on_accept, ListenerOptions& options,
                          Name name);
  Socket listen(Source source, const ListenOptions& options);
  static UniqueFd open_spare() noexcept;
  Watch watch();
  void cut() noexcept;
  void stop_listening() noexcept;
  void start_accepting();
  [[nodiscard]] bool is_accepting() const noexcept;
  std::size_t accept_ready(Ready ready);
  std::size_t welcome(const Call& call, AcceptResult& accepted);
  std::error_code admit(const Endpoint& peer, bool& is_news);
  std::error_code hand_over(const Call& call, AcceptResult& accepted);
  std::size_t rest(const Call& call, std::error_code error);
  std::size_t tell(const Call& call, std::error_code trouble);
  void retry();
  void on_room() noexcept;
  bool shed_one();

  Reactor& reactor_;
  const Affinity affinity_;
  CallbackOwner<Handlers> handlers_;
  Timer retry_;
  const bool removes_path_;
  State state_ = State::accepting;
  bool is_paused_ = false;  // by the user
  Socket socket_;           // empty: closed
  Endpoint endpoint_;
  UniqueFd spare_;  // closed at the limit, so that one connection can be accepted and closed
  std::unique_ptr<ClientBook> book_;  // null: no limits
  Admission admission_;               // of the client that is being accepted
  Counters counters_;
  Duration delay_ = {};  // of the present episode; zero: none
  Watch watch_;
};

}  // namespace detent
