// SPDX-License-Identifier: BSL-1.0
#include "detent/network.h"

#include "support/at_the_end.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/net_fixtures.h"
#include "support/refusing_poller.h"
#include "support/standard.h"
#include "support/stream_contract.h"

namespace detent {
namespace {

using namespace testing_support;

const Endpoint kAnyPort = Endpoint::parse("127.0.0.1:0");

// What a Network::OnStream was told so far.
struct Arrived {
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::error_code> errors;
  bool in_call = false;

  [[nodiscard]] std::size_t count() const { return streams.size() + errors.size(); }
  [[nodiscard]] Network::OnStream on_stream() {
    return [this](std::unique_ptr<Stream> stream, std::error_code error) {
      EXPECT_FALSE(in_call) << "told from inside of a call";
      EXPECT_EQ(stream == nullptr, static_cast<bool>(error));
      if (stream != nullptr) streams.push_back(std::move(stream));
      if (error) errors.push_back(error);
    };
  }
};

class NetworkOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  NetworkOnEveryPoller()
      : reactor_({.poller = std::make_unique<RefusingPoller>(make_poller(GetParam()), refusals_)}) {
  }

  void listen(AcceptorOptions options = {}, const Endpoint& endpoint = kAnyPort) {
    acceptor_ = network_.listen(reactor_, endpoint, options, server_.on_stream());
  }
  [[nodiscard]] Handle connect(const Endpoint& endpoint) {
    client_.in_call = true;
    Handle attempt = network_.connect(reactor_, endpoint, {}, client_.on_stream());
    client_.in_call = false;
    return attempt;
  }
  [[nodiscard]] Handle connect() { return connect(acceptor_->local()); }
  template <class Done>
  [[nodiscard]] bool run_until(Done done) {
    return testing_support::run_until(reactor_, std::move(done));
  }

  Refusals refusals_;
  Reactor reactor_;
  Network& network_ = kernel_network();
  Arrived server_, client_;
  std::unique_ptr<Acceptor> acceptor_;
};
DETENT_ON_EVERY_POLLER(NetworkOnEveryPoller);

TEST_P(NetworkOnEveryPoller, N9_BothSidesGetAStreamAndTheirAddressesAreEachOthers) {
  for (const Endpoint& endpoint : {kAnyPort, Endpoint::parse("[::1]:0"), unused_name()}) {
    SCOPED_TRACE(endpoint.to_string());
    server_ = {};
    client_ = {};
    listen({}, endpoint);
    const Handle attempt = connect();
    EXPECT_TRUE(attempt.active());
    EXPECT_TRUE(run_until([&] { return server_.count() == 1 && client_.count() == 1; }));
    ASSERT_EQ(server_.streams.size(), 1U);
    ASSERT_EQ(client_.streams.size(), 1U);
    EXPECT_FALSE(attempt.active());
    Stream& near = *client_.streams[0];
    Stream& far = *server_.streams[0];
    EXPECT_EQ(near.peer(), acceptor_->local());
    EXPECT_EQ(near.local(), far.peer());
    EXPECT_EQ(near.peer(), far.local());
    Recorder near_user;
    Recorder far_user;
    near.start(near_user);
    far.start(far_user);
    const Piece hello("hello");
    EXPECT_EQ(near.write({&hello, 1}).size, 5U);
    EXPECT_TRUE(run_until([&] { return far_user.bytes == "hello"; }));
  }
}

TEST_P(NetworkOnEveryPoller, N2_AStreamThatIsNotStartedIsPaused) {
  listen();
  const Handle attempt = connect();
  EXPECT_TRUE(run_until([&] { return server_.count() == 1 && client_.count() == 1; }));
  Recorder user;
  client_.streams.at(0)->start(user);
  const Piece hello("hello");
  EXPECT_EQ(client_.streams[0]->write({&hello, 1}).size, 5U);
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_TRUE(costs_no_turns(reactor_));
}

TEST_P(NetworkOnEveryPoller, N9_AConnectThatFailsIsACodeOnce) {
  const std::vector<std::pair<Endpoint, std::errc>> refused = {
      {Socket::listen(kAnyPort).local_endpoint(), std::errc::connection_refused},
      {Endpoint::parse("unix:/nonexistent/socket"), std::errc::no_such_file_or_directory}};
  for (const auto& [endpoint, reason] : refused) {
    client_ = {};
    const Handle attempt = connect(endpoint);
    EXPECT_TRUE(run_until([&] { return client_.count() == 1; }));
    EXPECT_TRUE(comes_to_rest(reactor_));
    ASSERT_EQ(client_.errors.size(), 1U);
    EXPECT_EQ(client_.errors[0], reason);
    EXPECT_FALSE(attempt.active());
  }
}

TEST_P(NetworkOnEveryPoller, N9_AtALimitAConnectIsACode) {
  const Socket listening = Socket::listen(kAnyPort);
  const Endpoint endpoint = listening.local_endpoint();
  Handle attempt;
  {
    const NoFreeDescriptor none;
    attempt = connect(endpoint);
  }
  EXPECT_TRUE(run_until([&] { return client_.count() == 1; }));
  refusals_.add = ENOSPC;
  attempt = connect(endpoint);
  EXPECT_TRUE(run_until([&] { return client_.count() == 2; }));
  refusals_.add = 0;
  attempt = connect(endpoint);
  refusals_.add = ENOSPC;  // for the stream
  EXPECT_TRUE(run_until([&] { return client_.count() == 3; }));
  ASSERT_EQ(client_.errors.size(), 3U);
  EXPECT_EQ(client_.errors[0], std::errc::too_many_files_open);
  EXPECT_EQ(client_.errors[1], std::errc::no_space_on_device);
  EXPECT_EQ(client_.errors[2], std::errc::no_space_on_device);
}

TEST_P(NetworkOnEveryPoller, N1_EachLimitOfAnAcceptIsACodeAndTheClientGoesOrWaits) {
  listen();
  const Socket refused = Socket::connect(acceptor_->local());
  refusals_.add = ENOSPC;
  EXPECT_TRUE(run_until([&] { return server_.count() == 1; }));
  EXPECT_EQ(server_.errors, std::vector{std::error_code(ENOSPC, std::system_category())});
  wait_for(refused.fd(), POLLIN);
  refusals_ = {};

  server_ = {};
  const Socket waiting = Socket::connect(acceptor_->local());
  {
    const NoFreeDescriptor none(static_cast<rlim_t>(*open_descriptors().rbegin() + 1));
    std::vector<UniqueFd> fillers;  // of the gaps
    do fillers.emplace_back(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
    while (fillers.back());
    EXPECT_TRUE(run_until([&] { return server_.count() > 0; }));
    acceptor_->want(false);
    EXPECT_EQ(server_.errors.at(0), std::errc::too_many_files_open);
    const std::size_t errors = server_.errors.size();
    EXPECT_TRUE(costs_no_turns(reactor_));
    EXPECT_EQ(server_.errors.size(), errors);
    EXPECT_TRUE(acceptor_->shed_one());
    EXPECT_FALSE(acceptor_->shed_one());
  }
  wait_for(waiting.fd(), POLLIN);
  const Socket patient = Socket::connect(acceptor_->local());
  acceptor_->want(true);
  EXPECT_TRUE(run_until([&] { return server_.streams.size() == 1; }));
}

TEST_P(NetworkOnEveryPoller, N1_AnAcceptorThatCannotBeRegisteredAgainTellsAndTriesWhenItIsAsked) {
  listen();
  acceptor_->want(false);
  reactor_.dispatch();
  refusals_.modify = true;
  refusals_.add = ENOSPC;
  acceptor_->want(true);
  EXPECT_TRUE(run_until([&] { return server_.count() == 1; }));
  acceptor_->want(true);
  EXPECT_EQ(server_.count(), 1U) << "told from inside of a call";
  EXPECT_TRUE(run_until([&] { return server_.count() == 2; }));
  refusals_ = {};
  acceptor_->want(true);
  const Handle attempt = connect();
  EXPECT_TRUE(run_until([&] { return server_.streams.size() == 1; }));
}

TEST_P(NetworkOnEveryPoller, O2_OneTurnAcceptsNoMoreThanTheBudgetAllows) {
  listen({.accepts_per_turn = 2}, unused_name());
  std::array<Socket, 5> clients;
  for (Socket& client : clients) client = Socket::connect(acceptor_->local());
  for (const std::size_t count : {2U, 4U, 5U}) {
    reactor_.dispatch();
    EXPECT_EQ(server_.count(), count);
  }
}

TEST_P(NetworkOnEveryPoller, L2_AnAcceptorMayGoInItsOnStreamAndInsideOfWant) {
  std::unique_ptr<Acceptor> acceptor;
  int calls = 0;
  acceptor = network_.listen(
      reactor_, unused_name(), {},
      [&, alive = std::make_shared<int>(7)](std::unique_ptr<Stream>, std::error_code) {
        ++calls;
        acceptor.reset();
        EXPECT_EQ(*alive, 7);
      });
  const Socket first = Socket::connect(acceptor->local());
  const Socket second = Socket::connect(acceptor->local());
  EXPECT_TRUE(run_until([&] { return acceptor == nullptr; }));
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(calls, 1);
}

TEST_P(NetworkOnEveryPoller, O6_AnOnStreamThatThrowsLeavesTheOthersToTheNextTurn) {
  int calls = 0;
  const auto acceptor =
      network_.listen(reactor_, unused_name(), {}, [&](std::unique_ptr<Stream>, std::error_code) {
        if (++calls == 1) throw std::runtime_error("from OnStream");
      });
  const Socket first = Socket::connect(acceptor->local());
  const Socket second = Socket::connect(acceptor->local());
  EXPECT_THROW(static_cast<void>(run_until([&] { return calls == 2; })), std::runtime_error);
  EXPECT_TRUE(run_until([&] { return calls == 2; }));
}

// ---- the handle of an attempt

TEST_P(NetworkOnEveryPoller, L1_ACancelledAttemptTellsNothingAndLeavesNothingOpen) {
  const Socket listening = Socket::listen(kAnyPort);
  const Endpoint endpoint = listening.local_endpoint();
  const DescriptorsBefore before;
  std::optional<Handle> attempt(connect(endpoint));
  attempt->cancel();
  EXPECT_FALSE(attempt->active());
  EXPECT_TRUE(before.opened_since().empty());
  attempt = connect(endpoint);
  attempt.reset();
  EXPECT_TRUE(before.opened_since().empty());
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(client_.count(), 0U);
}

TEST_P(NetworkOnEveryPoller, L2_L3_AnAttemptMayBeTakenBackInItsOwnCallAndItsCapturesGoAfterIt) {
  const Socket listening = Socket::listen(kAnyPort);
  for (const bool fails : {false, true}) {
    Handle attempt;
    int calls = 0;
    std::weak_ptr<int> watched;
    {
      auto captured = std::make_shared<int>(7);
      watched = captured;
      attempt = network_.connect(
          reactor_, fails ? Endpoint::parse("unix:/nonexistent") : listening.local_endpoint(), {},
          [&, captured = std::move(captured)](std::unique_ptr<Stream>, std::error_code) {
            ++calls;
            attempt.cancel();
            EXPECT_EQ(*captured, 7);
          });
    }
    EXPECT_TRUE(run_until([&] { return calls == 1; }));
    EXPECT_TRUE(watched.expired());
    EXPECT_TRUE(comes_to_rest(reactor_));
    EXPECT_EQ(calls, 1);
  }
}

TEST_P(NetworkOnEveryPoller, L3_L5_AReactorThatGoesDropsAnAttemptWhoseHandleIsInert) {
  const Socket listening = Socket::listen(kAnyPort);
  Handle attempt;
  int ends = 0;
  {
    Reactor reactor(on_poller(GetParam()));
    attempt = network_.connect(reactor, listening.local_endpoint(), {},
                               [end = at_the_end([&] {
                                  ++ends;
                                  attempt.cancel();
                                })](std::unique_ptr<Stream>, std::error_code) { FAIL(); });
  }
  EXPECT_EQ(ends, 1);
  EXPECT_FALSE(attempt.active());
}

TEST_P(NetworkOnEveryPoller, O6_AnAttemptWhoseCallThrowsIsThrough) {
  const Socket listening = Socket::listen(kAnyPort);
  int calls = 0;
  const Handle attempt = network_.connect(reactor_, listening.local_endpoint(), {},
                                          [&](std::unique_ptr<Stream>, std::error_code) {
                                            ++calls;
                                            throw std::runtime_error("from OnStream");
                                          });
  EXPECT_THROW(static_cast<void>(run_until([] { return false; })), std::runtime_error);
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(calls, 1);
}

// ---- contracts

TEST_P(NetworkOnEveryPoller, MisuseAndErrorsOfSettingUpAreExceptions) {
  const DescriptorsBefore before;
  const auto listen_with = [&](const Endpoint& endpoint, const AcceptorOptions& options,
                               Network::OnStream on_stream) {
    static_cast<void>(network_.listen(reactor_, endpoint, options, std::move(on_stream), "a name"));
  };
  const auto connect_with = [&](const Endpoint& endpoint, const ConnectOptions& options,
                                Network::OnStream on_stream) {
    static_cast<void>(network_.connect(reactor_, endpoint, options, std::move(on_stream)));
  };
  EXPECT_THROW(listen_with(kAnyPort, {}, nullptr), std::invalid_argument);
  EXPECT_THROW(listen_with(Endpoint(), {}, server_.on_stream()), std::invalid_argument);
  EXPECT_THROW(listen_with(kAnyPort, {.accepts_per_turn = 0}, server_.on_stream()),
               std::invalid_argument);
  EXPECT_THROW(listen_with(kAnyPort, {.stream = {.bytes_per_turn = 0}}, server_.on_stream()),
               std::invalid_argument);
  EXPECT_THROW(connect_with(kAnyPort, {}, nullptr), std::invalid_argument);
  EXPECT_THROW(connect_with(Endpoint(), {}, client_.on_stream()), std::invalid_argument);
  EXPECT_THROW(connect_with(kAnyPort, {.stream = {.bytes_per_turn = 0}}, client_.on_stream()),
               std::invalid_argument);
  const std::string text = message_of<std::system_error>([&] {
    listen_with(Endpoint::parse("unix:/nonexistent/folder/socket"), {}, server_.on_stream());
  });
  EXPECT_NE(text.find("Network::listen"), std::string::npos) << text;
  EXPECT_NE(text.find("unix:/nonexistent"), std::string::npos) << text;
  EXPECT_NE(text.find("a name"), std::string::npos) << text;
  EXPECT_TRUE(before.opened_since().empty());
}

}  // namespace
}  // namespace detent
