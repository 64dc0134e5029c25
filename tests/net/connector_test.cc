// SPDX-License-Identifier: BSL-1.0
#include "detent/connector.h"

#include <deque>

#include "detent/net_error.h"
#include "support/at_the_end.h"
#include "support/descriptor_table.h"
#include "support/lifetime_actor.h"
#include "support/net_fixtures.h"
#include "support/standard.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

// What a Connector has told.
struct Outcome {
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::error_code> errors;
  bool in_call = false;

  [[nodiscard]] std::size_t count() const { return streams.size() + errors.size(); }
  [[nodiscard]] Connector::OnStream on_stream() {
    return [this](std::unique_ptr<Stream> stream, std::error_code error) {
      EXPECT_FALSE(in_call) << "told from inside of a call";
      EXPECT_EQ(stream == nullptr, static_cast<bool>(error));
      if (stream != nullptr) streams.push_back(std::move(stream));
      if (error) errors.push_back(error);
    };
  }
};

// ---- logic: order and times, on a network without a kernel

class NoBytes final : public Stream {
 public:
  void start(User& /*user*/) override {}
  void want_bytes(bool /*wanted*/) override {}
  Written write(std::span<const Piece> /*pieces*/, std::span<const int> /*fds*/) noexcept override {
    return {};
  }
  void finish() override {}
  void close(bool /*reset*/) noexcept override {}
  [[nodiscard]] Endpoint local() const override { return {}; }
  [[nodiscard]] Endpoint peer() const override { return {}; }
};

// Its attempts end when a test says so.
class ScriptedNetwork final : public Network, private HandleOwner {
 public:
  std::unique_ptr<Acceptor> listen(Reactor& /*reactor*/, const Endpoint& /*endpoint*/,
                                   const AcceptorOptions& /*options*/, OnStream /*on_stream*/,
                                   Name /*name*/) override {
    throw std::logic_error("not in these tests");
  }
  Handle connect(Reactor& reactor, const Endpoint& endpoint, const ConnectOptions& /*options*/,
                 OnStream on_stream, Name /*name*/) override {
    if (std::exchange(next_throws, false)) throw std::bad_alloc();
    reactor_ = &reactor;
    begun.push_back(endpoint.port());
    attempts_.push_back({.on_stream = std::move(on_stream)});
    return {link_, {.slot = static_cast<std::uint32_t>(attempts_.size()), .generation = 1}};
  }

  // In the next turn.
  void answer(std::size_t number) { end(number, {}); }
  void fail(std::size_t number, std::errc error) { end(number, std::make_error_code(error)); }
  [[nodiscard]] std::size_t going_on() const {
    return static_cast<std::size_t>(std::ranges::count(attempts_, false, &Attempt::is_over));
  }

  std::vector<int> begun;  // their ports
  bool next_throws = false;

 private:
  struct Attempt {
    OnStream on_stream = {};
    bool is_over = false;
  };

  void end(std::size_t number, std::error_code error) {
    reactor_->post([this, number, error] {
      if (std::exchange(attempts_.at(number).is_over, true)) return;
      OnStream& on_stream = attempts_[number].on_stream;
      on_stream(error ? nullptr : std::make_unique<NoBytes>(), error);
    });
    reactor_->dispatch();
  }
  void cancel(HandlerId id) noexcept override { attempts_[id.slot - 1].is_over = true; }
  [[nodiscard]] bool active(HandlerId id) const noexcept override {
    return !attempts_[id.slot - 1].is_over;
  }

  Reactor* reactor_ = nullptr;
  std::deque<Attempt> attempts_;
  ServiceLink link_{*this};
};

Endpoint port(std::uint16_t number) { return Endpoint::ipv4("127.0.0.1", number); }

class ConnectorLogic : public SimulatedTimers {
 protected:
  using Ports = std::vector<int>;

  void make_connector(ConnectorOptions options = {}) {
    options.network = &network_;
    connector_ = std::make_unique<Connector>(*timers_, options, outcome_.on_stream());
  }
  void add(const std::vector<std::uint16_t>& ports) {
    std::vector<Endpoint> endpoints;
    for (const std::uint16_t number : ports) endpoints.push_back(port(number));
    outcome_.in_call = true;
    connector_->add(endpoints);
    outcome_.in_call = false;
  }
  void no_more() {
    outcome_.in_call = true;
    connector_->no_more();
    outcome_.in_call = false;
  }

  ScriptedNetwork network_;
  Outcome outcome_;
  std::unique_ptr<Connector> connector_;
};

TEST_F(ConnectorLogic, N9_TheFirstBeginsAtOnceAndEachOtherAfterTheStagger) {
  make_connector();
  add({1, 2, 3});
  no_more();
  EXPECT_EQ(network_.begun, (Ports{1}));
  clock_.advance(249ms);
  EXPECT_EQ(network_.begun, (Ports{1}));
  clock_.advance(1ms);
  EXPECT_EQ(network_.begun, (Ports{1, 2}));
  clock_.advance(249ms);
  EXPECT_EQ(network_.begun, (Ports{1, 2}));
  clock_.advance(1ms);
  EXPECT_EQ(network_.begun, (Ports{1, 2, 3}));
  clock_.advance(1h);
  EXPECT_EQ(network_.begun, (Ports{1, 2, 3}));
  EXPECT_EQ(network_.going_on(), 3U);
  EXPECT_EQ(outcome_.count(), 0U);
}

TEST_F(ConnectorLogic, N9_WhenTheLastOneFailsTheNextBeginsAtOnceWithAStaggerOfItsOwn) {
  make_connector({.stagger = 100ms});
  add({1, 2, 3});
  clock_.advance(60ms);
  network_.fail(0, std::errc::connection_refused);
  EXPECT_EQ(network_.begun, (Ports{1, 2}));
  clock_.advance(99ms);
  EXPECT_EQ(network_.begun, (Ports{1, 2}));
  clock_.advance(1ms);
  EXPECT_EQ(network_.begun, (Ports{1, 2, 3}));
}

TEST_F(ConnectorLogic, N9_TheFailureOfAnEarlierOneDoesNotHurryTheNext) {
  make_connector({.stagger = 100ms});
  add({1, 2, 3});
  clock_.advance(100ms);
  network_.fail(0, std::errc::connection_refused);
  EXPECT_EQ(network_.begun, (Ports{1, 2}));
  clock_.advance(100ms);
  EXPECT_EQ(network_.begun, (Ports{1, 2, 3}));
}

TEST_F(ConnectorLogic, N9_TheFirstStreamWinsAndTheOthersAreTakenBack) {
  make_connector();
  add({1, 2, 3, 4});
  clock_.advance(500ms);
  EXPECT_EQ(network_.going_on(), 3U);
  network_.answer(1);
  EXPECT_EQ(outcome_.streams.size(), 1U);
  EXPECT_EQ(network_.going_on(), 0U);
  network_.answer(0);
  add({5});
  no_more();
  clock_.advance(1h);
  EXPECT_EQ(network_.begun, (Ports{1, 2, 3}));
  EXPECT_EQ(outcome_.count(), 1U);
}

TEST_F(ConnectorLogic, N9_WhenAllHaveFailedItTellsTheErrorOfTheFirstThatFailed) {
  make_connector();
  add({1, 2});
  no_more();
  clock_.advance(250ms);
  network_.fail(1, std::errc::network_unreachable);
  EXPECT_EQ(outcome_.count(), 0U);
  network_.fail(0, std::errc::connection_refused);
  ASSERT_EQ(outcome_.count(), 1U);
  EXPECT_EQ(outcome_.errors.at(0), std::errc::network_unreachable);
  clock_.advance(1h);
  EXPECT_EQ(outcome_.count(), 1U);
}

TEST_F(ConnectorLogic, N9_BeforeNoMoreItWaitsForMoreAddresses) {
  make_connector();
  add({});
  clock_.advance(1h);
  add({1});
  network_.fail(0, std::errc::connection_refused);
  turn();
  EXPECT_EQ(outcome_.count(), 0U);
  add({2});
  EXPECT_EQ(network_.begun, (Ports{1, 2}));
  network_.fail(1, std::errc::host_unreachable);
  no_more();
  no_more();
  EXPECT_EQ(outcome_.count(), 0U);
  turn();
  turn();
  ASSERT_EQ(outcome_.count(), 1U);
  EXPECT_EQ(outcome_.errors.at(0), std::errc::connection_refused);
}

TEST_F(ConnectorLogic, N9_AnAddressThatComesLateBeginsWhenTheOneBeforeItHadItsStagger) {
  make_connector();
  add({1});
  clock_.advance(200ms);
  add({2});
  EXPECT_EQ(network_.begun, (Ports{1}));
  clock_.advance(50ms);
  EXPECT_EQ(network_.begun, (Ports{1, 2}));
  clock_.advance(1s);
  add({3});
  EXPECT_EQ(network_.begun, (Ports{1, 2, 3}));
}

TEST_F(ConnectorLogic, N9_WithoutAnAddressThereIsAnErrorInTheNextTurn) {
  make_connector();
  no_more();
  EXPECT_EQ(outcome_.count(), 0U);
  turn();
  ASSERT_EQ(outcome_.count(), 1U);
  EXPECT_EQ(outcome_.errors.at(0), std::errc::destination_address_required);
}

TEST_F(ConnectorLogic, N9_AfterMaxWaitItIsTimedOutAndAllIsTakenBack) {
  make_connector({.max_wait = 400ms});
  clock_.advance(100ms);
  add({1, 2, 3});
  network_.fail(0, std::errc::connection_refused);
  clock_.advance(299ms);
  EXPECT_EQ(network_.going_on(), 2U);
  EXPECT_EQ(outcome_.count(), 0U);
  clock_.advance(1ms);
  EXPECT_EQ(network_.going_on(), 0U);
  ASSERT_EQ(outcome_.count(), 1U);
  EXPECT_EQ(outcome_.errors.at(0), NetError::connect_timed_out);
  EXPECT_EQ(outcome_.errors.at(0), std::errc::timed_out);
  EXPECT_EQ(outcome_.errors.at(0).message(), "connecting took too long");
  EXPECT_NE(make_error_code(NetError::too_many_clients), std::errc::timed_out);
  add({4});
  network_.answer(1);
  clock_.advance(1h);
  EXPECT_EQ(outcome_.count(), 1U);
  EXPECT_EQ(network_.begun, (Ports{1, 2, 3}));
}

TEST_F(ConnectorLogic, N9_MaxWaitThatEndsJustAfterNoMoreIsTheOnlyError) {
  const Timer first = timers_->after(400ms, [&] { no_more(); });
  make_connector({.max_wait = 400ms});
  clock_.advance(1s);
  ASSERT_EQ(outcome_.count(), 1U);
  EXPECT_EQ(outcome_.errors.at(0), NetError::connect_timed_out);
}

TEST_F(ConnectorLogic, N9_AnAnswerEndsMaxWait) {
  make_connector({.max_wait = 400ms});
  add({1});
  network_.answer(0);
  clock_.advance(1h);
  EXPECT_EQ(outcome_.streams.size(), 1U);
  EXPECT_EQ(outcome_.count(), 1U);
}

TEST_F(ConnectorLogic, L1_DestroyingItTakesAllBackAndTellsNothing) {
  make_connector({.max_wait = 1h});
  add({1, 2, 3});
  clock_.advance(250ms);
  no_more();
  connector_.reset();
  EXPECT_EQ(network_.going_on(), 0U);
  clock_.advance(2h);
  EXPECT_EQ(network_.begun, (Ports{1, 2}));
  make_connector();
  no_more();
  connector_.reset();
  turn();
  EXPECT_EQ(outcome_.count(), 0U);
}

// By an answer, by a failure, by max_wait, and by no_more().
TEST_F(ConnectorLogic, L2_ItsCallbackMayDestroyItHoweverItEnds) {
  const std::vector<std::pair<const char*, std::function<void()>>> ends = {
      {"answer", [&] { network_.answer(network_.begun.size() - 1); }},
      {"failure",
       [&] {
         connector_->no_more();
         network_.fail(network_.begun.size() - 1, std::errc::connection_refused);
       }},
      {"max_wait", [&] { clock_.advance(1s); }},
      {"no_more", [&] {
         network_.fail(network_.begun.size() - 1, std::errc::connection_refused);
         connector_->no_more();
         turn();
       }}};
  for (const auto& [name, end] : ends) {
    SCOPED_TRACE(name);
    int calls = 0;
    const std::weak_ptr<int> watched = [&] {
      auto captured = std::make_shared<int>(7);
      std::weak_ptr<int> weak = captured;
      connector_ = std::make_unique<Connector>(
          *timers_, ConnectorOptions{.network = &network_, .max_wait = 1s},
          [&, captured = std::move(captured)](const std::unique_ptr<Stream>&, std::error_code) {
            ++calls;
            connector_.reset();
            EXPECT_EQ(*captured, 7);
          });
      return weak;
    }();
    add({1});
    end();
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(watched.expired());
    EXPECT_EQ(network_.going_on(), 0U);
    turn();
  }
}

TEST_F(ConnectorLogic, L7_WhatACaptureAsksOfAConnectorThatGoesHasNoEffect) {
  Owned<Connector> connector;
  int ends = 0;
  connector.make(
      *timers_, ConnectorOptions{.network = &network_},
      [asks = at_the_end([&] {
         ++ends;
         connector->add(port(1));
         connector->no_more();
       })](const std::unique_ptr<Stream>&, std::error_code) { ADD_FAILURE() << "told"; });
  connector.end();
  EXPECT_EQ(ends, 1);
  turn();
  EXPECT_EQ(network_.begun, Ports{});
}

TEST_F(ConnectorLogic, O6_AfterACallbackThatThrewItIsOver) {
  int calls = 0;
  Connector connector(*timers_, {.network = &network_},
                      [&](const std::unique_ptr<Stream>&, std::error_code) {
                        ++calls;
                        throw std::runtime_error("from on_stream");
                      });
  connector.add(port(1));
  EXPECT_THROW(network_.answer(0), std::runtime_error);
  connector.add(port(2));
  connector.no_more();
  clock_.advance(1h);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(network_.begun, (Ports{1}));
}

TEST_F(ConnectorLogic, O6_ANetworkThatThrowsIsAskedAgainAfterTheStagger) {
  make_connector();
  network_.next_throws = true;
  EXPECT_THROW(connector_->add(port(1)), std::bad_alloc);
  no_more();
  clock_.advance(250ms);
  EXPECT_EQ(network_.begun, (Ports{1}));
  network_.answer(0);
  EXPECT_EQ(outcome_.streams.size(), 1U);
}

TEST_F(ConnectorLogic, N9_MisuseIsAnException) {
  const auto make = [&](const ConnectorOptions& options, Connector::OnStream on_stream) {
    const Connector connector(*timers_, options, std::move(on_stream));
  };
  EXPECT_THROW(make({}, nullptr), std::invalid_argument);
  EXPECT_THROW(make({.stagger = -1ns}, outcome_.on_stream()), std::invalid_argument);
  EXPECT_THROW(make({.max_wait = 0ns}, outcome_.on_stream()), std::invalid_argument);
  EXPECT_THROW(make({.stream = {.bytes_per_turn = 0}}, outcome_.on_stream()),
               std::invalid_argument);
  make_connector({.stagger = 0ns});
  EXPECT_THROW(connector_->add(std::array{port(1), Endpoint()}), std::invalid_argument);
  EXPECT_EQ(network_.begun, Ports{}) << "without effect";
  connector_->no_more();
  EXPECT_THROW(connector_->add(port(1)), std::logic_error);
  turn();
  EXPECT_EQ(outcome_.count(), 1U);
}

// ---- contract: the kernel's network, on every poller

const Endpoint kAnyPort = Endpoint::parse("127.0.0.1:0");

Endpoint refused(const Endpoint& any) { return Socket::listen(any).local_endpoint(); }

class ConnectorOnEveryPoller : public NetOnEveryPoller {
 protected:
  void try_all(const std::vector<Endpoint>& endpoints, const ConnectorOptions& options = {}) {
    connector_ = std::make_unique<Connector>(timers_, options, outcome_.on_stream());
    outcome_.in_call = true;
    connector_->add(endpoints);
    connector_->no_more();
    outcome_.in_call = false;
  }
  [[nodiscard]] bool run_to_the_end() {
    return run_until([&] { return outcome_.count() > 0; }) && comes_to_rest(reactor_) &&
           outcome_.count() == 1;
  }

  Outcome outcome_;
  std::unique_ptr<Connector> connector_;
};
DETENT_ON_EVERY_POLLER(ConnectorOnEveryPoller);

TEST_P(ConnectorOnEveryPoller, N9_AfterARefusalTheNextAddressIsConnected) {
  const Socket listening = Socket::listen(kAnyPort);
  const Endpoint there = listening.local_endpoint();
  const std::vector<std::vector<Endpoint>> lists = {{refused(kAnyPort), there},
                                                    {refused(Endpoint::parse("[::1]:0")), there},
                                                    {Endpoint::parse("unix:/nonexistent/s"), there},
                                                    {there, refused(kAnyPort)}};
  for (const auto& endpoints : lists) {
    outcome_ = {};
    try_all(endpoints, {.stagger = 1h});
    EXPECT_TRUE(run_to_the_end());
    ASSERT_EQ(outcome_.streams.size(), 1U);
    EXPECT_EQ(outcome_.streams[0]->peer(), there);
  }
}

TEST_P(ConnectorOnEveryPoller, N9_WhatDoesNotAnswerIsPassedAfterTheStaggerAndClosed) {
  const Socket full = Socket::listen(kAnyPort, {.backlog = 0});
  const Socket only = Socket::connect(full.local_endpoint());
  wait_for(only.fd(), POLLOUT);
  const Socket listening = Socket::listen(kAnyPort);
  const DescriptorsBefore before;
  try_all({full.local_endpoint(), listening.local_endpoint()}, {.stagger = 1ms});
  EXPECT_TRUE(run_to_the_end());
  ASSERT_EQ(outcome_.streams.size(), 1U);
  EXPECT_EQ(outcome_.streams[0]->peer(), listening.local_endpoint());
  outcome_.streams.clear();
  EXPECT_TRUE(before.opened_since().empty());

  outcome_ = {};
  try_all({full.local_endpoint()}, {.max_wait = 5ms});
  EXPECT_TRUE(run_to_the_end());
  ASSERT_EQ(outcome_.errors.size(), 1U);
  EXPECT_EQ(outcome_.errors[0], NetError::connect_timed_out);
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_P(ConnectorOnEveryPoller, N9_WhenAllRefuseTheErrorIsThatOfTheFirst) {
  const DescriptorsBefore before;
  try_all({Endpoint::parse("unix:/nonexistent/s"), refused(kAnyPort)});
  EXPECT_TRUE(run_to_the_end());
  EXPECT_EQ(outcome_.errors.at(0), std::errc::no_such_file_or_directory);
  outcome_ = {};
  try_all({refused(kAnyPort), Endpoint::parse("unix:/nonexistent/s")});
  EXPECT_TRUE(run_to_the_end());
  EXPECT_EQ(outcome_.errors.at(0), std::errc::connection_refused);
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_P(ConnectorOnEveryPoller, N9_TheLimitOfDescriptorsIsACode) {
  const Socket listening = Socket::listen(kAnyPort);
  const std::vector<Endpoint> endpoints = {listening.local_endpoint()};
  {
    const NoFreeDescriptor none;
    try_all(endpoints);
  }
  EXPECT_TRUE(run_to_the_end());
  EXPECT_EQ(outcome_.errors.at(0), std::errc::too_many_files_open);
}

TEST_P(ConnectorOnEveryPoller, N9_AStreamIsOneCallback) {
  const Socket listening = Socket::listen(kAnyPort);
  const std::uint64_t before = reactor_.counters().callbacks;
  try_all({listening.local_endpoint()}, {.stagger = 1h});
  EXPECT_TRUE(run_to_the_end());
  EXPECT_EQ(reactor_.counters().callbacks, before + 1);
}

TEST_P(ConnectorOnEveryPoller, L5_WhenTheReactorHasGoneItDoesNothing) {
  const Socket listening = Socket::listen(kAnyPort);
  std::optional<Connector> connector;
  {
    Reactor reactor(on_poller(GetParam()));
    TimerService timers(reactor);
    connector.emplace(timers, outcome_.on_stream());
    connector->add(listening.local_endpoint());
  }
  connector->add(listening.local_endpoint());
  connector->no_more();
  connector.reset();
  EXPECT_EQ(outcome_.count(), 0U);
}

}  // namespace
}  // namespace detent
