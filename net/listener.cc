// SPDX-License-Identifier: BSL-1.0
#include "detent/listener.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include "detent/limit_reached.h"
#include "setup_error.h"
#include "sys.h"

namespace detent {
namespace {

using std::chrono::milliseconds;
constexpr Duration kFirstPause = milliseconds(10);
constexpr Duration kLongestPause = std::chrono::seconds(1);

UniqueFd open_spare() noexcept { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// accept(2): errors of the one connection that it would have accepted, and a firewall's refusal.
bool concerns_one_connection(std::error_code error) {
  switch (error.value()) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

}  // namespace

Listener::Listener(TimerService& timers, const Endpoint& endpoint, OnAccept on_accept, Name name)
    : Listener(timers, endpoint, {}, std::move(on_accept), name) {}

Listener::Listener(TimerService& timers, const Endpoint& endpoint, ListenerOptions options,
                   OnAccept on_accept, Name name)
    : Listener("Listener", timers, endpoint, std::move(options), std::move(on_accept), name) {}

Listener::Listener(const char* type, TimerService& timers, const Endpoint& endpoint,
                   ListenerOptions options, OnAccept on_accept, Name name)
    : reactor_(timers.reactor()),
      handlers_(checked({.type = type,
                         .on_accept = std::move(on_accept),
                         .on_trouble = std::move(options.on_trouble),
                         .accepts_per_turn = options.accepts_per_turn,
                         .name = name})),
      retry_(timers.make([this] { retry(); }, name)),
      socket_(listen(endpoint, options.socket)),
      endpoint_(socket_.local_endpoint()),
      spare_(open_spare()),
      watch_(watch()) {}

Listener::~Listener() {
  cut();
  handlers_.end();
}

// The first step of rule 8 (handle.h).
void Listener::cut() noexcept {
  watch_.cancel();
  retry_.cancel();
}

Listener::Handlers Listener::checked(Handlers handlers) {
  if (!handlers.on_accept) throw std::invalid_argument("Listener: on_accept is empty");
  if (handlers.accepts_per_turn == 0) {
    throw std::invalid_argument("Listener: ListenerOptions::accepts_per_turn is 0");
  }
  return handlers;
}

Socket Listener::listen(const Endpoint& endpoint, const ListenOptions& options) {
  try {
    return Socket::listen(endpoint, options);
  } catch (const std::system_error& error) {
    fail_setting_up(Call(handlers_)->type, "", Call(handlers_)->name, error);
  }
}

Watch Listener::watch() {
  const Name name = Call(handlers_)->name;
  try {
    return reactor_.watch_source(
        socket_.fd(), [this](Ready ready) { return accept_ready(ready); }, name);
  } catch (const std::system_error& error) {
    fail_setting_up(Call(handlers_)->type, "", name, error);
  }
}

// Returns how many callbacks it made.
std::size_t Listener::accept_ready(Ready ready) {
  const Call call(handlers_);
  // The poller could not register the socket again after a rest.
  if (ready.invalid) return rest(call, std::make_error_code(std::errc::not_enough_memory));
  std::size_t calls = 0;
  std::error_code refusal;
  for (std::size_t left = call->accepts_per_turn; left > 0; --left) {
    AcceptResult accepted = socket_.accept();
    if (accepted.socket) {
      refusal.clear();
      ++calls;
      const std::error_code limit = hand_over(call, std::move(accepted));
      if (!call) return calls;
      if (limit) return calls + rest(call, limit);
    } else if (concerns_one_connection(accepted.error)) {
      ++counters_.aborted;
      refusal = accepted.error;
    } else {
      if (!accepted.error) return calls;
      shed_one();
      return calls + rest(call, accepted.error);
    }
  }
  // Rests when a turn ends in refusals: refused connections may stay in the backlog.
  return refusal ? calls + rest(call, refusal) : calls;
}

// Returns the limit that on_accept reported, if any; then the client has been turned away.
std::error_code Listener::hand_over(const Call& call, AcceptResult accepted) {
  ++counters_.accepted;
  const Duration pause = std::exchange(pause_, Duration::zero());
  try {
    reactor_.observed([&call] { return Observer::Call{.name = call->name}; },
                      [&] { call->on_accept(std::move(accepted.socket), accepted.peer); });
    return {};
  } catch (const LimitReached& limit) {
    if (!call) return {};
    --counters_.accepted;
    ++counters_.shed;
    pause_ = pause;  // the same episode
    return limit.code();
  }
}

// Pauses, since the connection stays in the backlog and the descriptor readable: trying again at
// once would spin. Returns how many callbacks it made.
std::size_t Listener::rest(const Call& call, std::error_code error) {
  const bool first = pause_ == Duration::zero();
  pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
  if (watch_) watch_.pause();
  retry_.rearm(pause_);
  if (!first) return 0;
  ++counters_.episodes;
  if (!call->on_trouble) return 0;
  reactor_.observed([&call] { return Observer::Call{.name = call->name}; },
                    [&] { call->on_trouble(error); });
  return 1;
}

// The watch has ended if the poller could not register the socket again.
void Listener::retry() {
  if (watch_) return watch_.resume();
  try {
    watch_ = watch();
  } catch (const std::system_error& error) {
    rest(Call(handlers_), error.code());
  }
}

// Closes one connection. Without this, the clients in the backlog would wait for nothing.
void Listener::shed_one() {
  spare_.reset();
  if (socket_.accept().socket) ++counters_.shed;
  spare_ = open_spare();
}

}  // namespace detent
