// SPDX-License-Identifier: BSL-1.0
#include "connect_attempt.h"

#include <utility>

#include "stream_setup.h"

namespace detent {
namespace {

constexpr HandlerId kOnly = {.slot = 0, .generation = 1};

}  // namespace

Handle ConnectAttempt::begin(Reactor& reactor, Socket&& socket, const ConnectOptions& options,
                             Network::OnStream& on_stream, const Name& name) {
  auto owned = std::make_unique<ConnectAttempt>(reactor, std::move(socket), options, name);
  ConnectAttempt& attempt = *owned;
  const int fd = attempt.socket_.fd();
  auto serve = [owned = std::move(owned)](Ready ready) {
    owned->on_ready(ready);
    return std::size_t{0};  // whoever calls a user counts it
  };
  Watch watch = reactor.watch_source(fd, std::move(serve), name);
  if (!watch) return {};  // the reactor is going, and has dropped the attempt
  watch.set_interest({.writable = true});
  attempt.on_stream_ = std::move(on_stream);
  attempt.watch_ = std::move(watch);
  return {attempt.link_, kOnly};
}

ConnectAttempt::ConnectAttempt(Reactor& reactor, Socket&& socket, const ConnectOptions& options,
                               const Name& name)
    : reactor_(reactor),
      options_(options.stream),
      name_(name),
      socket_(std::move(socket)),
      link_(*this) {}

// Ended from here on, so that the stream can be watched. The watch's callable, and so this object,
// live until it returns.
void ConnectAttempt::on_ready(Ready ready) {
  link_.cut();
  watch_.cancel();
  std::error_code error = ready.invalid ? why_unwatched(socket_.fd()) : socket_.take_error();
  std::unique_ptr<Stream> stream;
  if (!error) stream = try_make_stream(reactor_, std::move(socket_), options_, name_, error);
  on_stream_(std::move(stream), error);
}

// The watch goes last, since this object goes with it.
void ConnectAttempt::cancel(HandlerId /*id*/) noexcept { Watch(std::move(watch_)).cancel(); }

bool ConnectAttempt::active(HandlerId /*id*/) const noexcept { return watch_.active(); }

}  // namespace detent
