// SPDX-License-Identifier: BSL-1.0
/// \file
/// Where streams come from: the kernel's network, or another one in its place.
///
///     auto acceptor = network.listen(reactor, endpoint, {},
///         [&](std::unique_ptr<detent::Stream> stream, std::error_code error) {
///           if (!error) serve(std::move(stream));
///         });
///     detent::Handle attempt = network.connect(reactor, acceptor->local(), {}, on_connected);
///
/// A type of yours that takes a Network& can be given a simulated one in a test. Listener and
/// LineServer accept from the kernel by themselves.
#pragma once

#include <cstddef>
#include <memory>
#include <system_error>

#include "detent/callback.h"
#include "detent/endpoint.h"
#include "detent/handle.h"
#include "detent/name.h"
#include "detent/socket.h"
#include "detent/stream.h"

namespace detent {

class Reactor;

/// Accepts streams. Lives on its loop's thread. Its OnStream may destroy it.
class Acceptor {
 public:
  Acceptor() = default;
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  virtual ~Acceptor() = default;

  /// Whether OnStream may come; at first it may. Off, clients wait in the backlog.
  virtual void want(bool wanted) = 0;
  /// For the limit of descriptors: turns one waiting client away, and says whether there was one.
  virtual bool shed_one() noexcept = 0;
  /// Where it listens, with the port that the kernel chose.
  [[nodiscard]] virtual Endpoint local() const = 0;
};

struct AcceptorOptions {
  ListenOptions socket = {};
  StreamOptions stream = {};  ///< Of the accepted ones.
  /// How many it accepts in one turn at most; the rest in the next. At least 1.
  std::size_t accepts_per_turn = 64;
};

struct ConnectOptions {
  StreamOptions stream = {};
};

/// Its functions throw std::invalid_argument for an empty callback, an option out of range and an
/// unnamed endpoint. A Name goes to errors and to the streams.
class Network {
 public:
  Network() = default;
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  virtual ~Network() = default;

  /// Gets a stream or an error, never both, and never from inside of the call that was given it.
  /// The stream is registered with the poller; one that is not started is paused. As an event of a
  /// stream it does not count as a callback (Reactor::add_callbacks).
  using OnStream = Callback<void(std::unique_ptr<Stream>, std::error_code)>;

  /// Accepts until the Acceptor is destroyed. An error is that of one connection, or a limit of
  /// descriptors, memory or the poller, at which the client may still be waiting: then want(false),
  /// or it comes again at once. std::system_error when it cannot listen there.
  [[nodiscard]] virtual std::unique_ptr<Acceptor> listen(Reactor& reactor, const Endpoint& endpoint,
                                                         const AcceptorOptions& options,
                                                         OnStream on_stream, Name name = {}) = 0;
  /// Calls `on_stream` once, however the attempt ends. Destroying the handle takes it back.
  [[nodiscard]] virtual Handle connect(Reactor& reactor, const Endpoint& endpoint,
                                       const ConnectOptions& options, OnStream on_stream,
                                       Name name = {}) = 0;
};

/// The one of this machine. Any thread may use it.
[[nodiscard]] Network& kernel_network() noexcept;

/// What kernel_network().listen() returns, over a socket that listens already.
[[nodiscard]] std::unique_ptr<Acceptor> make_acceptor(Reactor& reactor, Socket listening,
                                                      const AcceptorOptions& options,
                                                      Network::OnStream on_stream, Name name = {});

}  // namespace detent
