// SPDX-License-Identifier: BSL-1.0
/// \file
/// A server for protocols of text lines: listens, keeps its connections, calls you for each line.
///
///     detent::LineServer server(timers, detent::Endpoint::parse(address),  // "127.0.0.1:1234"
///                               [](detent::Connection& client, std::string_view line) {
///                                 client.write("you said: " + std::string(line) + "\n");
///                               });
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

#include "detent/callback.h"
#include "detent/callback_owner.h"
#include "detent/connection.h"
#include "detent/endpoint.h"
#include "detent/framing.h"
#include "detent/listener.h"
#include "detent/name.h"
#include "detent/timer_service.h"

namespace detent {

struct LineServerOptions {
  ListenerOptions listener = {};
  ConnectionOptions connection = {};  ///< Of each client.
  /// Without the line's end. A client that sends a longer line is disconnected, on_closed says
  /// message_size, and nobody else notices.
  std::size_t max_line_length = 65'536;
  Callback<void(Connection& client, const Endpoint& peer)> on_accepted = {};
  /// The beginning of a line whose end has not arrived, each time that more of it has.
  Callback<void(Connection& client, std::string_view so_far)> on_partial_line = {};
  /// The client's last call: the Connection is over, and goes when this returns.
  Callback<void(Connection& client, std::error_code reason)> on_closed = {};
};

/// Lives on its loop's thread and must go before the TimerService and the loop. Its callbacks may
/// call anything, Connection::close and the destructor of the server included. At the end of a
/// client's stream its last line counts even without an end; then what was written is sent and the
/// client is done.
class LineServer {
 public:
  /// `line` has no end of line ("\n" or "\r\n") and is valid during the call.
  using OnLine = Callback<void(Connection& client, std::string_view line)>;

  /// Throws std::system_error when it cannot listen there; std::invalid_argument when `on_line` is
  /// empty and for an option of 0.
  LineServer(TimerService& timers, const Endpoint& endpoint, OnLine on_line, Name name = {});
  LineServer(TimerService& timers, const Endpoint& endpoint, LineServerOptions options,
             OnLine on_line, Name name = {});
  LineServer(const LineServer&) = delete;
  LineServer& operator=(const LineServer&) = delete;
  ~LineServer();

  [[nodiscard]] const Endpoint& endpoint() const noexcept { return listener_.endpoint(); }
  [[nodiscard]] const Listener& listener() const noexcept { return listener_; }
  [[nodiscard]] std::size_t connections() const noexcept { return clients_.size(); }

 private:
  struct Client;
  struct Handlers {
    OnLine on_line;
    decltype(LineServerOptions::on_accepted) on_accepted;
    decltype(LineServerOptions::on_partial_line) on_partial_line;
    decltype(LineServerOptions::on_closed) on_closed;
    std::size_t max_line_length;
  };
  using Call = CallbackOwner<Handlers>::Call;
  using Clients = std::list<std::unique_ptr<Client>>;

  static Handlers checked(Handlers handlers);
  static ConnectionKind make_kind(ConnectionOptions options, Name name);
  Client& add_client(Socket socket);
  void accept(Socket socket, const Endpoint& peer);

  Reactor& reactor_;
  // Both shared by all clients.
  CallbackOwner<Handlers> handlers_;
  CallbackOwner<ConnectionKind> kind_;
  Clients clients_;
  Listener listener_;
};

}  // namespace detent
