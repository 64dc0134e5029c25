// SPDX-License-Identifier: BSL-1.0
#include "detent/line_server.h"

#include <utility>

namespace detent {

struct LineServer::Client {
  Client(LineServer& server, Socket socket)
      : timers(server.timers_),
        handlers(server.handlers_),
        parser(server.max_line_length_),
        connection(server.timers_, std::make_unique<Socket>(std::move(socket)),
                   {.on_data = [this](std::string_view bytes) { on_data(bytes); },
                    .on_end = [this] { on_end(); },
                    .on_closed = [this, &server](std::error_code e) { server.close(place, e); }},
                   server.name_) {}

  void on_data(std::string_view bytes);
  void on_end();
  void go_on();
  bool give_lines();

  TimerService& timers;
  std::shared_ptr<Handlers> handlers;
  LineParser parser;
  bool peer_ended = false;
  Clients::iterator place;
  Timer again;  // gives the lines behind one whose callback threw
  Lifespan lifespan;
  Connection connection;
};

LineServer::LineServer(TimerService& timers, const Endpoint& endpoint, OnLine on_line, Name name)
    : LineServer(timers, endpoint, {}, std::move(on_line), name) {}

LineServer::LineServer(TimerService& timers, const Endpoint& endpoint, LineServerOptions options,
                       OnLine on_line, Name name)
    : timers_(timers),
      name_(name),
      max_line_length_(LineParser(options.max_line_length).max_length()),
      handlers_(std::make_shared<Handlers>(
          Handlers{std::move(on_line), std::move(options.on_accepted),
                   std::move(options.on_partial_line), std::move(options.on_closed)})),
      listener_(
          timers, endpoint, std::move(options.listener),
          [this](Socket socket, const Endpoint& peer) { accept(std::move(socket), peer); }, name) {}

LineServer::~LineServer() = default;

void LineServer::accept(Socket socket, const Endpoint& peer) {
  Client& client = *clients_.emplace_back(std::make_unique<Client>(*this, std::move(socket)));
  client.place = std::prev(clients_.end());
  const auto handlers = handlers_;
  if (handlers->on_accepted) handlers->on_accepted(client.connection, peer);
}

// The callback may destroy the server; the client stays for its sake until it returns.
void LineServer::close(Clients::iterator place, std::error_code reason) {
  const auto handlers = handlers_;
  const std::unique_ptr<Client> client = std::move(*place);
  clients_.erase(place);
  if (handlers->on_closed) handlers->on_closed(client->connection, reason);
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
  if (!connection.is_open()) return;  // closed while `again` was waiting
  const Lifespan::Guard alive(lifespan);
  const auto keep = handlers;
  if (!give_lines()) return;
  // Before the length is judged: what a line begins with must not depend on how TCP cut it.
  const bool unfinished = !peer_ended && !parser.partial().empty();
  if (unfinished && keep->on_partial_line) keep->on_partial_line(connection, parser.partial());
  if (!alive) return;
  if (parser.too_long()) {
    connection.close(std::make_error_code(std::errc::message_size));
  } else if (peer_ended) {
    connection.finish();
  }
}

// False when the client has been closed or destroyed meanwhile.
bool LineServer::Client::give_lines() {
  const Lifespan::Guard alive(lifespan);
  const auto keep = handlers;
  const auto next = peer_ended ? &LineParser::finish : &LineParser::next;
  try {
    while (const auto line = (parser.*next)()) {
      keep->on_line(connection, *line);
      if (!alive || !connection.is_open()) return false;
    }
  } catch (...) {
    if (alive) again = timers.after(Duration::zero(), [this] { go_on(); });
    throw;
  }
  return true;
}

}  // namespace detent
