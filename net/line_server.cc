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
      : Connection(of.reactor_, make_stream(of, std::move(socket)), of.kind_, false),
        server(of),
        handlers(of.handlers_),
        parser(Call(handlers)->options.max_line_length) {}
  ~Client() override { cut_all(); }

  static std::unique_ptr<Stream> make_stream(LineServer& of, Socket socket) {
    return detent::make_stream(of.reactor_, std::move(socket), Call(of.handlers_)->options.stream,
                               CallbackOwner<ConnectionKind>::Call(of.kind_)->name);
  }
  static Client& of(Connection& connection) { return static_cast<Client&>(connection); }

  void cut_all() noexcept {
    cut();
    handlers.end();
  }
  void take_data(std::string_view bytes);
  void take_end();
  void take_room();
  void take_closed(std::error_code reason);
  void go_on();
  bool give_lines(const Call& call);
  bool must_wait(const Call& call);
  bool has_budget(const Call& call);
  void give_rest(const Call& call);

  LineServer& server;
  CallbackOwner<Handlers> handlers;
  LineParser parser;
  Clients::iterator place;
  std::uint64_t turn = 0;  // in which lines_in_turn were given
  std::size_t lines_in_turn = 0;
  Admission admission = server.listener_.take_admission();
  bool has_news = false;  // on_partial_line has not seen all bytes
  bool waits_for_room = false;
  bool stream_ended = false;
  bool end_told = false;
};

LineServer::LineServer(TimerService& timers, const Endpoint& endpoint, OnLine on_line, Name name)
    : LineServer(timers, endpoint, {}, std::move(on_line), name) {}

LineServer::LineServer(TimerService& timers, const Endpoint& endpoint, LineServerOptions options,
                       OnLine on_line, Name name)
    : reactor_(timers.reactor()),
      handlers_(checked({std::move(on_line), std::move(options)})),
      kind_(make_kind(name)),
      listener_(
          "LineServer", timers, {.endpoint = endpoint},
          std::move(Call(handlers_)->options.listener),
          [this](Socket socket, const Endpoint& peer) { accept(std::move(socket), peer); }, name) {}

// Rule 8 (handle.h): the handles first, then the callbacks, while all members live.
LineServer::~LineServer() {
  listener_.cut();
  for (const auto& client : clients_) client->cut_all();
  handlers_.end();
}

LineServer::Handlers LineServer::checked(Handlers handlers) {
  if (!handlers.on_line) throw std::invalid_argument("LineServer: on_line is empty");
  if (handlers.options.max_line_length == 0) {
    throw std::invalid_argument("LineServer: LineServerOptions::max_line_length is 0");
  }
  if (handlers.options.lines_per_turn == 0) {
    throw std::invalid_argument("LineServer: LineServerOptions::lines_per_turn is 0");
  }
  return handlers;
}

ConnectionKind LineServer::make_kind(Name name) {
  ConnectionHandlers handlers;
  handlers.on_data = [](Connection& c, std::string_view bytes) { Client::of(c).take_data(bytes); };
  handlers.on_end = [](Connection& c) { Client::of(c).take_end(); };
  handlers.on_drained = [](Connection& c) { Client::of(c).take_room(); };
  handlers.on_closed = [](Connection& c, std::error_code e) { Client::of(c).take_closed(e); };
  return {std::move(handlers), name};
}

// On LimitReached, for want of memory or because the poller is full, the listener turns the client
// away.
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
  if (call->options.on_accepted) call->options.on_accepted(client, peer);
}

// The callback may destroy the server, so `self` keeps the client until it returns.
void LineServer::Client::take_closed(std::error_code reason) {
  const std::unique_ptr<Client> self = std::move(*place);
  server.clients_.erase(place);
  const Call call(handlers);
  tell(call->options.on_closed, reason);
}

// An empty `bytes` means: go on with the input that was held back.
void LineServer::Client::take_data(std::string_view bytes) {
  if (has_finished()) {
    parser.clear();
  } else {
    parser.append(bytes);
  }
  has_news = has_news || !bytes.empty();
  go_on();
}

void LineServer::Client::take_end() {
  stream_ended = true;
  if (has_finished()) parser.clear();
  go_on();
}

void LineServer::Client::take_room() {
  waits_for_room = false;
  tell(Call(handlers)->options.on_drained);
}

void LineServer::Client::go_on() {
  const Call call(handlers);
  try {
    if (give_lines(call)) give_rest(call);
  } catch (...) {
    if (call && is_open()) hold_input(Held::until_next_turn);  // for the lines behind it
    throw;
  }
}

// False when more lines are left for later, or the client has been closed or destroyed.
bool LineServer::Client::give_lines(const Call& call) {
  const auto next = stream_ended ? &LineParser::finish : &LineParser::next;
  while (!must_wait(call)) {
    const auto line = (parser.*next)();
    if (!line) return true;
    ++lines_in_turn;
    tell(call->on_line, *line);
    if (!call || !is_open()) return false;
    if (has_finished()) parser.clear();
  }
  return false;
}

bool LineServer::Client::must_wait(const Call& call) {
  if (has_finished()) return false;
  if (queued() > call->options.high_water) waits_for_room = true;
  if (is_paused() || waits_for_room) {
    hold_input(Held::until_told);
  } else if (!has_budget(call)) {
    hold_input(Held::until_next_turn);
  } else {
    return false;
  }
  return true;
}

bool LineServer::Client::has_budget(const Call& call) {
  if (turn != server.reactor_.turn()) {
    turn = server.reactor_.turn();
    lines_in_turn = 0;
  }
  return lines_in_turn < call->options.lines_per_turn;
}

// After all lines: reports the beginning of the next, that it is too long, or the stream's end.
void LineServer::Client::give_rest(const Call& call) {
  // Before the check of the length: the calls must not depend on how TCP cut the line.
  if (std::exchange(has_news, false) && !stream_ended && !parser.partial().empty()) {
    tell(call->options.on_partial_line, parser.partial());
    if (!call || !is_open()) return;
    if (has_finished()) parser.clear();
  }
  if (parser.too_long()) return close(std::make_error_code(std::errc::message_size));
  if (!stream_ended || std::exchange(end_told, true)) return;
  if (call->options.on_end) {
    tell(call->options.on_end);
  } else {
    end_writing();
  }
}

}  // namespace detent
