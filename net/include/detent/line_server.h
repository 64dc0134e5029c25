// SPDX-License-Identifier: BSL-1.0
/// \file
/// A server for protocols of text lines: listens, keeps its connections, and calls you for each
/// line.
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
#include "detent/stream.h"
#include "detent/timer_service.h"

namespace detent {

struct LineServerOptions {
  ListenerOptions listener = {};
  StreamOptions stream = {};  ///< Of each client.
  /// Without the line's end. The server disconnects a client that sends a longer line, with
  /// message_size in on_closed. Other clients do not notice.
  std::size_t max_line_length = 65'536;
  /// How many lines of one client it gives in one turn at most; the rest in the next. At least 1.
  std::size_t lines_per_turn = 256;
  /// While more bytes than this wait for a client, the server neither reads from that client nor
  /// gives its lines. So a client that does not read its answers costs bounded memory.
  std::size_t high_water = 1'048'576;
  Callback<void(Connection& client, const Endpoint& peer)> on_accepted = {};
  /// Called with the beginning of a line whose end has not arrived, each time that more of it has.
  Callback<void(Connection& client, std::string_view so_far)> on_partial_line = {};
  /// The client will send no more, and its last line has been given; it may still read. Call
  /// finish() when you have written all. If on_end is empty, the server finishes at once or, while
  /// reading is paused, after resume_reading(). So to answer later, set on_end or pause reading.
  Callback<void(Connection& client)> on_end = {};
  /// As ConnectionHandlers::on_drained.
  Callback<void(Connection& client)> on_drained = {};
  /// The client's last callback: the Connection is over, and is destroyed when this returns.
  Callback<void(Connection& client, std::error_code reason)> on_closed = {};
};

/// Lives on its loop's thread. Destroy it before the TimerService and the loop. Its callbacks may
/// call anything, even Connection::close and the destructor of the server. At the end of a client's
/// stream its last line counts even without an end. After finish() or close() the server gives no
/// more lines and drops what the client still sends. pause_reading() also holds back lines that
/// were read already.
///
/// Destroying the server drops what was not sent yet, without a callback. To send it first,
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
  static ConnectionKind make_kind(Name name);
  Client& add_client(Socket socket);
  void accept(Socket socket, const Endpoint& peer);

  Reactor& reactor_;
  // All clients share these two.
  CallbackOwner<Handlers> handlers_;
  CallbackOwner<ConnectionKind> kind_;
  Clients clients_;
  Listener listener_;
};

}  // namespace detent
