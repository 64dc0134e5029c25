// SPDX-License-Identifier: BSL-1.0
#include <stdexcept>
#include <utility>

#include "connect_attempt.h"
#include "detent/network.h"
#include "setup_error.h"
#include "stream_setup.h"

namespace detent {
namespace {

Socket listen_at(const Endpoint& endpoint, const ListenOptions& options, const Name& name) {
  try {
    return Socket::listen(endpoint, options);
  } catch (const std::system_error& error) {
    fail_setting_up("Network::listen", "", name, error);
  }
}

class KernelNetwork final : public Network {
 public:
  std::unique_ptr<Acceptor> listen(Reactor& reactor, const Endpoint& endpoint,
                                   const AcceptorOptions& options, OnStream on_stream,
                                   Name name) override {
    return make_acceptor(reactor, listen_at(endpoint, options.socket, name), options,
                         std::move(on_stream), name);
  }

  Handle connect(Reactor& reactor, const Endpoint& endpoint, const ConnectOptions& options,
                 OnStream on_stream, Name name) override {
    check(options.stream);
    reactor.check_thread("Network::connect");
    if (!on_stream) throw std::invalid_argument("Network::connect: the callback is empty");
    std::error_code error;
    try {
      Socket socket = Socket::connect(endpoint);
      if (socket)
        return ConnectAttempt::begin(reactor, std::move(socket), options, on_stream, name);
      error = socket.take_error();
    } catch (const std::system_error& failure) {
      error = limit_or(failure.code());
    }
    return reactor.next_turn(
        [on_stream = std::move(on_stream), error]() mutable { on_stream(nullptr, error); }, name);
  }
};

}  // namespace

Network& kernel_network() noexcept {
  static KernelNetwork network;
  return network;
}

}  // namespace detent
