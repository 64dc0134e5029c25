// SPDX-License-Identifier: BSL-1.0
// Ends and failures that meet something else: a pause, a throw, another thread, another loop.
#include <span>

#include "detent/connection.h"
#include "detent/line_server.h"
#include "support/connected_pair.h"
#include "support/net_fixtures.h"
#include "support/processes.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

using RecoveryOnEveryPoller = NetOnEveryPoller;

TEST_P(RecoveryOnEveryPoller, N3_APeerThatLeavesWhileItIsHeldBackIsHeardOf) {
  auto pair = make_socket_pair();
  bool closed = false;
  std::unique_ptr<Connection> connection;
  connection = std::make_unique<Connection>(
      timers_, adopt(std::move(pair.near)),
      ConnectionHandlers{.on_drained = [](Connection& c) { c.resume_reading(); },
                         .on_closed = [&](Connection&, std::error_code) { closed = true; }});
  while (connection->queued() < 100'000) connection->write(std::string(100'000, 'x'));
  connection->pause_reading();
  pair.far.reset();
  EXPECT_TRUE(run_until([&] { return closed; }));
}

TEST_P(RecoveryOnEveryPoller, O7_AnotherThreadMayNotUseAConnection) {
  auto pair = make_socket_pair();
  Connection connection(timers_, adopt(std::move(pair.near)), {});
  std::thread([&] {
    EXPECT_THROW(connection.write("x"), std::logic_error);
    EXPECT_THROW(connection.finish(), std::logic_error);
    EXPECT_THROW(connection.close(), std::logic_error);
    EXPECT_THROW(connection.pause_reading(), std::logic_error);
    EXPECT_THROW(connection.resume_reading(), std::logic_error);
  }).join();
  EXPECT_TRUE(connection.is_open());
}

TEST_P(RecoveryOnEveryPoller, O8_AForkedChildCannotSpeakForItsParent) {
  auto pair = make_socket_pair();
  Connection connection(timers_, adopt(std::move(pair.near)), {});
  EXPECT_TRUE(testing_support::holds_in_a_forked_child([&] {
    EXPECT_THROW(connection.write("from the child"), std::logic_error);
    EXPECT_THROW(connection.finish(), std::logic_error);
  }));
  connection.write("from the parent");
  EXPECT_EQ(testing_support::take(pair.far.fd()), "from the parent");
}

TEST_P(RecoveryOnEveryPoller, N3_FinishDoesNotHideWhyAConnectFailed) {
  std::error_code reason;
  bool closed = false;
  Connection connection(timers_,
                        std::make_unique<Socket>(Socket::connect(Endpoint::parse("127.0.0.1:1"))),
                        {.on_closed = [&](Connection&, std::error_code error) {
                          reason = error;
                          closed = true;
                        }});
  connection.finish();
  ASSERT_TRUE(run_until([&] { return closed; }));
  EXPECT_EQ(reason, std::errc::connection_refused);
}

TEST_P(RecoveryOnEveryPoller, N2_BytesThatAreBeingLookedAtStayWhenAnotherLoopReads) {
  auto outer = make_socket_pair();
  auto inner = make_socket_pair();
  testing_support::put(outer.far.fd(), "outer");
  testing_support::put(inner.far.fd(), "inner");
  Reactor inner_reactor(testing_support::on_poller(GetParam()));
  TimerService inner_timers(inner_reactor);
  std::string heard_inside;
  Connection within(
      inner_timers, adopt(std::move(inner.near)),
      {.on_data = [&](Connection&, std::string_view bytes) { heard_inside = bytes; }});
  std::string heard;
  Connection around(timers_, adopt(std::move(outer.near)),
                    {.on_data = [&](Connection&, std::string_view bytes) {
                      EXPECT_EQ(inner_reactor.run_once(), 1U);
                      heard = bytes;
                    }});
  EXPECT_EQ(reactor_.run_once(), 1U);
  EXPECT_EQ(heard_inside, "inner");
  EXPECT_EQ(heard, "outer");
}

TEST_P(RecoveryOnEveryPoller, L1_AClientThatWasClosedGetsNoMoreLinesThoughItsCallbackThrew) {
  int lines = 0;
  bool closed = false;
  LineServerOptions options;
  options.on_closed = [&](Connection&, std::error_code) { closed = true; };
  LineServer server(timers_, Endpoint::parse("127.0.0.1:0"), std::move(options),
                    [&](Connection& client, std::string_view) {
                      ++lines;
                      client.close();
                      throw std::runtime_error("after the close");
                    });
  Socket client = Socket::connect(server.endpoint());
  testing_support::wait_for(client.fd(), POLLOUT);
  const std::string_view text = "one\ntwo\nthree\n";
  EXPECT_EQ(client.write(std::as_bytes(std::span(text.data(), text.size()))).size, text.size());
  EXPECT_THROW(while (!closed) reactor_.run_once(), std::runtime_error);
  ASSERT_TRUE(run_until([&] { return closed; }));
  EXPECT_EQ(lines, 1);
}

DETENT_ON_EVERY_POLLER(RecoveryOnEveryPoller);

}  // namespace
}  // namespace detent
