// SPDX-License-Identifier: BSL-1.0
#include "kernel_acceptor.h"

#include <fcntl.h>

#include <stdexcept>
#include <utility>

#include "setup_error.h"
#include "stream_setup.h"

namespace detent {
namespace {

UniqueFd open_spare() noexcept { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

std::unique_ptr<Acceptor> make_acceptor(Reactor& reactor, Socket listening,
                                        const AcceptorOptions& options, Network::OnStream on_stream,
                                        Name name) {
  check(options.stream);
  if (!on_stream) throw std::invalid_argument("Network::listen: the callback is empty");
  if (options.accepts_per_turn == 0) {
    throw std::invalid_argument("Network::listen: AcceptorOptions::accepts_per_turn is 0");
  }
  try {
    return std::make_unique<KernelAcceptor>(reactor, std::move(listening), options,
                                            std::move(on_stream), name);
  } catch (const std::system_error& error) {
    fail_setting_up("Network::listen", "", name, error);
  }
}

KernelAcceptor::KernelAcceptor(Reactor& reactor, Socket&& listening, const AcceptorOptions& options,
                               Network::OnStream&& on_stream, const Name& name)
    : reactor_(reactor),
      handlers_(std::in_place, std::move(on_stream), options.stream, options.accepts_per_turn,
                name),
      socket_(std::move(listening)),
      spare_(open_spare()),
      watch_(watch()) {}

// Rule 8 (handle.h): the handles first, then the callback, while all members live.
KernelAcceptor::~KernelAcceptor() {
  watch_.cancel();
  later_.cancel();
  handlers_.end();
}

Watch KernelAcceptor::watch() {
  const auto serve = [this](Ready ready) {
    accept_ready(ready);
    return std::size_t{0};  // whoever calls a user counts it
  };
  return reactor_.watch_source(socket_.fd(), serve, Call(handlers_)->name);
}

// The watch has ended if the poller could not register the socket again.
void KernelAcceptor::want(bool wanted) {
  if (std::exchange(wanted_, wanted) == wanted && watch_) return;
  if (!watch_) return watch_again();
  if (wanted) {
    watch_.resume();
  } else {
    watch_.pause();
  }
}

void KernelAcceptor::watch_again() {
  if (!wanted_) return;
  try {
    watch_ = watch();
  } catch (const std::system_error& error) {
    const std::error_code code = limit_or(error.code());
    later_ = reactor_.next_turn([this, code] { Call(handlers_)->on_stream(nullptr, code); },
                                Call(handlers_)->name);
  }
}

void KernelAcceptor::accept_ready(Ready ready) {
  const Call call(handlers_);
  // The poller could not register the socket again after a pause.
  if (ready.invalid) return call->on_stream(nullptr, why_unwatched(socket_.fd()));
  for (std::size_t left = call->accepts_per_turn; left > 0; --left) {
    AcceptResult accepted = socket_.accept();
    if (!accepted.socket && !accepted.error) return;
    std::unique_ptr<Stream> stream;
    if (accepted.socket) {
      stream = try_make_stream(reactor_, std::move(accepted.socket), call->stream, call->name,
                               accepted.error);
    }
    call->on_stream(std::move(stream), accepted.error);
    if (!call || !wanted_) return;
  }
}

bool KernelAcceptor::shed_one() noexcept {
  spare_.reset();
  const bool was_there = static_cast<bool>(socket_.accept().socket);
  spare_ = open_spare();
  return was_there;
}

}  // namespace detent
