// SPDX-License-Identifier: BSL-1.0
// What a client meets when there is no more room for it: in the poller, in the table of
// descriptors.
#include <fcntl.h>
#include <sys/socket.h>

#include <span>

#include "detent/connection.h"
#include "detent/limit_reached.h"
#include "detent/line_server.h"
#include "detent/listener.h"
#include "detent/simulation.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/net_fixtures.h"
#include "support/reactor_fixtures.h"
#include "support/refusing_poller.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

const Endpoint kAnyPort = Endpoint::parse("127.0.0.1:0");

// A line server on a poller that can refuse, in a time that the test moves.
class LimitsOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  LimitsOnEveryPoller()
      : reactor_({.poller = std::make_unique<RefusingPoller>(make_poller(GetParam()), refusals_),
                  .clock = &clock_}) {}

  void serve() {
    LineServerOptions options;
    options.listener.on_trouble = [this](std::error_code e) { troubles_.push_back(e); };
    options.on_closed = [this](Connection&, std::error_code e) { closed_.push_back(e); };
    server_ = std::make_unique<LineServer>(
        timers_, kAnyPort, std::move(options),
        [this](Connection& client, std::string_view line) { on_line(client, line); });
  }
  virtual void on_line(Connection& client, std::string_view line) {
    client.write(std::string(line) + "\n");
  }
  [[nodiscard]] Socket connect() {
    Socket client = Socket::connect(server_->endpoint());
    wait_for(client.fd(), POLLOUT);
    return client;
  }
  [[nodiscard]] static bool was_turned_away(const Socket& client) {
    wait_for(client.fd(), POLLIN);
    char byte = 0;
    return ::recv(client.fd(), &byte, 1, MSG_DONTWAIT) <= 0;
  }
  [[nodiscard]] bool is_served(const Socket& client) {
    put(client.fd(), "anybody there?\n");
    std::string answer;
    return run_until(reactor_, [&] {
      answer += take(client.fd());
      return answer == "anybody there?\n";
    });
  }
  [[nodiscard]] bool run_until_troubled(std::size_t times) {
    return run_until(reactor_, [&] { return server_->listener().counters().shed == times; });
  }

  Refusals refusals_;
  Simulation clock_;
  Reactor reactor_;
  TimerService timers_{reactor_};
  std::vector<std::error_code> troubles_, closed_;
  std::unique_ptr<LineServer> server_;
};
DETENT_ON_EVERY_POLLER(LimitsOnEveryPoller);

TEST_P(LimitsOnEveryPoller, N1_AClientThatThePollerRefusesIsTurnedAwayAndTheListenerRests) {
  for (const int error : {ENOSPC, ENOMEM}) {
    SCOPED_TRACE(error);
    serve();
    troubles_.clear();
    const Socket served = connect();
    ASSERT_TRUE(is_served(served));
    refusals_.add = error;
    const Socket refused = connect();
    EXPECT_TRUE(run_until_troubled(1));
    EXPECT_TRUE(was_turned_away(refused));
    EXPECT_EQ(troubles_, std::vector{std::error_code(error, std::system_category())});
    EXPECT_EQ(server_->connections(), 1U);
    EXPECT_TRUE(is_served(served)) << "what one client meets costs another nothing";

    refusals_.add = 0;
    const Socket patient = connect();
    EXPECT_TRUE(costs_no_turns(reactor_)) << "it rests";
    clock_.advance(10ms);
    EXPECT_TRUE(is_served(patient));
    EXPECT_EQ(server_->listener().counters().accepted, 2U);
    EXPECT_EQ(server_->listener().counters().episodes, 1U);
  }
}

TEST_P(LimitsOnEveryPoller, N1_ARefusalThatStaysIsToldOnceAndTheRestGrows) {
  serve();
  refusals_.add = ENOSPC;
  std::vector<Socket> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(connect());
  EXPECT_TRUE(run_until_troubled(1));
  std::size_t shed = 1;
  for (const Duration rest :
       std::vector<Duration>{10ms, 20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1s, 1s}) {
    SCOPED_TRACE(rest.count());
    clock_.advance(rest - 1ns);
    EXPECT_EQ(server_->listener().counters().shed, shed);
    clock_.advance(1ns);
    EXPECT_TRUE(run_until_troubled(++shed));
  }
  EXPECT_EQ(troubles_.size(), 1U) << "told more than once an episode";
}

TEST_P(LimitsOnEveryPoller, N1_AClientForWhomThereIsNoMemoryIsTurnedAway) {
  serve();
  refusals_.no_memory = true;
  const Socket refused = connect();
  EXPECT_TRUE(run_until_troubled(1));
  EXPECT_TRUE(was_turned_away(refused));
  EXPECT_EQ(troubles_, std::vector{std::make_error_code(std::errc::not_enough_memory)});
}

TEST_P(LimitsOnEveryPoller, N1_AConnectionMadeInOnAcceptThatCannotBeRegisteredIsTurnedAway) {
  std::vector<std::unique_ptr<Connection>> clients;
  std::vector<std::error_code> troubles;
  const Listener listener(
      timers_, kAnyPort, {.on_trouble = [&](std::error_code e) { troubles.push_back(e); }},
      [&](Socket socket, const Endpoint&) {
        clients.push_back(std::make_unique<Connection>(
            timers_, make_stream(reactor_, std::move(socket)), ConnectionHandlers{}));
      });
  refusals_.add = ENOSPC;
  const Socket refused = Socket::connect(listener.endpoint());
  EXPECT_TRUE(run_until(reactor_, [&] { return listener.counters().shed == 1; }));
  EXPECT_TRUE(was_turned_away(refused));
  EXPECT_EQ(troubles.size(), 1U);
  EXPECT_EQ(listener.counters().accepted, 0U);
}

TEST_P(LimitsOnEveryPoller, N1_AListenerMayBeDestroyedByTheOnAcceptThatReachedTheLimit) {
  std::unique_ptr<Listener> listener;
  listener = std::make_unique<Listener>(timers_, kAnyPort, [&](Socket, const Endpoint&) {
    listener.reset();
    throw LimitReached(std::make_error_code(std::errc::no_space_on_device));
  });
  const Socket client = Socket::connect(listener->endpoint());
  EXPECT_TRUE(run_until(reactor_, [&] { return listener == nullptr; }));
  EXPECT_TRUE(was_turned_away(client));
}

TEST_P(LimitsOnEveryPoller, N1_ANumberAboveThePollersLimitIsTurnedAway) {
  const int limit = make_poller(GetParam())->capabilities().descriptor_limit;
  if (limit > 100'000) GTEST_SKIP() << "this poller has no such limit";
  serve();
  const Socket served = connect();
  ASSERT_TRUE(is_served(served));
  UniqueFd refused;
  {
    std::vector<UniqueFd> fillers;  // all numbers below the limit
    while (fillers.empty() || fillers.back().fd() < limit) {
      fillers.emplace_back(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
      ASSERT_TRUE(fillers.back()) << "the limit of descriptors is too low for this test";
    }
    Socket client = connect();
    EXPECT_TRUE(run_until_troubled(1));
    EXPECT_TRUE(was_turned_away(client));
    EXPECT_TRUE(is_served(served));
    EXPECT_EQ(troubles_, std::vector{std::make_error_code(std::errc::too_many_files_open)});
  }
  const Socket patient = connect();
  clock_.advance(10ms);
  EXPECT_TRUE(is_served(patient));
}

// ---- what was registered once, and taken out of the kernel for a while

TEST_P(LimitsOnEveryPoller, N1_AListenerThatCannotBeRegisteredAfterItsRestTriesOn) {
  serve();
  refusals_.add = ENOSPC;
  const Socket refused = connect();
  EXPECT_TRUE(run_until_troubled(1));
  refusals_.modify = true;  // another program has taken its place meanwhile
  clock_.advance(10ms);
  for (int i = 0; i < 3; ++i) reactor_.dispatch();
  clock_.advance(20ms);
  refusals_ = {};
  const Socket patient = connect();
  clock_.advance(1s);
  EXPECT_TRUE(is_served(patient));
  EXPECT_EQ(troubles_.size(), 1U);
}

TEST_P(LimitsOnEveryPoller, N1_L6_AConnectionThatCannotBeRegisteredAfterItsPauseSaysWhy) {
  for (const bool closed_by_others : {false, true}) {
    SocketPair pair = make_socket_pair();
    Heard heard;
    Connection connection(timers_, adopt(reactor_, std::move(pair.near)), heard.handlers());
    connection.pause_reading();
    put(pair.far.fd());  // what nobody wants makes the interest go
    for (int i = 0; i < 2; ++i) reactor_.dispatch();
    if (closed_by_others) ::close(connection.stream()->socket()->fd());
    refusals_.modify = true;
    connection.resume_reading();
    EXPECT_TRUE(run_until(reactor_, [&] { return heard.is_over(); }));
    EXPECT_EQ(heard.reason(),
              closed_by_others ? std::errc::bad_file_descriptor : std::errc::not_enough_memory);
    refusals_ = {};
  }
}

// ---- without a descriptor

// As in a proxy that connects for each client.
TEST_P(LimitsOnEveryPoller, N9_AConnectionWithoutADescriptorTellsWhyAlsoWhenItIsMadeInACallback) {
  const Socket behind = Socket::listen(kAnyPort);
  const Endpoint endpoint = behind.local_endpoint();
  Heard heard;
  std::unique_ptr<Connection> connection;
  const auto connect = [&] {
    Socket socket;
    {
      const NoFreeDescriptor none;
      socket = Socket::connect(endpoint);
    }
    connection = std::make_unique<Connection>(timers_, make_stream(reactor_, std::move(socket)),
                                              heard.handlers(true));
    EXPECT_FALSE(connection->write("nobody hears"));
    EXPECT_EQ(heard.order, "") << "told from inside of the constructor";
  };
  const Listener listener(timers_, kAnyPort, [&](Socket, const Endpoint&) { connect(); });
  for (const bool in_callback : {false, true}) {
    heard = {};
    const std::optional<Socket> client =
        in_callback ? std::optional(Socket::connect(listener.endpoint())) : std::nullopt;
    if (!in_callback) connect();
    EXPECT_TRUE(run_until(reactor_, [&] { return heard.is_over(); }));
    EXPECT_EQ(heard.order, "c");
    EXPECT_EQ(heard.reason(), std::errc::too_many_files_open);
  }
}

}  // namespace
}  // namespace detent
