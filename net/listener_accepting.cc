// SPDX-License-Identifier: BSL-1.0
// How a listener accepts, and what it does at a limit.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "client_book.h"
#include "detent/limit_reached.h"
#include "detent/listener.h"
#include "detent/net_error.h"

namespace detent {
namespace {

using std::chrono::milliseconds;
constexpr Duration kFirstDelay = milliseconds(10);
constexpr Duration kLongestDelay = std::chrono::seconds(1);

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

UniqueFd Listener::open_spare() noexcept {
  return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

// Returns how many callbacks it made.
std::size_t Listener::accept_ready(Ready ready) {
  const Call call(handlers_);
  // The poller could not register the socket again after a rest.
  if (ready.invalid) return rest(call, std::make_error_code(std::errc::not_enough_memory));
  std::size_t calls = 0;
  std::error_code refusal;
  for (std::size_t left = call->accepts_per_turn; left > 0 && is_accepting(); --left) {
    AcceptResult accepted = socket_.accept();
    if (accepted.socket) {
      refusal.clear();
      calls += welcome(call, accepted);
      if (!call) return calls;
    } else if (concerns_one_connection(accepted.error)) {
      ++counters_.aborted;
      refusal = accepted.error;
    } else {
      if (!accepted.error || !shed_one()) return calls;
      return calls + rest(call, accepted.error);
    }
  }
  // Rests when a turn ends in refusals: refused connections may stay in the backlog.
  return refusal ? calls + rest(call, refusal) : calls;
}

bool Listener::is_accepting() const noexcept {
  return socket_ && !is_paused_ && state_ == State::accepting;
}

// Hands a client over or turns it away. Returns how many callbacks it made.
std::size_t Listener::welcome(const Call& call, AcceptResult& accepted) {
  bool is_news = false;
  if (const std::error_code limit = book_ ? admit(accepted.peer, is_news) : std::error_code()) {
    accepted.socket = Socket();
    ++counters_.shed;
    if (limit != NetError::too_many_clients_of_address) return rest(call, limit);
    ++counters_.shed_by_address;
    return is_news ? tell(call, limit) : 0;
  }
  const std::error_code limit = hand_over(call, accepted);
  return call && limit ? 1 + rest(call, limit) : 1;
}

std::error_code Listener::admit(const Endpoint& peer, bool& is_news) {
  try {
    ClientBook::Answer answer = book_->admit(peer);
    admission_ = std::move(answer.admission);
    is_news = answer.is_news;
    return answer.limit;
  } catch (const std::bad_alloc&) {
    return std::make_error_code(std::errc::not_enough_memory);
  }
}

// Returns the limit that on_accept reported, if any; then the client has been turned away.
std::error_code Listener::hand_over(const Call& call, AcceptResult& accepted) {
  // Takes back an admission that on_accept did not take.
  struct Offer {
    const Call& call;
    Listener& listener;
    ~Offer() {
      if (call && listener.book_) listener.admission_.cancel();
    }
  };
  ++counters_.accepted;
  const bool ends_episode = !book_ || !book_->is_full();
  const Duration delay = delay_;
  if (ends_episode) delay_ = Duration::zero();
  try {
    const Offer offer{call, *this};
    reactor_.observed([&call] { return Observer::Call{.name = call->name}; },
                      [&] { call->on_accept(std::move(accepted.socket), accepted.peer); });
    return {};
  } catch (const LimitReached& limit) {
    if (!call) return {};
    --counters_.accepted;
    ++counters_.shed;
    delay_ = delay;  // the same episode
    return limit.code();
  }
}

// Pauses, since the connection stays in the backlog and the descriptor readable: trying again at
// once would spin. Returns how many callbacks it made.
std::size_t Listener::rest(const Call& call, std::error_code error) {
  const bool is_news = delay_ == Duration::zero();
  delay_ = std::clamp(delay_ * 2, kFirstDelay, kLongestDelay);
  state_ = error == NetError::too_many_clients ? State::full : State::resting;
  if (watch_) watch_.pause();
  retry_.rearm(delay_);
  return is_news ? tell(call, error) : 0;
}

std::size_t Listener::tell(const Call& call, std::error_code trouble) {
  ++counters_.episodes;
  if (!call->on_trouble) return 0;
  reactor_.observed([&call] { return Observer::Call{.name = call->name}; },
                    [&] { call->on_trouble(trouble); });
  return 1;
}

// Closes one connection. Without this, the clients in the backlog would wait for nothing. False if
// none waits: without a free descriptor accept(2) reports the limit even then.
bool Listener::shed_one() {
  spare_.reset();
  AcceptResult accepted = socket_.accept();
  const bool is_shed = static_cast<bool>(accepted.socket);
  accepted.socket = Socket();
  spare_ = open_spare();
  if (is_shed) ++counters_.shed;
  return is_shed || accepted.error;
}

}  // namespace detent
