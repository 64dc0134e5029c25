// SPDX-License-Identifier: BSL-1.0
// What a connection costs, counted and not timed.
#include <sys/syscall.h>
#include <unistd.h>

#include <span>

#include "detent/connection.h"
#include "detent/line_server.h"
#include "detent/listener.h"
#include "support/allocations.h"
#include "support/connected_pair.h"
#include "support/fake_streams.h"
#include "support/kernel_double.h"
#include "support/net_fixtures.h"
#include "support/standard.h"
#include "support/system_calls.h"

namespace detent {
namespace {

using namespace testing_support;

constexpr int kRoundTrips = 10'000;
constexpr int kWarmUp = 100;

class CountingOnEveryPoller : public NetOnEveryPoller {
 protected:
  // Each side answers what it gets, so the message goes to and fro.
  void play(std::unique_ptr<Stream> near, std::unique_ptr<Stream> far) {
    near_ = std::make_unique<Connection>(
        timers_, std::move(near),
        ConnectionHandlers{
            .on_data = [](Connection& c, std::string_view bytes) { c.write(bytes); }});
    far_ = std::make_unique<Connection>(
        timers_, std::move(far),
        ConnectionHandlers{.on_data = [this](Connection& c, std::string_view bytes) {
          ++round_trips_;
          c.write(bytes);
        }});
    far_->write("ping");
    round_trip_until(kWarmUp);
  }
  void round_trip_until(int count) {
    while (round_trips_ < count && reactor_.run_once(std::chrono::seconds(15)) > 0) {
    }
  }
  std::size_t allocations_warm() {
    return allocations_in([&] { round_trip_until(kWarmUp + kRoundTrips); });
  }

  std::unique_ptr<Connection> near_, far_;
  int round_trips_ = 0;
};
DETENT_ON_EVERY_POLLER(CountingOnEveryPoller);

// Never takes anything at the first try.
class ReluctantStream final : public StreamBut {
 public:
  using StreamBut::StreamBut;
  Written write(std::span<const Piece> pieces, std::span<const int> descriptors) noexcept override {
    willing_ = !willing_;
    if (!willing_) return inner_->write(pieces, descriptors);
    owe_room();
    return {};
  }

 private:
  bool willing_ = false;
};

TEST_P(CountingOnEveryPoller, AWarmConnectionEchoesWithoutAllocating) {
  SocketPair pair = make_tcp_pair();
  play(adopt(reactor_, std::move(pair.near)), adopt(reactor_, std::move(pair.far)));
  EXPECT_EQ(allocations_warm(), 0U);
  EXPECT_EQ(round_trips_, kWarmUp + kRoundTrips);
}

TEST_P(CountingOnEveryPoller, AWarmConnectionEchoesWithoutAllocatingThoughEachWriteIsQueued) {
  SocketPair pair = make_tcp_pair();
  play(std::make_unique<ReluctantStream>(reactor_, adopt(reactor_, std::move(pair.near))),
       std::make_unique<ReluctantStream>(reactor_, adopt(reactor_, std::move(pair.far))));
  EXPECT_EQ(allocations_warm(), 0U);
  EXPECT_EQ(round_trips_, kWarmUp + kRoundTrips);
}

TEST_P(CountingOnEveryPoller, AWarmLineServerAnswersWithoutAllocating) {
  const LineServer server(timers_, Endpoint::parse("127.0.0.1:0"),
                          [](Connection& client, std::string_view) { client.write("pong\n"); });
  Connection client(timers_, make_stream(reactor_, Socket::connect(server.endpoint())),
                    {.on_data = [&](Connection& c, std::string_view) {
                      ++round_trips_;
                      c.write("ping\n");
                    }});
  client.write("ping\n");
  round_trip_until(kWarmUp);
  EXPECT_EQ(allocations_warm(), 0U);
  EXPECT_EQ(round_trips_, kWarmUp + kRoundTrips);
}

TEST_P(CountingOnEveryPoller, AnEchoIsAWaitAReadAndAWriteForTheKernel) {
  constexpr int kRequests = 20;
  const auto calls = system_calls_of([poller = GetParam()]() -> std::function<void()> {
    struct Stage {
      explicit Stage(std::string_view name) : reactor(on_poller(name)) {}
      Reactor reactor;
      TimerService timers{reactor};
      SocketPair pair = make_socket_pair();
      std::unique_ptr<Connection> connection;
    };
    auto stage = std::make_shared<Stage>(poller);
    Stage& s = *stage;
    s.connection = std::make_unique<Connection>(
        s.timers, adopt(s.reactor, std::move(s.pair.near)),
        ConnectionHandlers{
            .on_data = [](Connection& c, std::string_view bytes) { c.write(bytes); }});
    const auto request = [stage] {
      put(stage->pair.far.fd(), "ping");  // one write of the test's own
      stage->reactor.run_once();
      std::array<char, 8> answer = {};
      if (::read(stage->pair.far.fd(), answer.data(), answer.size()) != 4) ::_exit(2);  // one read
    };
    request();
    return [request] {
      for (int i = 0; i < kRequests; ++i) request();
    };
  });
  if (!calls) GTEST_SKIP() << testing_support::kUntraced;
  EXPECT_EQ(calls->at(SYS_recvfrom), kRequests);
  EXPECT_EQ(calls->at(SYS_sendto), kRequests);
  EXPECT_EQ(total(*calls), kRequests * (2 + 3));
}

TEST_P(CountingOnEveryPoller, ClosingOutsideOfACallbackSetsNoKernelTimer) {
  const auto calls = system_calls_of([poller = GetParam()]() -> std::function<void()> {
    struct Stage {
      explicit Stage(std::string_view name) : reactor(on_poller(name)) {}
      Reactor reactor;
      TimerService timers{reactor};
      SocketPair pair = make_socket_pair();
      Heard heard;
      std::unique_ptr<Connection> connection;
    };
    auto stage = std::make_shared<Stage>(poller);
    stage->connection = std::make_unique<Connection>(
        stage->timers, adopt(stage->reactor, std::move(stage->pair.near)), stage->heard.handlers());
    stage->reactor.dispatch();
    return [stage] {
      stage->connection->close();
      stage->reactor.run_once();
      if (!stage->heard.is_over()) ::_exit(2);
    };
  });
  if (!calls) GTEST_SKIP() << testing_support::kUntraced;
  EXPECT_EQ(calls->count(SYS_timerfd_settime), 0U);
  EXPECT_EQ(calls->count(SYS_close), 1U) << "nothing was counted";
}

}  // namespace
}  // namespace detent
