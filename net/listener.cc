// SPDX-License-Identifier: BSL-1.0
#include "detent/listener.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "sys.h"

namespace detent {
namespace {

using std::chrono::milliseconds;
constexpr Duration kFirstPause = milliseconds(10);
constexpr Duration kLongestPause = std::chrono::seconds(1);

UniqueFd open_spare() noexcept { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// accept(2): errors of the one connection that was about to be accepted, and a firewall's refusal.
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
    : timers_(timers),
      handlers_(std::make_shared<Handlers>(
          Handlers{std::move(on_accept), std::move(options.on_trouble)})),
      socket_(Socket::listen(endpoint, options.socket)),
      endpoint_(socket_.local_endpoint()),
      spare_(open_spare()),
      watch_(timers.reactor().watch(
          socket_, {.readable = true}, [this](Ready) { accept_ready(); }, name)),
      retry_(timers.make([this] { watch_.resume(); }, name)) {}

void Listener::accept_ready() {
  const Lifespan::Guard alive(lifespan_);
  const auto handlers = handlers_;
  std::error_code refusal;
  for (std::size_t left = timers_.reactor().budgets().accepted; alive && left > 0; --left) {
    std::error_code error;
    std::optional<Accepted> accepted = socket_.accept(error);
    if (accepted) {
      ++counters_.accepted;
      refusal.clear();
      pause_ = Duration::zero();
      handlers->on_accept(std::move(accepted->socket), accepted->peer);
    } else if (concerns_one_connection(error)) {
      ++counters_.aborted;
      refusal = error;
    } else {
      if (!error) return;
      shed_one();
      return begin_rest(error);
    }
  }
  // A turn that ends in refusals: whoever refuses does not take them from the backlog.
  if (alive && refusal) begin_rest(refusal);
}

// The connection stays in the backlog and the descriptor readable: to try again at once would spin.
void Listener::begin_rest(std::error_code error) {
  const bool first = pause_ == Duration::zero();
  pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
  watch_.pause();
  retry_.rearm(pause_);
  if (!first) return;
  ++counters_.episodes;
  if (handlers_->on_trouble) handlers_->on_trouble(error);
}

// Without this the clients in the backlog would hang; one of them at a time learns the truth.
void Listener::shed_one() {
  spare_.reset();
  std::error_code error;
  if (socket_.accept(error)) ++counters_.shed;
  spare_ = open_spare();
}

}  // namespace detent
