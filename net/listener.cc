// SPDX-License-Identifier: BSL-1.0
#include "detent/listener.h"

#include <fcntl.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "client_book.h"
#include "detent/limit_reached.h"
#include "detent/net_error.h"
#include "path_lock.h"
#include "setup_error.h"

namespace detent {
namespace {

std::unique_ptr<ClientBook> make_book(const ListenerOptions& options, Callback<void()> on_room) {
  constexpr std::size_t kNoLimit = ListenerOptions::kNoLimit;
  if (options.max_clients == kNoLimit && options.clients_per_address == kNoLimit) return nullptr;
  const ClientBook::Limits limits = {.clients = options.max_clients,
                                     .clients_per_address = options.clients_per_address,
                                     .ipv6_prefix = options.ipv6_prefix};
  return std::make_unique<ClientBook>(limits, std::move(on_room));
}

Socket checked_listening(Socket socket) {
  if (socket.is_listening()) return socket;
  throw std::invalid_argument("Listener: descriptor " + std::to_string(socket.fd()) +
                              " is no socket that listens");
}

}  // namespace

Listener::Listener(TimerService& timers, const Endpoint& endpoint, OnAccept on_accept, Name name)
    : Listener(timers, endpoint, {}, std::move(on_accept), name) {}

Listener::Listener(TimerService& timers, const Endpoint& endpoint, ListenerOptions options,
                   OnAccept on_accept, Name name)
    : Listener("Listener", timers, {.endpoint = endpoint}, std::move(options), std::move(on_accept),
               name) {}

Listener::Listener(TimerService& timers, Socket listening, OnAccept on_accept, Name name)
    : Listener(timers, std::move(listening), {}, std::move(on_accept), name) {}

Listener::Listener(TimerService& timers, Socket listening, ListenerOptions options,
                   OnAccept on_accept, Name name)
    : Listener("Listener", timers, {.listening = checked_listening(std::move(listening))},
               std::move(options), std::move(on_accept), name) {}

Listener::Listener(const char* type, TimerService& timers, Source source, ListenerOptions options,
                   OnAccept on_accept, Name name)
    : reactor_(timers.reactor()),
      handlers_(checked(type, std::move(on_accept), options, name)),
      retry_(timers.make([this] { retry(); }, name)),
      removes_path_(options.socket.remove_dead_path &&
                    source.endpoint.family() == Endpoint::Family::unix_path),
      socket_(listen(std::move(source), options.socket)),
      endpoint_(socket_.local_endpoint()),
      spare_(open_spare()),
      book_(make_book(options, [this] { on_room(); })),
      watch_(watch()) {}

Listener::~Listener() {
  stop_listening();
  handlers_.end();
}

Listener::Handlers Listener::checked(const char* type, OnAccept on_accept, ListenerOptions& options,
                                     Name name) {
  if (!on_accept) throw std::invalid_argument("Listener: on_accept is empty");
  const auto check = [](bool is_valid, const char* what) {
    if (!is_valid) throw std::invalid_argument(std::string("Listener: ListenerOptions::") + what);
  };
  check(options.accepts_per_turn > 0, "accepts_per_turn is 0");
  check(options.max_clients > 0, "max_clients is 0");
  check(options.clients_per_address > 0, "clients_per_address is 0");
  check(options.ipv6_prefix >= 1 && options.ipv6_prefix <= 128, "ipv6_prefix is not 1 to 128");
  return {.type = type,
          .on_accept = std::move(on_accept),
          .on_trouble = std::move(options.on_trouble),
          .accepts_per_turn = options.accepts_per_turn,
          .name = name};
}

Socket Listener::listen(Source source, const ListenOptions& options) {
  if (source.listening) return std::move(source.listening);
  try {
    return Socket::listen(source.endpoint, options);
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

// The first step of rule 8 (handle.h).
void Listener::cut() noexcept {
  watch_.cancel();
  retry_.cancel();
}

void Listener::pause() {
  affinity_.check("Listener::pause");
  if (!socket_) return;
  is_paused_ = true;
  if (watch_) watch_.pause();
}

void Listener::resume() {
  affinity_.check("Listener::resume");
  if (!socket_ || !std::exchange(is_paused_, false)) return;
  if (state_ == State::accepting) start_accepting();
}

// The captures may destroy the listener.
void Listener::close() noexcept {
  stop_listening();
  handlers_.end();
}

// A forked child leaves the path to its parent.
void Listener::stop_listening() noexcept {
  cut();
  if (!socket_) return;
  socket_ = Socket();
  spare_.reset();
  if (removes_path_ && !affinity_.in_forked_child()) remove_dead_path(endpoint_);
}

// Leaves a watch that has ended to retry(): that one may call on_trouble.
void Listener::start_accepting() {
  if (watch_) return watch_.resume();
  state_ = State::resting;
  retry_.rearm(Duration::zero());
}

// The watch has ended if the poller could not register the socket again.
void Listener::retry() {
  state_ = State::accepting;
  if (is_paused_) return;
  if (watch_) return watch_.resume();
  try {
    watch_ = watch();
  } catch (const std::system_error& error) {
    rest(Call(handlers_), error.code());
  }
}

// A client has gone, perhaps in a destructor. So this calls no callback and does not throw.
void Listener::on_room() noexcept {
  if (!socket_ || state_ != State::full || !watch_) return;
  try {
    if (!is_paused_) watch_.resume();
    retry_.disarm();
    state_ = State::accepting;
  } catch (const std::exception&) {  // then retry() comes at the end of the rest
  }
}

}  // namespace detent
