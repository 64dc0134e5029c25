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
  /// How many lines of one client are given in one turn at most; the rest in the next. At least 1.
  std::size_t lines_per_turn = 256;
  /// While more bytes than this wait for a client to read them, it is not read from, and none of
  /// its lines is given: one that does not read its answers costs bounded memory.
  std::size_t high_water = 1'048'576;
  Callback<void(Connection& client, const Endpoint& peer)> on_accepted = {};
  /// The beginning of a line whose end has not arrived, each time that more of it has.
  Callback<void(Connection& client, std::string_view so_far)> on_partial_line = {};
  /// The client will send no more, and has been given its last line; it may still read. Call
  /// finish() when nothing more is to be said. Left empty, the server does that at once, unless
  /// reading is paused: then after resume_reading(). So answers that come later need one of both.
  Callback<void(Connection& client)> on_end = {};
  /// As ConnectionHandlers::on_drained.
  Callback<void(Connection& client)> on_drained = {};
  /// The client's last call: the Connection is over, and goes when this returns.
  Callback<void(Connection& client, std::error_code reason)> on_closed = {};
};

/// Lives on its loop's thread and must go before the TimerService and the loop. Its callbacks may
/// call anything, Connection::close and the destructor of the server included. At the end of a
/// client's stream its last line counts even without an end. After finish() or close() no line is
/// given any more, and what the client still sends is dropped. pause_reading() holds lines that
/// have been read already, too.
///
/// Destroying the server drops what was written and not yet sent, and tells nobody. To send it,
/// finish() the clients and wait until connections() is 0.
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
    LineServerOptions options;
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
