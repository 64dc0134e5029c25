// SPDX-License-Identifier: BSL-1.0
// The lifetime table of net/: who is destroyed x from where. AddressSanitizer is the judge.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "detent/connection.h"
#include "detent/line_server.h"
#include "detent/listener.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/net_fixtures.h"

namespace detent {
namespace {

using namespace testing_support;

// Each way in which a connection calls its user.
enum class Call {
  data,
  end,
  drained,
  closed_by_peer,  // on_closed, from the descriptor's event
  closed_by_us     // on_closed, after close() outside of a callback
};

constexpr Call kCalls[] = {Call::data, Call::end, Call::drained, Call::closed_by_peer,
                           Call::closed_by_us};

std::string_view name_of(Call call) {
  switch (call) {
    case Call::data:
      return "on_data";
    case Call::end:
      return "on_end";
    case Call::drained:
      return "on_drained";
    case Call::closed_by_peer:
      return "on_closed_by_peer";
    case Call::closed_by_us:
      return "on_closed_by_us";
  }
  return "?";
}

// A connection whose next turn calls `action`, once, from the callback in question.
class Actor {
 public:
  Actor(TimerService& timers, Call call, std::function<void()> action)
      : action_(std::move(action)) {
    SocketPair pair = make_socket_pair();
    near_fd_ = pair.near.fd();
    far_ = std::move(pair.far);
    ConnectionHandlers handlers;
    switch (call) {
      case Call::data:
        handlers.on_data = [this](Connection&, std::string_view) { act(); };
        break;
      case Call::end:
        handlers.on_end = [this](Connection&) { act(); };
        break;
      case Call::drained:
        handlers.on_drained = [this](Connection&) { act(); };
        break;
      default:
        handlers.on_closed = [this](Connection&, std::error_code) { act(); };
        break;
    }
    connection =
        std::make_unique<Connection>(timers, adopt(std::move(pair.near)), std::move(handlers));
    switch (call) {
      case Call::data:
        put(far_.fd());
        break;
      case Call::end:
        ::shutdown(far_.fd(), SHUT_WR);
        break;
      case Call::drained:
        while (connection->queued() == 0) connection->write(std::string(10'000, 'x'));
        take(far_.fd());
        break;
      case Call::closed_by_peer:
        far_.reset();
        break;
      case Call::closed_by_us:
        connection->close();
        break;
    }
  }
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  [[nodiscard]] int near_fd() const { return near_fd_; }
  [[nodiscard]] int calls() const { return *calls_; }
  // Counts on when the actor is gone.
  [[nodiscard]] std::shared_ptr<int> counter() const { return calls_; }

  std::unique_ptr<Connection> connection;

 private:
  void act() {
    ++*calls_;
    const auto action = action_;  // may destroy this object
    action();
  }

  std::function<void()> action_;
  std::shared_ptr<int> calls_ = std::make_shared<int>(0);
  UniqueFd far_;
  int near_fd_ = -1;
};

class LifetimeOnEveryPoller : public testing::TestWithParam<std::tuple<std::string_view, Call>> {
 protected:
  [[nodiscard]] static Call call() { return std::get<1>(GetParam()); }
  [[nodiscard]] std::unique_ptr<Actor> make_actor(std::function<void()> action) {
    return std::make_unique<Actor>(*timers_, call(), std::move(action));
  }
  void turn() { reactor_->dispatch(); }
  void expect_rest() { EXPECT_TRUE(comes_to_rest(*reactor_)); }

  std::unique_ptr<Reactor> reactor_ = std::make_unique<Reactor>(on_poller(std::get<0>(GetParam())));
  std::unique_ptr<TimerService> timers_ = std::make_unique<TimerService>(*reactor_);
};

INSTANTIATE_TEST_SUITE_P(OnEveryPoller, LifetimeOnEveryPoller,
                         testing::Combine(testing::ValuesIn(poller_names()),
                                          testing::ValuesIn(kCalls)),
                         [](const auto& param) {
                           return std::string(std::get<0>(param.param)) + "_" +
                                  std::string(name_of(std::get<1>(param.param)));
                         });

TEST_P(LifetimeOnEveryPoller, L1_DestroyedBeforeItsTurnItIsNotCalled) {
  const auto actor = make_actor([] {});
  actor->connection.reset();
  expect_rest();
  EXPECT_EQ(actor->calls(), 0);
}

TEST_P(LifetimeOnEveryPoller, L2_ACallbackMayDestroyItsConnection) {
  std::unique_ptr<Actor> actor;
  actor = make_actor([&] { actor->connection.reset(); });
  turn();
  EXPECT_EQ(actor->calls(), 1);
  EXPECT_FALSE(is_open(actor->near_fd()));
  expect_rest();
  EXPECT_EQ(actor->calls(), 1);
}

TEST_P(LifetimeOnEveryPoller, L2_ACallbackMayDestroyTheOwnerOfItsConnection) {
  std::unique_ptr<Actor> actor;
  actor = make_actor([&] { actor.reset(); });
  const auto calls = actor->counter();
  turn();
  EXPECT_EQ(*calls, 1);
  expect_rest();
  EXPECT_EQ(*calls, 1);
}

TEST_P(LifetimeOnEveryPoller, L2_ACallbackMayDestroyAnotherThatIsReadyInTheSameTurn) {
  std::unique_ptr<Actor> first, second;
  first = make_actor([&] { second.reset(); });
  second = make_actor([&] { first.reset(); });
  const auto first_calls = first->counter();
  const auto second_calls = second->counter();
  turn();
  EXPECT_EQ(*first_calls + *second_calls, 1);
  expect_rest();
  EXPECT_EQ(*first_calls + *second_calls, 1);
}

TEST_P(LifetimeOnEveryPoller, L2_ACallbackMayDestroyAllConnections) {
  std::vector<std::unique_ptr<Actor>> all;
  std::vector<std::shared_ptr<int>> calls;
  for (int i = 0; i < 100; ++i) {
    all.push_back(make_actor([&] { all.clear(); }));
    calls.push_back(all.back()->counter());
  }
  turn();
  int sum = 0;
  for (const auto& count : calls) sum += *count;
  EXPECT_EQ(sum, 1);
  expect_rest();
}

TEST_P(LifetimeOnEveryPoller, L2_ACallbackMayCloseAnotherWhichIsToldLater) {
  std::unique_ptr<Actor> actor;
  SocketPair pair = make_socket_pair();
  put(pair.far.fd(), "never heard, or heard before");
  Heard heard;
  Connection other(*timers_, adopt(std::move(pair.near)), heard.handlers());
  bool inside = false;
  actor = make_actor([&] {
    inside = true;
    const std::string order = heard.order;
    other.close();
    EXPECT_EQ(heard.order, order);
    inside = false;
  });
  expect_rest();
  EXPECT_EQ(actor->calls(), 1);
  EXPECT_EQ(heard.closed.size(), 1U);
  EXPECT_EQ(heard.order.back(), 'c');
}

TEST_P(LifetimeOnEveryPoller, L3_ACallbackMayOwnItsConnection) {
  // The only owner of the connection is what its own callback captured.
  SocketPair pair = make_socket_pair();
  auto owner = std::make_shared<std::unique_ptr<Connection>>();
  const std::weak_ptr<std::unique_ptr<Connection>> seen = owner;
  int calls = 0;
  const auto act = [owner, &calls](Connection&) {
    ++calls;
    owner->reset();
    EXPECT_EQ(calls, 1) << "the captures must live to the end of the call";
  };
  ConnectionHandlers handlers;
  handlers.on_data = [act](Connection& c, std::string_view) { act(c); };
  handlers.on_end = act;
  handlers.on_drained = act;
  handlers.on_closed = [act](Connection& c, std::error_code) { act(c); };
  if (call() == Call::closed_by_peer) handlers.on_end = {};
  *owner = std::make_unique<Connection>(*timers_, adopt(std::move(pair.near)), std::move(handlers));
  switch (call()) {
    case Call::data:
      put(pair.far.fd());
      break;
    case Call::end:
      ::shutdown(pair.far.fd(), SHUT_WR);
      break;
    case Call::drained:
      while ((*owner)->queued() == 0) (*owner)->write(std::string(10'000, 'x'));
      take(pair.far.fd());
      break;
    case Call::closed_by_peer:
      pair.far.reset();
      break;
    case Call::closed_by_us:
      (*owner)->close();
      break;
  }
  owner.reset();
  ASSERT_FALSE(seen.expired());
  // The copies in the test's own frame must not keep it.
  EXPECT_EQ(calls, 0);
  expect_rest();
  EXPECT_EQ(calls, 1);
}

TEST_P(LifetimeOnEveryPoller, L3_TheCapturesGoWithTheConnection) {
  const auto capture = std::make_shared<int>(0);
  std::unique_ptr<Actor> actor;
  actor = make_actor([&actor, capture] { actor.reset(); });
  EXPECT_EQ(capture.use_count(), 2);
  turn();
  EXPECT_EQ(capture.use_count(), 1);
}

TEST_P(LifetimeOnEveryPoller, L4_AReusedNumberGetsNothingOfItsPredecessor) {
  // Whichever is called first replaces the other by a connection with the same number.
  std::unique_ptr<Actor> first, second;
  Heard heard;
  UniqueFd new_far;
  std::unique_ptr<Connection> successor;
  const auto replace = [&](std::unique_ptr<Actor>& other) {
    if (!other) return;
    const int number = other->near_fd();
    other.reset();
    SocketPair pair = make_socket_pair();
    if (pair.far.fd() == number) std::swap(pair.near, pair.far);
    if (pair.near.fd() != number) {
      pair.near = UniqueFd(::fcntl(pair.near.fd(), F_DUPFD_CLOEXEC, number));
    }
    EXPECT_EQ(pair.near.fd(), number);
    new_far = std::move(pair.far);
    successor =
        std::make_unique<Connection>(*timers_, adopt(std::move(pair.near)), heard.handlers(true));
  };
  // One that was closed has no number any more: its sibling's is still taken.
  if (call() == Call::closed_by_us) GTEST_SKIP() << "its number is free before its callback";
  first = make_actor([&] { replace(second); });
  second = make_actor([&] { replace(first); });
  turn();
  ASSERT_TRUE(successor);
  EXPECT_EQ(heard.order, "");
  expect_rest();
  EXPECT_EQ(heard.order, "");
  put(new_far.fd(), "own");
  turn();
  EXPECT_EQ(heard.data, "own");
}

TEST_P(LifetimeOnEveryPoller, L4_ANumberReusedInItsOwnCallbackGetsItsOwnEventsOnly) {
  std::unique_ptr<Actor> actor;
  Heard heard;
  UniqueFd new_far;
  std::unique_ptr<Connection> successor;
  actor = make_actor([&] {
    actor->connection.reset();
    SocketPair pair = make_socket_pair();
    new_far = std::move(pair.far);
    successor =
        std::make_unique<Connection>(*timers_, adopt(std::move(pair.near)), heard.handlers(true));
  });
  turn();
  ASSERT_TRUE(successor);
  expect_rest();
  EXPECT_EQ(heard.order, "");
  put(new_far.fd(), "own");
  turn();
  EXPECT_EQ(heard.data, "own");
}

TEST_P(LifetimeOnEveryPoller, L2_ACallbackMayDestroyItsConnectionAndThrow) {
  std::unique_ptr<Actor> actor;
  actor = make_actor([&] {
    actor->connection.reset();
    throw std::runtime_error("after its end");
  });
  EXPECT_THROW(turn(), std::runtime_error);
  expect_rest();
  EXPECT_EQ(actor->calls(), 1);
}

TEST_P(LifetimeOnEveryPoller, L2_AConnectionMayBeDestroyedAfterItsCallbackThrew) {
  std::unique_ptr<Actor> actor;
  actor = make_actor([] { throw std::runtime_error("before its end"); });
  EXPECT_THROW(turn(), std::runtime_error);
  actor.reset();
  expect_rest();
}

TEST_P(LifetimeOnEveryPoller, L2_ACallbackMayDestroyAListenerThatIsReadyInTheSameTurn) {
  int accepted = 0;
  std::unique_ptr<Actor> actor;
  std::unique_ptr<Listener> listener;
  const auto make_listener = [&] {
    listener = std::make_unique<Listener>(*timers_, Endpoint::parse("127.0.0.1:0"),
                                          [&](Socket, const Endpoint&) {
                                            ++accepted;
                                            actor.reset();
                                          });
  };
  make_listener();
  const Socket client = Socket::connect(listener->endpoint());
  wait_for(client.fd(), POLLOUT);
  actor = make_actor([&] { listener.reset(); });
  const auto calls = actor->counter();
  expect_rest();
  EXPECT_EQ(*calls + accepted, 1);
}

TEST_P(LifetimeOnEveryPoller, L2_ACallbackMayDestroyAServerThatIsReadyInTheSameTurn) {
  std::unique_ptr<Actor> actor;
  int lines = 0;
  auto server = std::make_unique<LineServer>(*timers_, Endpoint::parse("127.0.0.1:0"),
                                             [&](Connection&, std::string_view) {
                                               ++lines;
                                               actor.reset();
                                             });
  Socket client = Socket::connect(server->endpoint());
  EXPECT_TRUE(run_until(*reactor_, [&] { return server->connections() == 1; }));
  const std::string line = "line\n";
  EXPECT_EQ(client.write(std::as_bytes(std::span(line))).size, line.size());
  actor = make_actor([&] { server.reset(); });
  const auto calls = actor->counter();
  expect_rest();
  EXPECT_EQ(*calls + lines, 1);
}

TEST_P(LifetimeOnEveryPoller, L2_ACallbackMayDestroyItsConnectionAndTheTimerService) {
  std::unique_ptr<Actor> actor;
  actor = make_actor([&] {
    actor->connection.reset();
    timers_.reset();
  });
  turn();
  EXPECT_EQ(actor->calls(), 1);
  expect_rest();
}

TEST_P(LifetimeOnEveryPoller, L2_ACallbackMayStopTheLoop) {
  const auto actor = make_actor([&] { reactor_->stop(); });
  reactor_->run();
  EXPECT_EQ(actor->calls(), 1);
}

TEST_P(LifetimeOnEveryPoller, L2_ACallbackMayNotRunTheLoopAndTheTurnGoesOn) {
  const auto actor = make_actor([&] { EXPECT_THROW(reactor_->run_once(), std::logic_error); });
  turn();
  EXPECT_EQ(actor->calls(), 1);
  expect_rest();
}

TEST_P(LifetimeOnEveryPoller, L5_AConnectionThatOutlivesTheLoopIsInertWhenDestroyed) {
  const auto actor = make_actor([] {});
  timers_.reset();
  reactor_.reset();
  actor->connection.reset();
  EXPECT_FALSE(is_open(actor->near_fd()));
  EXPECT_EQ(actor->calls(), 0);
}

}  // namespace
}  // namespace detent
