// SPDX-License-Identifier: BSL-1.0
#include "detent/line_server.h"

#include <iterator>
#include <new>
#include <stdexcept>
#include <utility>

#include "detent/limit_reached.h"

namespace detent {

// All clients have the same handlers, so a handler has to find its client.
struct LineServer::Client final : Connection {
  Client(LineServer& of, Socket socket)
      : Connection(of.reactor_, std::make_unique<Socket>(std::move(socket)), of.kind_, false),
        server(of),
        handlers(of.handlers_),
        parser(Call(handlers)->max_line_length) {}
  ~Client() { cut_all(); }

  static Client& of(Connection& connection) { return static_cast<Client&>(connection); }

  void cut_all() noexcept {
    cut();
    handlers.end();
  }
  void on_data(std::string_view bytes);
  void on_end();
  void on_closed(std::error_code reason);
  void go_on();
  bool give_lines(const Call& call);

  LineServer& server;
  CallbackOwner<Handlers> handlers;
  LineParser parser;
  bool peer_ended = false;
  Clients::iterator place;
};

LineServer::LineServer(TimerService& timers, const Endpoint& endpoint, OnLine on_line, Name name)
    : LineServer(timers, endpoint, {}, std::move(on_line), name) {}

LineServer::LineServer(TimerService& timers, const Endpoint& endpoint, LineServerOptions options,
                       OnLine on_line, Name name)
    : reactor_(timers.reactor()),
      handlers_(checked({.on_line = std::move(on_line),
                         .on_accepted = std::move(options.on_accepted),
                         .on_partial_line = std::move(options.on_partial_line),
                         .on_closed = std::move(options.on_closed),
                         .max_line_length = LineParser(options.max_line_length).max_length()})),
      kind_(make_kind(options.connection, name)),
      listener_(
          "LineServer", timers, endpoint, std::move(options.listener),
          [this](Socket socket, const Endpoint& peer) { accept(std::move(socket), peer); }, name) {}

// Rule 8 (handle.h): the handles first, then what the callbacks captured, while all members live.
LineServer::~LineServer() {
  listener_.cut();
  for (const auto& client : clients_) client->cut_all();
  handlers_.end();
}

LineServer::Handlers LineServer::checked(Handlers handlers) {
  if (!handlers.on_line) throw std::invalid_argument("LineServer: on_line is empty");
  return handlers;
}

ConnectionKind LineServer::make_kind(ConnectionOptions options, Name name) {
  ConnectionHandlers handlers;
  handlers.on_data = [](Connection& c, std::string_view bytes) { Client::of(c).on_data(bytes); };
  handlers.on_end = [](Connection& c) { Client::of(c).on_end(); };
  handlers.on_closed = [](Connection& c, std::error_code e) { Client::of(c).on_closed(e); };
  return {std::move(handlers), options, name};
}

// The listener turns away who cannot be taken for want of memory, or because the poller is full.
LineServer::Client& LineServer::add_client(Socket socket) {
  try {
    clients_.push_back(std::make_unique<Client>(*this, std::move(socket)));
  } catch (const std::bad_alloc&) {
    throw LimitReached(std::make_error_code(std::errc::not_enough_memory), "LineServer");
  }
  clients_.back()->place = std::prev(clients_.end());
  return *clients_.back();
}

void LineServer::accept(Socket socket, const Endpoint& peer) {
  Client& client = add_client(std::move(socket));
  const Call call(client.handlers);
  if (call->on_accepted) call->on_accepted(client, peer);
}

// The callback may destroy the server; the client stays for its sake until it returns.
void LineServer::Client::on_closed(std::error_code reason) {
  const std::unique_ptr<Client> self = std::move(*place);
  server.clients_.erase(place);
  const Call call(handlers);
  tell(call->on_closed, reason);
}

void LineServer::Client::on_data(std::string_view bytes) {
  parser.append(bytes);
  go_on();
}

void LineServer::Client::on_end() {
  peer_ended = true;
  go_on();
}

void LineServer::Client::go_on() {
  const Call call(handlers);
  if (!give_lines(call)) return;
  // Before the length is judged: what a line begins with must not depend on how TCP cut it.
  if (!peer_ended && !parser.partial().empty()) tell(call->on_partial_line, parser.partial());
  if (!call) return;
  if (parser.too_long()) {
    close(std::make_error_code(std::errc::message_size));
  } else if (peer_ended) {
    finish();
  }
}

// False when the client has been closed or destroyed meanwhile.
bool LineServer::Client::give_lines(const Call& call) {
  const auto next = peer_ended ? &LineParser::finish : &LineParser::next;
  try {
    while (const auto line = (parser.*next)()) {
      tell(call->on_line, *line);
      if (!call || !is_open()) return false;
    }
  } catch (...) {
    if (call && is_open()) hold_input();  // for the lines behind it
    throw;
  }
  return true;
}

}  // namespace detent
