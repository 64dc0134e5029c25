// SPDX-License-Identifier: BSL-1.0
// The rows of the table of lifetimes that net has, and what only its objects have.
#include <fcntl.h>
#include <sys/socket.h>

#include <span>

#include "detent/connection.h"
#include "detent/connector.h"
#include "detent/line_server.h"
#include "detent/listener.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/lifetime_table.h"
#include "support/net_fixtures.h"
#include "support/standard.h"
#include "support/tcp_client.h"

namespace detent {
namespace {

using namespace testing_support;

// ---- the actors

// What its user makes and destroys, with a peer that makes it due.
class HeldObject : public Held {
 public:
  explicit HeldObject(std::set<HeldObject*>& all) : all_(all) { all_.insert(this); }
  ~HeldObject() override { all_.erase(this); }
  virtual void make_due() = 0;

 private:
  std::set<HeldObject*>& all_;
};

class NetActor : public Actor {
 public:
  static constexpr std::array kWays = {Way::destroyed};
  static constexpr bool kOwnerHasCallbacks = false;

  using Actor::Actor;
  void make_due() override {
    for (HeldObject* object : objects_) object->make_due();
  }
  void end_owner() override {
    timers_.end();
    end_reactor();
  }

 protected:
  Owned<TimerService> timers_{std::in_place, reactor()};
  std::set<HeldObject*> objects_;
};

// Each way in which a connection calls its user.
enum class Call : std::uint8_t {
  data,
  end,
  drained,
  closed_by_peer,  // on_closed, from the descriptor's event
  closed_by_us     // on_closed, after close() outside of a callback
};
constexpr std::array kCallNames = {"ConnectionsData", "ConnectionsEnd", "ConnectionsDrained",
                                   "ConnectionsClosedByPeer", "ConnectionsClosedByUs"};

class HeldConnection final : public HeldObject {
 public:
  HeldConnection(std::set<HeldObject*>& all, TimerService& timers, Call kind, SocketPair pair,
                 Callback<void()> call)
      : HeldObject(all),
        fd(pair.near.fd()),
        kind_(kind),
        far_(std::move(pair.far)),
        connection_(timers, adopt(timers.reactor(), std::move(pair.near)),
                    handlers(kind, std::move(call))) {
    while (kind == Call::drained && connection_.queued() == 0) {
      connection_.write(std::string(10'000, 'x'));
    }
  }

  void make_due() override {
    if (kind_ == Call::data) put(far_.fd());
    if (kind_ == Call::end) ::shutdown(far_.fd(), SHUT_WR);
    if (kind_ == Call::drained) take(far_.fd());
    if (kind_ == Call::closed_by_peer) far_.reset();
    if (kind_ == Call::closed_by_us) connection_.close();
  }
  [[nodiscard]] bool active() const override { return connection_.write(""); }
  void silence() override { connection_.pause_reading(); }
  void speak() override { connection_.resume_reading(); }

  const int fd;

 private:
  static ConnectionHandlers handlers(Call kind, Callback<void()> call) {
    ConnectionHandlers all;
    if (kind == Call::data) {
      all.on_data = [call = std::move(call)](Connection&, std::string_view) mutable { call(); };
    } else if (kind == Call::end) {
      all.on_end = [call = std::move(call)](Connection&) mutable { call(); };
    } else if (kind == Call::drained) {
      all.on_drained = [call = std::move(call)](Connection&) mutable { call(); };
    } else {
      all.on_closed = [call = std::move(call)](Connection&, std::error_code) mutable { call(); };
    }
    return all;
  }

  Call kind_;
  UniqueFd far_;
  mutable Connection connection_;
};

template <Call kCall>
class ConnectionActor final : public NetActor {
  static constexpr std::array kBoth = {Way::destroyed, Way::silenced};

 public:
  static constexpr const char* kName = kCallNames[static_cast<std::size_t>(kCall)];
  // Only data can be paused, and comes again.
  static constexpr std::span kWays = std::span(kBoth).first(kCall == Call::data ? 2 : 1);
  using NetActor::NetActor;

  std::unique_ptr<Held> add(Callback<void()> call) override {
    return make(make_socket_pair(), std::move(call));
  }
  std::unique_ptr<Held> add_in_place_of(std::unique_ptr<Held> old, Callback<void()> call) override {
    const int number = static_cast<const HeldConnection&>(*old).fd;
    SocketPair pair = make_socket_pair();
    old.reset();
    if (pair.near.fd() != number && pair.far.fd() != number) {
      pair.near = UniqueFd(::fcntl(pair.near.fd(), F_DUPFD_CLOEXEC, number));
      EXPECT_EQ(pair.near.fd(), number);
    }
    return make(std::move(pair), std::move(call));
  }

 private:
  std::unique_ptr<Held> make(SocketPair pair, Callback<void()> call) {
    return std::make_unique<HeldConnection>(objects_, *timers_, kCall, std::move(pair),
                                            std::move(call));
  }
};

// A Listener or a LineServer, to which a client comes.
template <class Server>
class HeldServer final : public HeldObject {
 public:
  template <class... Args>
  HeldServer(std::set<HeldObject*>& all, const Reactor& reactor, Args&&... args)
      : HeldObject(all), link_(reactor.link()), server_(std::forward<Args>(args)...) {}

  void make_due() override { clients_.push_back(Socket::connect(server_.endpoint())); }
  [[nodiscard]] bool active() const override {
    if constexpr (requires { server_.is_open(); }) {
      if (!server_.is_open()) return false;
    }
    return link_.owner() != nullptr;
  }
  void cancel() override {
    if constexpr (requires { server_.close(); }) server_.close();
  }
  void silence() override {
    if constexpr (requires { server_.pause(); }) server_.pause();
  }
  void speak() override {
    if constexpr (requires { server_.resume(); }) server_.resume();
  }

 private:
  std::vector<Socket> clients_;
  ServiceLink link_;
  Server server_;
};

// Accepts one client a turn. So one that was silent does not accept all at once that came
// meanwhile.
struct ListenerActor final : NetActor {
  static constexpr const char* kName = "Listener";
  static constexpr std::array kWays = {Way::destroyed, Way::cancelled, Way::silenced};
  using NetActor::NetActor;
  std::unique_ptr<Held> add(Callback<void()> call) override {
    return std::make_unique<HeldServer<Listener>>(
        objects_, reactor(), *timers_, unused_name(), ListenerOptions{.accepts_per_turn = 1},
        [call = std::move(call)](const Socket&, const Endpoint&) mutable { call(); });
  }
};

struct LineServerActor final : NetActor {
  static constexpr const char* kName = "LineServer";
  using NetActor::NetActor;
  std::unique_ptr<Held> add(Callback<void()> call) override {
    LineServerOptions options;
    options.on_accepted = [call = std::move(call)](Connection&, const Endpoint&) mutable {
      call();
    };
    return std::make_unique<HeldServer<LineServer>>(objects_, reactor(), *timers_, unused_name(),
                                                    std::move(options),
                                                    [](Connection&, std::string_view) {});
  }
};

// One that waits for an address until it is due.
class HeldConnector final : public HeldObject {
 public:
  HeldConnector(std::set<HeldObject*>& all, TimerService& timers, Endpoint peer,
                Callback<void()> call)
      : HeldObject(all),
        link_(timers.reactor().link()),
        peer_(std::move(peer)),
        connector_(timers, [call = std::move(call)](const std::unique_ptr<Stream>&,
                                                    std::error_code) mutable { call(); }) {}

  void make_due() override { connector_.add(peer_); }
  [[nodiscard]] bool active() const override { return link_.owner() != nullptr; }

 private:
  ServiceLink link_;
  Endpoint peer_;
  Connector connector_;
};

struct ConnectorActor final : NetActor {
  static constexpr const char* kName = "Connector";
  using NetActor::NetActor;
  std::unique_ptr<Held> add(Callback<void()> call) override {
    return std::make_unique<HeldConnector>(objects_, *timers_, listening_.local_endpoint(),
                                           std::move(call));
  }

 private:
  Socket listening_ = Socket::listen(unused_name());
};

using OfNet = testing::Types<ConnectionActor<Call::data>, ConnectionActor<Call::end>,
                             ConnectionActor<Call::drained>, ConnectionActor<Call::closed_by_peer>,
                             ConnectionActor<Call::closed_by_us>, ListenerActor, LineServerActor,
                             ConnectorActor>;
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, Lifetimes, OfNet, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfCaptures, OfNet, ActorNames);

// ---- what only they have

const Endpoint kAnyPort = Endpoint::parse("127.0.0.1:0");

class NetLifetime : public testing::TestWithParam<std::string_view> {
 protected:
  void turn() { reactor_->dispatch(); }

  Owned<Reactor> reactor_{std::in_place, on_poller(GetParam())};
  std::optional<TimerService> timers_{std::in_place, *reactor_};
  Heard heard_;
  SocketPair pair_ = make_socket_pair();
};

TEST_P(NetLifetime, L2_ACallbackMayCloseAnotherConnectionWhichIsToldLater) {
  SocketPair closing = make_socket_pair();
  put(pair_.far.fd(), "never heard, or heard before");
  put(closing.far.fd());
  Connection other(*timers_, adopt(*reactor_, std::move(pair_.near)), heard_.handlers());
  int calls = 0;
  ConnectionHandlers handlers;
  handlers.on_data = [&](Connection&, std::string_view) {
    ++calls;
    const std::string order = heard_.order;
    other.close();
    EXPECT_EQ(heard_.order, order);
  };
  const Connection connection(*timers_, adopt(*reactor_, std::move(closing.near)),
                              std::move(handlers));
  EXPECT_TRUE(comes_to_rest(*reactor_));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(heard_.closed.size(), 1U);
  EXPECT_EQ(heard_.order.back(), 'c');
}

TEST_P(NetLifetime, L2_ACallbackMayDestroyItsConnectionAndTheTimerService) {
  put(pair_.far.fd());
  int calls = 0;
  std::optional<Connection> connection;
  ConnectionHandlers handlers;
  handlers.on_data = [&](Connection&, std::string_view) {
    ++calls;
    connection.reset();
    timers_.reset();
  };
  connection.emplace(*timers_, adopt(*reactor_, std::move(pair_.near)), std::move(handlers));
  turn();
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(comes_to_rest(*reactor_));
}

TEST_P(NetLifetime, L2_ALineServerMayBeDestroyedInEachPhaseOfATurnInWhichALineHasCome) {
  for (const int phase : InPhase::kAll) {
    SCOPED_TRACE(phase);
    int lines = 0;
    std::optional<LineServer> server(std::in_place, *timers_, kAnyPort,
                                     [&](Connection&, std::string_view) { ++lines; });
    const TcpClient client(server->endpoint().port());
    EXPECT_TRUE(run_until(*reactor_, [&] { return server->connections() == 1; }));
    EXPECT_TRUE(client.send("line\n"));
    std::optional<InPhase> ender(std::in_place, *reactor_, phase, [&] { server.reset(); });
    turn();
    ender.reset();
    EXPECT_FALSE(server);
    EXPECT_LE(lines, phase < 5 ? 0 : 1);
    EXPECT_TRUE(comes_to_rest(*reactor_));
  }
}

// What may be asked of a connection that is over.
void expect_no_effect(Connection& connection) {
  EXPECT_FALSE(connection.write("too late"));
  connection.pause_reading();
  connection.resume_reading();
  connection.finish();
  connection.close();
  EXPECT_EQ(connection.set_no_delay(true), std::errc::not_connected);
  EXPECT_FALSE(connection.is_open());
}

TEST_P(NetLifetime, L7_WhatACaptureAsksOfAConnectionThatGoesHasNoEffect) {
  std::optional<Connection> connection;
  Connection* going = nullptr;
  int ends = 0;
  ConnectionHandlers handlers = heard_.handlers();
  handlers.on_end = [asks = at_the_end([&] {
                       ++ends;
                       expect_no_effect(*going);
                     })](Connection&) {};
  connection.emplace(*timers_, adopt(*reactor_, std::move(pair_.near)), std::move(handlers));
  going = &*connection;
  connection.reset();
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(take(pair_.far.fd()), "");
  EXPECT_TRUE(comes_to_rest(*reactor_));
  EXPECT_EQ(heard_.order, "");
}

TEST_P(NetLifetime, L7_WhatACaptureAsksOfAServerThatGoesHasNoEffect) {
  Owned<LineServer> server;
  std::vector<Connection*> clients;
  int ends = 0;
  LineServerOptions options;
  options.on_accepted = [&](Connection& client, const Endpoint&) { clients.push_back(&client); };
  options.on_closed = [](Connection&, std::error_code) { ADD_FAILURE() << "told"; };
  server.make(*timers_, kAnyPort, std::move(options),
              [asks = at_the_end([&] {
                 ++ends;
                 EXPECT_EQ(server->connections(), 2U);
                 EXPECT_EQ(server->listener().counters().accepted, 2U);
                 EXPECT_GT(server->endpoint().port(), 0);
                 for (Connection* client : clients) expect_no_effect(*client);
               })](Connection&, std::string_view) {});
  const TcpClient client(server->endpoint().port());
  const TcpClient other(server->endpoint().port());
  EXPECT_TRUE(run_until(*reactor_, [&] { return clients.size() == 2; }));
  server.end();
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(client.receive_to_the_end(), "");
  EXPECT_TRUE(comes_to_rest(*reactor_));
}

TEST_P(NetLifetime, L7_WhatACaptureAsksOfAListenerThatGoesHasNoEffect) {
  Owned<Listener> listener;
  int ends = 0;
  listener.make(*timers_, kAnyPort, [asks = at_the_end([&] {
                                       ++ends;
                                       EXPECT_GT(listener->endpoint().port(), 0);
                                       EXPECT_EQ(listener->counters().accepted, 0U);
                                       listener->pause();
                                       listener->resume();
                                       listener->close();
                                       EXPECT_FALSE(listener->is_open());
                                       EXPECT_FALSE(listener->take_admission());
                                     })](const Socket&, const Endpoint&) {});
  listener.end();
  EXPECT_EQ(ends, 1);
}

// Makes one of each kind, and lets their peers speak.
class OneOfEach {
 public:
  explicit OneOfEach(TimerService& timers)
      : connection(timers, adopt(timers.reactor(), std::move(pair_.near)), heard.handlers(true)),
        listener_(timers, kAnyPort, [](const Socket&, const Endpoint&) { FAIL(); }),
        server_(timers, kAnyPort, [](Connection&, std::string_view) { FAIL(); }) {
    put(pair_.far.fd());
    static_cast<void>(TcpClient(listener_.endpoint().port()));
    static_cast<void>(TcpClient(server_.endpoint().port()).send("line\n"));
  }

 private:
  SocketPair pair_ = make_socket_pair();

 public:
  Heard heard;
  Connection connection;

 private:
  Listener listener_;
  LineServer server_;
};

TEST_P(NetLifetime, L7_WhatIsMadeWhileTheReactorGoesIsInert) {
  std::optional<OneOfEach> made;
  reactor_->post([makes = at_the_end([&] { made.emplace(*timers_); })] {});
  reactor_.end();
  ASSERT_TRUE(made);
  EXPECT_FALSE(made->connection.write("too late"));
  made->connection.close();
  EXPECT_EQ(made->heard.order, "");
}

TEST_P(NetLifetime, L5_WithoutTheReactorNothingCanBeMade) {
  reactor_.end();
  const auto on_accept = [](const Socket&, const Endpoint&) {};
  const auto on_line = [](Connection&, std::string_view) {};
  EXPECT_THROW(Connection(*timers_, adopt(timers_->reactor(), std::move(pair_.near)), {}),
               std::logic_error);
  EXPECT_THROW(Listener(*timers_, kAnyPort, on_accept), std::logic_error);
  EXPECT_THROW(LineServer(*timers_, kAnyPort, on_line), std::logic_error);
}

DETENT_ON_EVERY_POLLER(NetLifetime);

}  // namespace
}  // namespace detent
