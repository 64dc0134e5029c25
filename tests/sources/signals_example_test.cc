// SPDX-License-Identifier: BSL-1.0
// The program examples/graceful_stop, with real signals.
#include <signal.h>

#include "support/child_program.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/tcp_client.h"

namespace detent::testing_support {
namespace {

class GracefulStopOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  GracefulStopOnEveryPoller() {
    const std::string line = server_.wait_for_line("Listening on 127.0.0.1:");
    port_ = static_cast<std::uint16_t>(std::strtoul(&line[line.rfind(':') + 1], nullptr, 10));
  }

  // The client is served, so it is among those that the server waits for.
  static void expect_served(const TcpClient& client) {
    client.send("hello");
    EXPECT_EQ(client.receive(5), "hello");
  }
  void expect_it_has_stopped() {
    EXPECT_EQ(server_.wait(), 0) << server_.errors();
    EXPECT_TRUE(server_.output().ends_with("Stopped\n")) << server_.output();
  }

  ChildProgram server_{
      example("graceful_stop"),
      {.arguments = {"127.0.0.1:0"}, .environment = {{"DETENT_POLLER", std::string(GetParam())}}}};
  std::uint16_t port_ = 0;
};

TEST_P(GracefulStopOnEveryPoller, M1_AtATermItServesItsLastClientsAndNoNewOnesAndEnds) {
  std::optional<TcpClient> client(std::in_place, port_);
  expect_served(*client);
  server_.send_signal(SIGTERM);
  EXPECT_EQ(server_.wait_for_line("Waiting for "), "Waiting for 1 clients");
  EXPECT_THROW(TcpClient{port_}, std::system_error) << "its door is closed";
  expect_served(*client);
  client.reset();
  expect_it_has_stopped();
}

TEST_P(GracefulStopOnEveryPoller, M1_TheSecondSignalEndsItAtOnce) {
  const TcpClient client(port_);
  expect_served(client);
  server_.send_signal(SIGTERM);
  server_.wait_for_line("Waiting for ");
  server_.send_signal(SIGINT);
  expect_it_has_stopped();
}

TEST_P(GracefulStopOnEveryPoller, M1_WithoutClientsTheFirstDoes) {
  server_.send_signal(SIGINT);
  expect_it_has_stopped();
}

TEST_P(GracefulStopOnEveryPoller, M1_AtAHangUpItSaysWhoAsked) {
  for (int i = 0; i < 3; ++i) {
    server_.send_signal(SIGHUP);
    EXPECT_EQ(server_.wait_for_line("Loading "),
              "Loading the settings, since process " + std::to_string(::getpid()) + " asked");
  }
}

DETENT_ON_EVERY_POLLER(GracefulStopOnEveryPoller);

}  // namespace
}  // namespace detent::testing_support
