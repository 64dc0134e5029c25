// SPDX-License-Identifier: BSL-1.0
#include "detent/connection.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <csignal>

#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/fake_streams.h"
#include "support/net_fixtures.h"
#include "support/processes.h"
#include "support/readiness.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

enum class Kind { tcp, unix_stream };

// Both kinds of stream on every poller. `connection_` has the near end, the test the far one.
class ConnectionOnEveryPoller : public testing::TestWithParam<std::tuple<std::string_view, Kind>> {
 protected:
  [[nodiscard]] bool is_tcp() const { return std::get<1>(GetParam()) == Kind::tcp; }
  [[nodiscard]] SocketPair make_pair() const {
    return is_tcp() ? make_tcp_pair() : make_socket_pair();
  }
  void connect(ConnectionHandlers handlers) {
    connect(std::move(handlers), [](std::unique_ptr<Stream> stream) { return stream; });
  }
  // Makes a T of the near end's stream and of `more`.
  template <class T, class... More>
  void connect_through(ConnectionHandlers handlers, More&&... more) {
    connect(std::move(handlers), [&](std::unique_ptr<Stream> stream) -> std::unique_ptr<Stream> {
      return std::make_unique<T>(reactor_, std::move(stream), std::forward<More>(more)...);
    });
  }
  template <class Wrap>
  void connect(ConnectionHandlers handlers, Wrap wrap) {
    SocketPair pair = make_pair();
    far_ = std::move(pair.far);
    near_fd_ = pair.near.fd();
    connection_ = std::make_unique<Connection>(
        timers_, wrap(adopt(reactor_, std::move(pair.near), options_)), std::move(handlers));
  }
  template <class Done>
  [[nodiscard]] bool run_until(Done done) {
    return testing_support::run_until(reactor_, std::move(done));
  }
  std::size_t turn() { return reactor_.dispatch(); }

  // Writes until something has to wait; returns all that was written.
  std::string write_more_than_fits(std::size_t beyond = 100'000) {
    std::string all;
    while (connection_->queued() < beyond) {
      const std::string bytes = numbered_bytes(64 * 1024);
      connection_->write(bytes);
      all += bytes;
    }
    return all;
  }
  // Takes what has arrived at the far end.
  void take_far() { arrived_ += take(far_.fd()); }
  // The far end takes all that comes until it has this, or until on_closed was told.
  void expect_to_arrive(const std::string& sent) {
    EXPECT_TRUE(run_until([&] {
      take_far();
      return arrived_.size() >= sent.size();
    }));
    EXPECT_TRUE(arrived_ == sent);
  }
  void take_far_until_it_is_over() {
    EXPECT_TRUE(run_until([&] {
      take_far();
      return heard_.is_over();
    }));
    take_far();
  }
  void take_far_until_its_end() {
    EXPECT_TRUE(run_until([&] {
      take_far();
      return far_sees_the_end();
    }));
  }
  // The far end leaves, and the connection ends without an error.
  void expect_a_good_end() {
    far_.reset();
    EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
    EXPECT_EQ(heard_.reason(), std::error_code());
  }
  // The far end has said all that it will.
  void finish_far() {
    ::shutdown(far_.fd(), SHUT_WR);
    EXPECT_TRUE(run_until([&] { return heard_.count('e') == 1; }));
  }
  // To a peer that is gone; TCP learns of it by the answer to the first write.
  void write_until_it_fails() {
    for (int i = 0; i < 5 && connection_->write("are you there?"); ++i) {
      if (is_tcp() && i == 0) wait_for(near_fd_, POLLHUP);
    }
    EXPECT_FALSE(connection_->write("again"));
  }
  [[nodiscard]] bool far_sees_the_end() const {
    char byte = 0;
    return ::recv(far_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
  }
  // Loopback TCP may take a moment.
  void wait_until_near_is_readable() const { wait_for(near_fd_, POLLIN); }
  // The peer goes so that the near end is reset. Both kinds know a way.
  void reset_by_peer() {
    if (!is_tcp()) {
      put(near_fd_, "never read");
      wait_for(far_.fd(), POLLIN);
      far_.reset();
    } else {
      reset_connection(std::move(far_));
    }
    wait_for(near_fd_, POLLHUP);
  }

  StreamOptions options_ = {};
  Reactor reactor_{on_poller(std::get<0>(GetParam()))};
  TimerService timers_{reactor_};
  UniqueFd far_;
  int near_fd_ = -1;
  std::string arrived_;
  Heard heard_;
  std::unique_ptr<Connection> connection_;
};

std::string name_of(const testing::TestParamInfo<std::tuple<std::string_view, Kind>>& info) {
  const bool tcp = std::get<1>(info.param) == Kind::tcp;
  return std::string(std::get<0>(info.param)) + (tcp ? "_tcp" : "_unix");
}

#define DETENT_ON_BOTH_KINDS(Suite)                                                         \
  INSTANTIATE_TEST_SUITE_P(OnEveryPoller, Suite,                                            \
                           testing::Combine(testing::ValuesIn(poller_names()),              \
                                            testing::Values(Kind::tcp, Kind::unix_stream)), \
                           name_of)
DETENT_ON_BOTH_KINDS(ConnectionOnEveryPoller);

// ---- writing

TEST_P(ConnectionOnEveryPoller, N2_WhatThereIsRoomForIsSentBeforeAnyTurn) {
  connect(heard_.handlers());
  connection_->write("hello");
  EXPECT_EQ(connection_->queued(), 0U);
  wait_for(far_.fd(), POLLIN);
  EXPECT_EQ(take(far_.fd()), "hello");
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(heard_.order, "") << "nothing had to wait, so nothing drained";
}

TEST_P(ConnectionOnEveryPoller, N2_WhatThereIsNoRoomForWaitsAndIsNotOvertaken) {
  connect(heard_.handlers());
  connection_->write("");
  std::string sent = write_more_than_fits(3'000'000);
  connection_->write("");
  take_far();  // there is room again, and the loop has not noticed
  connection_->write("the last words");
  sent += "the last words";
  expect_to_arrive(sent);
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(connection_->queued(), 0U);
  EXPECT_EQ(heard_.order, "n") << "an empty write changes nothing";
}

TEST_P(ConnectionOnEveryPoller, N2_OnDrainedComesOnceEachTimeThatTheQueueGetsEmpty) {
  connect(heard_.handlers());
  for (int crossing = 1; crossing <= 3; ++crossing) {
    write_more_than_fits();
    connection_->write("more");
    EXPECT_EQ(heard_.count('n'), crossing - 1) << "not before it is empty";
    EXPECT_TRUE(run_until([&] {
      take_far();
      return connection_->queued() == 0;
    }));
    EXPECT_TRUE(comes_to_rest(reactor_));
    EXPECT_EQ(heard_.count('n'), crossing);
  }
}

TEST_P(ConnectionOnEveryPoller, N2_WhatOnDrainedWritesMayHaveToWaitAgain) {
  int left = 5;
  std::string sent;
  ConnectionHandlers handlers = heard_.handlers();
  handlers.on_drained = [&](Connection&) {
    if (--left > 0) sent += write_more_than_fits();
  };
  connect(std::move(handlers));
  sent += write_more_than_fits();
  EXPECT_TRUE(run_until([&] {
    take_far();
    return left == 0 && arrived_.size() == sent.size();
  }));
  EXPECT_TRUE(arrived_ == sent);
}

TEST_P(ConnectionOnEveryPoller, N2_AFullQueueCostsNoTurnsWhileThePeerDoesNotRead) {
  connect(heard_.handlers());
  write_more_than_fits();
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_TRUE(costs_no_turns(reactor_));
}

TEST_P(ConnectionOnEveryPoller, N4_TheDelayOfSmallWritesIsAnOrdinaryCallAway) {
  connect(heard_.handlers());
  const std::error_code answer = connection_->set_no_delay(false);
  EXPECT_TRUE(is_tcp() ? !answer : answer == std::errc::operation_not_supported);
  connection_->close();
  EXPECT_EQ(connection_->set_no_delay(true), std::errc::not_connected);
}

// ---- the end of the stream, both ways

TEST_P(ConnectionOnEveryPoller, N3_TheEndOfTheStreamFollowsWhatWasQueued) {
  connect(heard_.handlers());
  const std::string sent = write_more_than_fits(1'000'000);
  connection_->finish();
  EXPECT_GT(connection_->queued(), 0U);
  take_far_until_its_end();
  EXPECT_TRUE(arrived_ == sent);
  EXPECT_TRUE(connection_->is_open()) << "the peer has not ended yet";
  expect_a_good_end();
}

TEST_P(ConnectionOnEveryPoller, N3_AfterFinishThePeersAnswerStillArrives) {
  connect(heard_.handlers());
  connection_->write("question");
  connection_->finish();
  connection_->finish();
  wait_for(far_.fd(), POLLRDHUP);
  EXPECT_EQ(take(far_.fd()), "question");
  put(far_.fd(), "answer");
  EXPECT_TRUE(run_until([&] { return heard_.data == "answer"; }));
  EXPECT_TRUE(connection_->is_open());
  far_.reset();
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_EQ(heard_.order, "dc");
  EXPECT_EQ(heard_.reason(), std::error_code());
}

TEST_P(ConnectionOnEveryPoller, N3_AfterThePeersEndALateAnswerStillReachesIt) {
  connect(heard_.handlers(true));
  put(far_.fd(), "question");
  finish_far();
  EXPECT_EQ(heard_.order, "de");
  EXPECT_TRUE(comes_to_rest(reactor_));
  connection_->write("late ");
  EXPECT_TRUE(comes_to_rest(reactor_));
  const std::string sent = "late " + write_more_than_fits();
  connection_->finish();
  take_far_until_it_is_over();
  EXPECT_TRUE(arrived_ == sent);
  EXPECT_EQ(heard_.reason(), std::error_code());
  EXPECT_EQ(heard_.count('e'), 1);
}

TEST_P(ConnectionOnEveryPoller, N3_WithoutOnEndItFinishesByItself) {
  connect(heard_.handlers());
  put(far_.fd(), "bye");
  ::shutdown(far_.fd(), SHUT_WR);
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_EQ(heard_.order, "dc");
  EXPECT_EQ(heard_.reason(), std::error_code());
  EXPECT_FALSE(connection_->is_open());
  wait_for(far_.fd(), POLLIN);
  EXPECT_TRUE(far_sees_the_end());
}

TEST_P(ConnectionOnEveryPoller, N3_BothMayFinishAtTheSameTime) {
  connect(heard_.handlers(true));
  connection_->finish();
  finish_far();
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_EQ(heard_.order, "ec");
  EXPECT_EQ(heard_.reason(), std::error_code());
}

TEST_P(ConnectionOnEveryPoller, N3_OnEndComesAfterFinishTooAndAfterWhatArrivedBefore) {
  connect(heard_.handlers(true));
  connection_->finish();
  put(far_.fd(), "last words");
  far_.reset();
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(heard_.order, "dec");
  EXPECT_EQ(heard_.data, "last words");
  EXPECT_EQ(heard_.reason(), std::error_code());
}

TEST_P(ConnectionOnEveryPoller, N3_OnEndComesWhileWhatWasWrittenBeforeFinishStillWaits) {
  connect(heard_.handlers(true));
  const std::string sent = write_more_than_fits();
  connection_->finish();
  finish_far();
  EXPECT_FALSE(heard_.is_over()) << "there is something to send";
  take_far_until_it_is_over();
  EXPECT_TRUE(arrived_ == sent);
  EXPECT_EQ(heard_.order, "ec");
}

TEST_P(ConnectionOnEveryPoller, N3_OnEndAfterFinishMayCloseOrDestroyIt) {
  for (const bool destroy : {false, true}) {
    heard_ = {};
    ConnectionHandlers handlers = heard_.handlers();
    handlers.on_end = [&](Connection& connection) {
      heard_.order += 'e';
      if (destroy) {
        connection_.reset();
      } else {
        connection.close(std::make_error_code(std::errc::timed_out));
      }
    };
    connect(std::move(handlers));
    connection_->finish();
    far_.reset();
    EXPECT_TRUE(run_until([&] { return heard_.count('e') == 1; }));
    EXPECT_TRUE(comes_to_rest(reactor_));
    EXPECT_EQ(heard_.order, destroy ? "e" : "ec");
    EXPECT_TRUE(destroy || heard_.reason() == std::errc::timed_out);
  }
}

// ---- what write() says

TEST_P(ConnectionOnEveryPoller, N3_WritingAfterFinishIsALogicError) {
  connect(heard_.handlers());
  EXPECT_TRUE(connection_->write("in time"));
  connection_->finish();
  EXPECT_THROW(connection_->write("too late"), std::logic_error);
}

TEST_P(ConnectionOnEveryPoller, N3_WritingAfterItFinishedByItselfIsFalseAndWithoutEffect) {
  connect(heard_.handlers());
  const std::string sent = write_more_than_fits();
  ::shutdown(far_.fd(), SHUT_WR);
  EXPECT_TRUE(run_until([&] { return !connection_->write("more") || !connection_->is_open(); }));
  ASSERT_TRUE(connection_->is_open()) << "what waits is still to be sent";
  const std::size_t queued = connection_->queued();
  EXPECT_FALSE(connection_->write("for nobody"));
  EXPECT_EQ(connection_->queued(), queued);
  take_far_until_it_is_over();
  EXPECT_TRUE(arrived_.starts_with(sent));
  EXPECT_EQ(arrived_.find("for nobody"), std::string::npos);
  EXPECT_EQ(heard_.reason(), std::error_code());
}

TEST_P(ConnectionOnEveryPoller, N3_TheWriteThatFailsIsFalseAndSoAreThoseAfterIt) {
  connect(heard_.handlers(true));
  put(far_.fd(), "never read, so that both kinds are reset");
  far_.reset();
  write_until_it_fails();
  EXPECT_EQ(connection_->queued(), 0U);
  connection_->finish();
  EXPECT_FALSE(connection_->write("and again"));
}

TEST_P(ConnectionOnEveryPoller, N3_WritingWhenItIsOverIsFalseAndWithoutEffect) {
  connect(heard_.handlers());
  connection_->close();
  EXPECT_FALSE(connection_->write("nobody hears"));
  connection_->finish();
  connection_->pause_reading();
  connection_->resume_reading();
  EXPECT_EQ(connection_->queued(), 0U);
  EXPECT_EQ(connection_->stream(), nullptr);
}

// ---- reading

TEST_P(ConnectionOnEveryPoller, N2_NothingIsHeardWhileReadingIsPaused) {
  connect(heard_.handlers(true));
  connection_->pause_reading();
  put(far_.fd(), "data");
  ::shutdown(far_.fd(), SHUT_WR);
  wait_until_near_is_readable();
  EXPECT_TRUE(costs_no_turns(reactor_));
  EXPECT_EQ(heard_.order, "");
  connection_->resume_reading();
  EXPECT_TRUE(run_until([&] { return heard_.count('e') == 1; }));
  EXPECT_EQ(heard_.order, "de");
  EXPECT_EQ(heard_.data, "data");
}

TEST_P(ConnectionOnEveryPoller, N2_APausedReaderHoldsItsPeerBackAndLosesNothing) {
  connect(heard_.handlers());
  connection_->pause_reading();
  const std::string bytes = numbered_bytes(20'000'000);
  std::size_t sent = 0;
  const auto push = [&] {
    for (;;) {
      const auto size = ::send(far_.fd(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (size <= 0) return;
      sent += static_cast<std::size_t>(size);
    }
  };
  push();
  EXPECT_LT(sent, bytes.size()) << "the system should be full";
  EXPECT_TRUE(comes_to_rest(reactor_));
  connection_->resume_reading();
  EXPECT_TRUE(run_until([&] {
    push();
    return heard_.data.size() == bytes.size();
  }));
  EXPECT_TRUE(heard_.data == bytes);
}

TEST_P(ConnectionOnEveryPoller, O2_N2_WhatIsBeyondTheBudgetComesInTheNextTurnsOrAfterAPause) {
  options_.bytes_per_turn = 1000;
  const std::string bytes = numbered_bytes(50'000);
  for (const bool pausing : {false, true}) {
    heard_ = {};
    ConnectionHandlers handlers = heard_.handlers();
    handlers.on_data = [&](Connection&, std::string_view piece) {
      heard_.data.append(piece);
      if (pausing) connection_->pause_reading();
    };
    connect(std::move(handlers));
    put(far_.fd(), bytes);
    wait_until_near_is_readable();
    for (int i = 0; i < 200 && heard_.data.size() < bytes.size(); ++i) {
      const std::size_t before = heard_.data.size();
      turn();
      EXPECT_LE(heard_.data.size() - before, 1000U);
      connection_->resume_reading();
    }
    EXPECT_TRUE(heard_.data == bytes);
  }
}

TEST_P(ConnectionOnEveryPoller, N2_L2_N3_PausingDestroyingAndClosingInOnDataHoldFromThereOn) {
  options_.bytes_per_turn = 1;
  const std::vector<std::pair<std::function<void()>, std::string>> actions = {
      {[&] { connection_->pause_reading(); }, ""},
      {[&] { connection_.reset(); }, ""},
      {[&] { connection_->close(); }, "c"}};
  for (const auto& [action, then] : actions) {
    for (const int call : {1, 2, 3}) {
      heard_ = {};
      ConnectionHandlers handlers = heard_.handlers();
      handlers.on_data = [&, &act = action](Connection&, std::string_view) {
        heard_.order += 'd';
        if (heard_.count('d') == call) act();
      };
      connect(std::move(handlers));
      put(far_.fd(), "12345");
      wait_until_near_is_readable();
      for (int i = 0; i < 5; ++i) turn();
      EXPECT_EQ(heard_.order, std::string(static_cast<std::size_t>(call), 'd') + then);
    }
  }
}

// ---- errors

TEST_P(ConnectionOnEveryPoller, N3_AResetIsConnectionReset) {
  connect(heard_.handlers(true));
  reset_by_peer();
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_EQ(heard_.order, "c");
  EXPECT_EQ(heard_.reason(), std::errc::connection_reset);
}

TEST_P(ConnectionOnEveryPoller, N3_AResetWhileAllWaitsToBeSentEndsItWithItsError) {
  connect(heard_.handlers(true));
  write_more_than_fits();
  far_.reset();  // with unread data: a reset, for both kinds
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_EQ(heard_.count('n'), 0);
  EXPECT_TRUE(heard_.reason() == std::errc::connection_reset ||
              heard_.reason() == std::errc::broken_pipe)
      << heard_.reason().message();
}

TEST_P(ConnectionOnEveryPoller, N3_WritingToADeadPeerRaisesNoSignal) {
  ASSERT_TRUE(holds_in_a_forked_child([&] {
    ::signal(SIGPIPE, SIG_DFL);
    Reactor reactor(on_poller(std::get<0>(GetParam())));
    TimerService timers(reactor);
    SocketPair pair = make_pair();
    Heard heard;
    Connection connection(timers, adopt(reactor, std::move(pair.near)), heard.handlers(true));
    pair.far.reset();
    for (int i = 0; i < 10 && connection.is_open(); ++i) {
      connection.write("anybody there?");
      poll_one(connection.stream()->socket()->fd(), POLLIN, 100);
      if (i == 5) connection.finish();
      if (i == 5) break;
    }
    EXPECT_TRUE(testing_support::run_until(reactor, [&] { return heard.is_over(); }));
    EXPECT_TRUE(heard.reason());
    struct sigaction now = {};
    ::sigaction(SIGPIPE, nullptr, &now);
    EXPECT_EQ(now.sa_handler, SIG_DFL);
  }));
}

TEST_P(ConnectionOnEveryPoller, N3_WhatThePeerSentBeforeItWentIsHeardThoughAWriteFailedFirst) {
  for (const bool paused : {false, true}) {
    SCOPED_TRACE(paused);
    heard_ = {};
    connect(heard_.handlers(true));
    if (paused) connection_->pause_reading();
    put(far_.fd(), "last words");
    far_.reset();
    write_until_it_fails();
    if (paused) turn();
    connection_->resume_reading();
    EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
    EXPECT_EQ(heard_.order, paused ? "ndec" : "dec");
    EXPECT_EQ(heard_.data, "last words");
    EXPECT_EQ(heard_.reason(), std::errc::broken_pipe);
  }
}

TEST_P(ConnectionOnEveryPoller, N3_WhatThePeerSentBeforeItWentIsHeardThoughAQueuedWriteFails) {
  connect(heard_.handlers());
  write_more_than_fits();
  put(far_.fd(), "last words");
  far_.reset();
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_EQ(heard_.data, "last words");
  EXPECT_TRUE(heard_.reason());
}

TEST_P(ConnectionOnEveryPoller, N3_AnErrorOfTheNthWriteIsTheReason) {
  for (const int code : {EPIPE, ECONNRESET, ENOBUFS, ETIMEDOUT}) {
    for (std::size_t n = 0; n < 4; ++n) {
      SCOPED_TRACE(testing::Message() << "errno " << code << " at call " << n);
      std::deque<ScriptedStream::Step> script(n, {.at_most = 3});
      script.push_back({.error = {code, std::system_category()}});
      heard_ = {};
      connect_through<ScriptedStream>(heard_.handlers(true), script);
      connection_->write("0123456789ABCDEFGHIJ");
      for (int i = 0; i < 10; ++i) turn();
      EXPECT_FALSE(heard_.is_over()) << "the peer may still have something to say";
      EXPECT_EQ(connection_->queued(), 0U);
      put(far_.fd(), "said");
      wait_for(far_.fd(), POLLIN | POLLOUT);
      EXPECT_EQ(take(far_.fd()), std::string("0123456789ABCDEFGHIJ").substr(0, 3 * n));
      far_.reset();
      EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
      EXPECT_EQ(heard_.data, "said");
      EXPECT_EQ(heard_.reason(), std::error_code(code, std::system_category()));
      EXPECT_EQ(heard_.closed.size(), 1U);
      EXPECT_EQ(heard_.count('n'), 0);
    }
  }
}

// ---- a failed write is told while reading is paused too

TEST_P(ConnectionOnEveryPoller, N3_AFailureInTheCallItselfIsToldWhileReadingIsPaused) {
  for (const bool pause_first : {true, false}) {
    SCOPED_TRACE(pause_first);
    heard_ = {};
    connect(heard_.handlers(true));
    if (pause_first) connection_->pause_reading();
    far_.reset();
    write_until_it_fails();
    if (!pause_first) connection_->pause_reading();
    EXPECT_EQ(heard_.order, "") << "told from inside of a call";
    EXPECT_TRUE(run_until([&] { return heard_.count('n') == 1; }));
    EXPECT_TRUE(comes_to_rest(reactor_));
    EXPECT_EQ(heard_.order, "n") << "once, and nothing is read while reading is paused";
    connection_->resume_reading();
    EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
    EXPECT_EQ(heard_.reason(), std::errc::broken_pipe);
    EXPECT_EQ(heard_.count('n'), 1);
  }
}

TEST_P(ConnectionOnEveryPoller, N3_AFailureWithAQueueIsToldWhileReadingIsPaused) {
  connect(heard_.handlers(true));
  connection_->pause_reading();
  write_more_than_fits();
  far_.reset();
  EXPECT_TRUE(run_until([&] { return heard_.count('n') == 1; }));
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(heard_.order, "n");
  EXPECT_EQ(connection_->queued(), 0U);
  connection_->resume_reading();  // as on_drained may
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
}

TEST_P(ConnectionOnEveryPoller, N3_AFailureInACallbackIsToldWhenThatCallbackPausedReading) {
  ConnectionHandlers handlers = heard_.handlers();
  handlers.on_data = [&](Connection& connection, std::string_view) {
    heard_.order += 'd';
    connection.pause_reading();
    write_until_it_fails();
  };
  connect(std::move(handlers));
  put(far_.fd(), "last words");
  far_.reset();
  EXPECT_TRUE(run_until([&] { return heard_.count('n') == 1; }));
  EXPECT_EQ(heard_.order, "dn");
}

// ---- streams that take little, and late

TEST_P(ConnectionOnEveryPoller, N2_AnyPatternOfShortAndBlockedWritesKeepsTheBytes) {
  const std::deque<ScriptedStream::Step> script = {{.at_most = 0}, {.at_most = 1}, {.at_most = 1},
                                                   {.at_most = 0}, {.at_most = 0}, {.at_most = 5},
                                                   {.at_most = 0}};
  connect_through<ScriptedStream>(heard_.handlers(true), script);
  connection_->write("one,");
  EXPECT_EQ(connection_->queued(), 4U);
  connection_->write("two,");
  connection_->write("three");
  EXPECT_EQ(connection_->queued(), 13U);
  connection_->finish();
  expect_to_arrive("one,two,three");
}

// Two connections over streams with moods send each other random pieces; each byte counts.
void exchange_with_moods(Reactor& reactor, TimerService& timers, SocketPair pair,
                         std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (const int fd : {pair.near.fd(), pair.far.fd()}) {
    const int small = 4096;  // so that the system is full at times, too
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  }
  struct End {
    Heard heard;
    std::unique_ptr<Connection> connection;
    std::string to_send;
    std::size_t sent = 0;
  };
  std::array<End, 2> ends;
  const auto send_some = [&](End& end) {
    if (end.sent == end.to_send.size()) return;
    const std::size_t size = std::min(end.to_send.size() - end.sent, random() % 5000);
    end.connection->write(std::string_view(end.to_send).substr(end.sent, size));
    end.sent += size;
    if (end.sent == end.to_send.size()) end.connection->finish();
  };
  std::array<UniqueFd, 2> fds = {std::move(pair.near), std::move(pair.far)};
  for (std::size_t i = 0; i < 2; ++i) {
    End& end = ends[i];
    end.to_send = numbered_bytes(20'000 + random() % 50'000);
    ConnectionHandlers handlers = end.heard.handlers();
    // Not over before all is said.
    handlers.on_end = [&end](Connection&) { end.heard.order += 'e'; };
    handlers.on_data = [&, pause = random()](Connection&, std::string_view bytes) mutable {
      end.heard.data.append(bytes);
      pause = pause * 6364136223846793005U + 1442695040888963407U;
      if (pause >> 62 == 0) end.connection->pause_reading();
      if (pause >> 62 == 1) send_some(end);
    };
    end.connection = std::make_unique<Connection>(
        timers, std::make_unique<MoodyStream>(reactor, adopt(reactor, std::move(fds[i])), random()),
        std::move(handlers));
  }
  const auto over = [&] { return ends[0].heard.is_over() && ends[1].heard.is_over(); };
  EXPECT_TRUE(run_until(reactor, [&] {
    const bool idle = reactor.dispatch() == 0;
    for (End& end : ends) {
      if (idle || random() % 3 == 0) send_some(end);
      if (idle || random() % 3 == 0) end.connection->resume_reading();
    }
    return over();
  }));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(ends[i].heard.data.size(), ends[1 - i].to_send.size());
    EXPECT_TRUE(ends[i].heard.data == ends[1 - i].to_send);
    EXPECT_EQ(ends[i].heard.closed, std::vector(1, std::error_code()));
  }
}

TEST_P(ConnectionOnEveryPoller, N2_AStreamWithMoodsLosesAndReordersNothing) {
  const char* const given = std::getenv("DETENT_SEED");
  const std::uint64_t first = given != nullptr ? std::stoull(given) : std::random_device()();
  const std::uint64_t runs = given != nullptr ? 1 : 15;
  for (std::uint64_t seed = first; seed < first + runs && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "DETENT_SEED=" << seed);
    Reactor reactor(on_poller(std::get<0>(GetParam())));
    TimerService timers(reactor);
    exchange_with_moods(reactor, timers, make_pair(), seed);
  }
}

// ---- bulk

TEST_P(ConnectionOnEveryPoller, N2_TenConnectionsMoveSixtyFourMegabytesUnchanged) {
  constexpr std::size_t kEach = 3'300'000;  // there and back, by ten
  const std::string bytes = numbered_bytes(kEach);
  struct Stream {
    std::string received;
    std::unique_ptr<Connection> server, client;
    bool over = false;
  };
  std::vector<Stream> streams(10);
  std::mt19937_64 random(5);
  for (Stream& stream : streams) {
    SocketPair pair = make_pair();
    stream.server = std::make_unique<Connection>(
        timers_, adopt(reactor_, std::move(pair.near)),
        ConnectionHandlers{.on_data =
                               [&](Connection&, std::string_view piece) {
                                 stream.server->write(piece);
                                 if (stream.server->queued() > 100'000)
                                   stream.server->pause_reading();
                               },
                           .on_drained = [&](Connection&) { stream.server->resume_reading(); }});
    stream.client = std::make_unique<Connection>(
        timers_, adopt(reactor_, std::move(pair.far)),
        ConnectionHandlers{
            .on_data = [&](Connection&, std::string_view echo) { stream.received += echo; },
            .on_closed = [&](Connection&, std::error_code error) { stream.over = !error; }});
    for (std::size_t at = 0; at < bytes.size();) {
      const auto piece = std::string_view(bytes).substr(at, random() % 200'000);
      stream.client->write(piece);
      at += piece.size();
    }
    stream.client->finish();
  }
  EXPECT_TRUE(run_until([&] {
    return std::all_of(streams.begin(), streams.end(), [](const auto& s) { return s.over; });
  }));
  for (const Stream& stream : streams) EXPECT_TRUE(stream.received == bytes);
}

// ---- the end

TEST_P(ConnectionOnEveryPoller, N3_CloseTellsItsReasonOnceAndNotFromInside) {
  connect(heard_.handlers());
  const auto reason = std::make_error_code(std::errc::timed_out);
  connection_->close(reason);
  EXPECT_FALSE(is_open(near_fd_));
  EXPECT_FALSE(connection_->is_open());
  EXPECT_EQ(heard_.order, "") << "told from inside of close()";
  connection_->close(std::make_error_code(std::errc::io_error));
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(heard_.order, "c");
  EXPECT_EQ(heard_.reason(), reason);
}

TEST_P(ConnectionOnEveryPoller, N3_CloseDropsWhatIsQueuedAndThePeerSeesTheEnd) {
  connect(heard_.handlers());
  write_more_than_fits();
  connection_->close();
  EXPECT_EQ(connection_->queued(), 0U);
  while (!far_sees_the_end()) {
    wait_for(far_.fd(), POLLIN);
    take_far();
  }
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_EQ(heard_.order, "c");
}

TEST_P(ConnectionOnEveryPoller, N3_ADestroyedConnectionTellsNothingAndItsPeerSeesTheEnd) {
  for (const bool close_first : {false, true}) {
    connect(heard_.handlers());
    if (close_first) connection_->close();
    connection_.reset();
    wait_for(far_.fd(), POLLIN);
    EXPECT_TRUE(far_sees_the_end());
    EXPECT_TRUE(comes_to_rest(reactor_));
    EXPECT_EQ(heard_.order, "");
  }
}

TEST_P(ConnectionOnEveryPoller, L4_ADescriptorLeavesThePollerBeforeItIsClosed) {
  for (const bool destroy : {false, true}) {
    connect(heard_.handlers());
    const UniqueFd duplicate(::fcntl(near_fd_, F_DUPFD_CLOEXEC, 0));  // as a forked child has
    if (destroy) {
      connection_.reset();
    } else {
      connection_->close();
    }
    put(far_.fd(), "for nobody");
    wait_for(duplicate.fd(), POLLIN);
    for (int i = 0; i < 5; ++i) turn();
    EXPECT_EQ(reactor_.counters().stale_events, 0U);
  }
}

// Provokes each callback in turn, runs `action` in it, and says which it was.
class ConnectionInEachCallback : public ConnectionOnEveryPoller {
 protected:
  void for_each_callback(const std::function<void()>& action,
                         const std::function<void(char)>& expect) {
    for (const char callback : {'d', 'e', 'n'}) {
      SCOPED_TRACE(callback);
      heard_ = {};
      in_call_ = 0;
      ConnectionHandlers handlers = heard_.handlers();
      const auto act = [this, action](char which) {
        heard_.order += which;
        ++in_call_;
        action();
        --in_call_;
      };
      if (callback == 'd') handlers.on_data = [act](Connection&, std::string_view) { act('d'); };
      if (callback == 'e') handlers.on_end = [act](Connection&) { act('e'); };
      if (callback == 'n') handlers.on_drained = [act](Connection&) { act('n'); };
      handlers.on_closed = [this](Connection&, std::error_code error) {
        EXPECT_EQ(in_call_, 0) << "on_closed from inside of a member function";
        heard_.closed.push_back(error);
        heard_.order += 'c';
      };
      connect(std::move(handlers));
      if (callback == 'd') put(far_.fd(), "x");
      if (callback == 'e') ::shutdown(far_.fd(), SHUT_WR);
      if (callback == 'n') write_more_than_fits();
      expect(callback);
    }
  }
  [[nodiscard]] bool run_until_called() {
    return run_until([&] {
      if (far_) take_far();
      return !heard_.order.empty();
    });
  }
  int in_call_ = 0;
};
DETENT_ON_BOTH_KINDS(ConnectionInEachCallback);

TEST_P(ConnectionInEachCallback, N3_CloseIsFollowedByOnClosedAloneAndAfterTheCallback) {
  const auto reason = std::make_error_code(std::errc::timed_out);
  for_each_callback([&] { connection_->close(reason); },
                    [&](char callback) {
                      EXPECT_TRUE(run_until_called());
                      EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
                      EXPECT_TRUE(comes_to_rest(reactor_));
                      EXPECT_EQ(heard_.order, std::string(1, callback) + 'c');
                      EXPECT_EQ(heard_.reason(), reason);
                      EXPECT_FALSE(is_open(near_fd_));
                    });
}

TEST_P(ConnectionInEachCallback, N3_FinishMayBeCalled) {
  for_each_callback([&] { connection_->finish(); },
                    [&](char callback) {
                      EXPECT_TRUE(run_until_called());
                      take_far_until_its_end();
                      expect_a_good_end();
                      EXPECT_EQ(heard_.order, std::string(1, callback) + 'c');
                    });
}

TEST_P(ConnectionInEachCallback, O6_AnExceptionLeavesRunAndTheConnectionGoesOn) {
  int thrown = 0;
  for_each_callback(
      [&] {
        if (heard_.order.size() == 1) {
          ++thrown;
          throw std::runtime_error("from a callback");
        }
      },
      [&](char) {
        EXPECT_THROW(static_cast<void>(run_until_called()), std::runtime_error);
        in_call_ = 0;
        EXPECT_TRUE(connection_->is_open());
        connection_->write("still here");
        connection_->finish();
        take_far_until_its_end();
        EXPECT_TRUE(arrived_.ends_with("still here"));
        expect_a_good_end();
      });
  EXPECT_EQ(thrown, 3);
}

TEST_P(ConnectionInEachCallback, O6_AnExceptionAfterCloseStillLeadsToOnClosed) {
  for_each_callback(
      [&] {
        connection_->close();
        throw std::runtime_error("from a callback");
      },
      [&](char callback) {
        EXPECT_THROW(static_cast<void>(run_until_called()), std::runtime_error);
        in_call_ = 0;
        EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
        EXPECT_TRUE(comes_to_rest(reactor_));
        EXPECT_EQ(heard_.order, std::string(1, callback) + 'c');
      });
}

TEST_P(ConnectionOnEveryPoller, O6_AnExceptionFromOnClosedLeavesRunOnce) {
  for (const bool by_peer : {true, false}) {
    int calls = 0;
    connect({.on_closed = [&](Connection&, std::error_code) {
      ++calls;
      throw std::runtime_error("from on_closed");
    }});
    if (by_peer) {
      far_.reset();
    } else {
      connection_->close();
    }
    EXPECT_THROW(static_cast<void>(run_until([] { return false; })), std::runtime_error);
    EXPECT_TRUE(comes_to_rest(reactor_));
    EXPECT_EQ(calls, 1);
  }
}

TEST_P(ConnectionOnEveryPoller, O6_AnExceptionLeavesTheOtherConnectionsOfTheTurn) {
  struct Other {
    Heard heard;
    UniqueFd far;
    std::unique_ptr<Connection> connection;
  };
  std::vector<Other> others(20);
  for (Other& other : others) {
    SocketPair pair = make_pair();
    other.far = std::move(pair.far);
    ConnectionHandlers handlers = other.heard.handlers();
    handlers.on_data = [&other](Connection&, std::string_view bytes) {
      other.heard.data.append(bytes);
      throw std::runtime_error("from on_data");
    };
    put(other.far.fd(), "x");
    wait_for(pair.near.fd(), POLLIN);
    other.connection = std::make_unique<Connection>(timers_, adopt(reactor_, std::move(pair.near)),
                                                    std::move(handlers));
  }
  for (std::size_t i = 0; i < others.size(); ++i) EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_TRUE(comes_to_rest(reactor_));
  for (const Other& other : others) EXPECT_EQ(other.heard.data, "x");
}

TEST_P(ConnectionOnEveryPoller, O6_WhatACallbackThrewIsTheConnectionsNotTheStreams) {
  std::vector<std::string> names;
  ReactorOptions options = on_poller(std::get<0>(GetParam()));
  options.on_exception = [&](std::exception_ptr, const Name& name) {
    names.emplace_back(name.text);
  };
  Reactor reactor(std::move(options));
  TimerService timers(reactor);
  SocketPair pair = make_pair();
  Connection connection(
      timers, adopt(reactor, std::move(pair.near), {}, "the stream"),
      {.on_data = [](Connection&, std::string_view) { throw std::runtime_error("from on_data"); }},
      "the connection");
  put(pair.far.fd());
  EXPECT_TRUE(testing_support::run_until(reactor, [&] { return !names.empty(); }));
  EXPECT_EQ(names, std::vector<std::string>{"the connection"});
}

// ---- what costs no turns

TEST_P(ConnectionOnEveryPoller, T28_AnIdleConnectionCostsNoTurns) {
  connect(heard_.handlers());
  EXPECT_TRUE(costs_no_turns(reactor_));
}

TEST_P(ConnectionOnEveryPoller, N3_AStreamThatOneSideHasEndedCostsNoTurns) {
  for (const bool we : {false, true}) {
    heard_ = {};
    connect(heard_.handlers(true));
    if (we) connection_->finish();
    if (!we) finish_far();
    EXPECT_TRUE(costs_no_turns(reactor_));
    EXPECT_TRUE(connection_->is_open());
  }
}

TEST_P(ConnectionOnEveryPoller, D1_APeerThatClosesWhileReadingIsPausedCostsNoTurns) {
  connect(heard_.handlers(true));
  connection_->pause_reading();
  reset_by_peer();
  EXPECT_TRUE(costs_no_turns(reactor_));
  connection_->resume_reading();
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_EQ(heard_.reason(), std::errc::connection_reset);
}

TEST_P(ConnectionOnEveryPoller, N3_APeerThatClosesWhileWeOnlyWriteEndsIt) {
  connect(heard_.handlers(true));
  finish_far();
  write_more_than_fits();
  far_.reset();
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_TRUE(heard_.reason());
  EXPECT_TRUE(comes_to_rest(reactor_));
}

TEST_P(ConnectionOnEveryPoller, N3_APeerThatGoesAfterItsEndCostsNoTurnsAndIsFoundByTheNextWrite) {
  connect(heard_.handlers(true));
  finish_far();
  reset_by_peer();
  EXPECT_TRUE(comes_to_rest(reactor_, 3));
  EXPECT_TRUE(costs_no_turns(reactor_));
  if (!heard_.is_over()) connection_->write("anybody there?");
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_TRUE(heard_.reason());
}

TEST_P(ConnectionOnEveryPoller, T27_ManyShortConnectionsLeaveNoDescriptors) {
  const DescriptorsBefore before;
  for (int i = 0; i < 300; ++i) {
    Heard heard;
    connect(heard.handlers());
    if (i % 3 == 0) connection_->close();
    if (i % 3 == 1) reset_by_peer();
    if (i % 3 == 2) far_.reset();
    EXPECT_TRUE(run_until([&] { return heard.is_over(); }));
    EXPECT_FALSE(is_open(near_fd_));
    connection_.reset();
  }
  far_.reset();
  EXPECT_TRUE(before.opened_since().empty());
}

// ---- connecting

class ConnectingOnEveryPoller : public NetOnEveryPoller {
 protected:
  void connect(const Endpoint& endpoint) {
    connection_ = std::make_unique<Connection>(
        timers_, make_stream(reactor_, Socket::connect(endpoint)), heard_.handlers(true));
  }
  // Accepts what a listener has and reads it to its end. The loop turns meanwhile: the end may be
  // what it has still to send.
  std::string accept_and_read(Socket& listener) {
    Socket accepted;
    EXPECT_TRUE(run_until([&] {
      accepted = listener.accept().socket;
      return static_cast<bool>(accepted);
    }));
    if (!accepted) return "nobody came";
    const int fd = accepted.fd();
    std::string all;
    EXPECT_TRUE(run_until([&] {
      all += take(fd);
      char next = 0;
      return ::recv(fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    }));
    return all;
  }

  Heard heard_;
  std::unique_ptr<Connection> connection_;
};
DETENT_ON_EVERY_POLLER(ConnectingOnEveryPoller);

Endpoint endpoint_of_nobody() {
  const UniqueFd socket = make_tcp_socket();
  const sockaddr_in address = bind_to_loopback(socket.fd());
  return Endpoint::from_native(std::as_bytes(std::span(&address, 1)));
}

TEST_P(ConnectingOnEveryPoller, N9_AConnectThatFailsTellsWhyWhateverWasAskedMeanwhile) {
  using std::errc;
  // connect(2) refuses broadcast addresses at once.
  const std::vector<std::pair<Endpoint, std::vector<errc>>> refused = {
      {endpoint_of_nobody(), {errc::connection_refused}},
      {Endpoint::parse("255.255.255.255:9"), {errc::network_unreachable, errc::permission_denied}},
      {Endpoint::parse("unix:/nonexistent/socket"), {errc::no_such_file_or_directory}}};
  for (const auto& [endpoint, reasons] : refused) {
    for (const int asked : {0, 1, 2, 3}) {
      SCOPED_TRACE(testing::Message() << endpoint.to_string() << ' ' << asked);
      heard_ = {};
      connect(endpoint);
      EXPECT_EQ(heard_.order, "");
      if ((asked & 1) != 0) connection_->write("lost");
      if ((asked & 2) != 0) connection_->finish();
      EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
      EXPECT_TRUE(comes_to_rest(reactor_));
      EXPECT_EQ(heard_.order, "c");
      EXPECT_TRUE(std::ranges::any_of(reasons, [&](errc e) { return heard_.reason() == e; }))
          << heard_.reason().message();
    }
  }
}

TEST_P(ConnectingOnEveryPoller, N2_AWriteDuringTheConnectIsSentAfterIt) {
  Socket listener = Socket::listen(Endpoint::parse("127.0.0.1:0"));
  connect(listener.local_endpoint());
  connection_->write("early ");
  connection_->write("words");
  connection_->finish();
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(accept_and_read(listener), "early words");
}

TEST_P(ConnectingOnEveryPoller, L2_DestroyingItDuringTheConnectLeavesNothing) {
  const Socket listener = Socket::listen(Endpoint::parse("127.0.0.1:0"));
  const DescriptorsBefore before;
  connect(listener.local_endpoint());
  connection_->write("never sent");
  connection_.reset();
  EXPECT_TRUE(before.opened_since().empty());
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(heard_.order, "");
}

// The backlog is full, so that the kernel answers the next connect only after the first of those
// before it was accepted, and it tries again by itself after a second.
class SlowToConnectOnEveryPoller : public ConnectingOnEveryPoller {
 protected:
  SlowToConnectOnEveryPoller() {
    for (int i = 0; i < 2; ++i) {
      fillers_.push_back(Socket::connect(listener_.local_endpoint()));
      // A connect that is through here may still be on its way there.
      while (backlog() < fillers_.size()) std::this_thread::yield();
    }
    connect(listener_.local_endpoint());
  }
  // tcp(7) has no name of its own for it: of a listener, tcpi_unacked is how many wait.
  [[nodiscard]] std::size_t backlog() const {
    tcp_info info = {};
    socklen_t size = sizeof info;
    EXPECT_EQ(::getsockopt(listener_.fd(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info.tcpi_unacked;
  }
  [[nodiscard]] bool is_connecting() const {
    return (poll_one(connection_->stream()->socket()->fd(), POLLOUT) & POLLOUT) == 0;
  }
  void make_room() {
    for (std::size_t i = 0; i < fillers_.size(); ++i) {
      wait_for(listener_.fd(), POLLIN);
      accepted_.push_back(listener_.accept().socket);
    }
  }
  Socket listener_ = Socket::listen(Endpoint::parse("127.0.0.1:0"), {.backlog = 1});
  std::vector<Socket> fillers_, accepted_;
};
DETENT_ON_EVERY_POLLER(SlowToConnectOnEveryPoller);

TEST_P(SlowToConnectOnEveryPoller, N2_WritesWaitForTheConnectAndTheEndFollowsThem) {
  ASSERT_TRUE(is_connecting());
  connection_->write("patience");
  EXPECT_EQ(connection_->queued(), 8U);
  connection_->finish();
  EXPECT_TRUE(costs_no_turns(reactor_));
  make_room();
  EXPECT_TRUE(run_until([&] { return connection_->queued() == 0; }));
  EXPECT_EQ(accept_and_read(listener_), "patience");
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_EQ(heard_.reason(), std::error_code());
}

TEST_P(SlowToConnectOnEveryPoller, N3_FinishDuringTheConnectDoesNotBreakItOff) {
  ASSERT_TRUE(is_connecting());
  connection_->finish();
  for (int i = 0; i < 5; ++i) turn();
  EXPECT_EQ(heard_.order, "");
  ASSERT_FALSE(heard_.is_over()) << heard_.reason().message();
  make_room();
  EXPECT_EQ(accept_and_read(listener_), "");
  EXPECT_TRUE(run_until([&] { return heard_.is_over(); }));
  EXPECT_EQ(heard_.reason(), std::error_code());
}

// ---- contracts

TEST_P(ConnectionOnEveryPoller, ANullStreamAndABudgetOf0AreInvalidArgumentsAndNothingStaysOpen) {
  const DescriptorsBefore before;
  EXPECT_THROW(Connection(timers_, nullptr, heard_.handlers()), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(adopt(reactor_, make_pair().near, {.bytes_per_turn = 0})),
               std::invalid_argument);
  EXPECT_THROW(static_cast<void>(adopt(reactor_, make_pair().near, {.descriptors_per_read = 254})),
               std::invalid_argument);
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_P(ConnectionOnEveryPoller, AnErrorOfRegisteringNamesTheCallTheDescriptorAndTheName) {
  SocketPair pair = make_pair();
  const int fd = pair.near.fd();
  const Watch watch = reactor_.watch(fd, {.readable = true}, [](Ready) {});
  const std::string text = message_of<std::system_error>(
      [&] { static_cast<void>(adopt(reactor_, std::move(pair.near), {}, "the second one")); });
  EXPECT_NE(text.find("make_stream"), std::string::npos) << text;
  EXPECT_NE(text.find("descriptor " + std::to_string(fd)), std::string::npos) << text;
  EXPECT_NE(text.find("the second one"), std::string::npos) << text;
}

TEST_P(ConnectionOnEveryPoller, ConnectionsOfAKindShareTheirHandlers) {
  std::vector<Connection*> heard;
  const CallbackOwner<ConnectionKind> kind(ConnectionKind{
      .handlers = {.on_data = [&heard](Connection& c, std::string_view) { heard.push_back(&c); }},
      .name = "of a kind"});
  SocketPair first_pair = make_pair();
  SocketPair second_pair = make_pair();
  Connection first(timers_, adopt(reactor_, std::move(first_pair.near)), kind);
  Connection second(timers_, adopt(reactor_, std::move(second_pair.near)), kind);
  put(second_pair.far.fd());
  EXPECT_TRUE(run_until([&] { return heard.size() == 1; }));
  put(first_pair.far.fd());
  EXPECT_TRUE(run_until([&] { return heard.size() == 2; }));
  EXPECT_EQ(heard, (std::vector<Connection*>{&second, &first}));
}

TEST_P(ConnectionOnEveryPoller, N2_BytesThatAreBeingLookedAtStayWhenAnotherLoopReads) {
  SocketPair inner = make_pair();
  put(inner.far.fd(), "inner");
  wait_for(inner.near.fd(), POLLIN);
  Reactor inner_reactor(on_poller(std::get<0>(GetParam())));
  TimerService inner_timers(inner_reactor);
  const Connection within(inner_timers, adopt(inner_reactor, std::move(inner.near)),
                          heard_.handlers());
  std::string heard;
  connect({.on_data = [&](Connection&, std::string_view bytes) {
    EXPECT_EQ(inner_reactor.run_once(), 1U);
    heard = bytes;
  }});
  put(far_.fd(), "outer");
  EXPECT_EQ(reactor_.run_once(), 1U);
  EXPECT_EQ(heard_.data, "inner");
  EXPECT_EQ(heard, "outer");
}

// ---- other threads, and fork

TEST_P(ConnectionOnEveryPoller, O7_AnotherThreadMayNotUseIt) {
  connect({});
  std::thread([&] {
    EXPECT_THROW(connection_->write("x"), std::logic_error);
    EXPECT_THROW(connection_->finish(), std::logic_error);
    EXPECT_THROW(connection_->close(), std::logic_error);
    EXPECT_THROW(connection_->pause_reading(), std::logic_error);
    EXPECT_THROW(connection_->resume_reading(), std::logic_error);
  }).join();
  EXPECT_TRUE(connection_->is_open());
}

TEST_P(ConnectionOnEveryPoller, O8_AChildThatDestroysItLeavesTheParentsAloneAndCannotSpeakForIt) {
  connect(heard_.handlers());
  connection_->write("before ");
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    EXPECT_THROW(connection_->write("from the child"), std::logic_error);
    EXPECT_THROW(connection_->finish(), std::logic_error);
    connection_.reset();
  }));
  EXPECT_FALSE(far_sees_the_end());
  connection_->write("after");
  put(far_.fd(), "hello");
  EXPECT_TRUE(run_until([&] { return heard_.data == "hello"; }));
  wait_for(far_.fd(), POLLIN);
  EXPECT_EQ(take(far_.fd()), "before after");
  const std::string sent = write_more_than_fits();
  EXPECT_TRUE(holds_in_a_forked_child([&] { connection_.reset(); }));
  expect_to_arrive(sent);
}

}  // namespace
}  // namespace detent
