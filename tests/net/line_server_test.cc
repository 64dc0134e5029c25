// SPDX-License-Identifier: BSL-1.0
#include "detent/line_server.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <span>

#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/net_fixtures.h"
#include "support/processes.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

class LineServerOnEveryPoller : public NetOnEveryPoller {
 protected:
  // Records what it is told, and then calls what the test has set.
  void serve(LineServerOptions options = {.max_line_length = 16}) {
    options.on_accepted = [this](Connection& client, const Endpoint&) {
      order_ += 'a';
      clients_.push_back(&client);
      if (on_accepted) on_accepted(client);
    };
    options.on_partial_line = [this](Connection& client, std::string_view so_far) {
      order_ += 'p';
      partial_.emplace_back(so_far);
      if (on_partial_line) on_partial_line(client);
    };
    options.on_closed = [this](Connection& client, std::error_code error) {
      order_ += 'c';
      closed_.push_back(error);
      EXPECT_FALSE(client.is_open());
      if (on_closed) on_closed(client);
    };
    if (on_end) {
      options.on_end = [this](Connection& client) {
        order_ += 'e';
        on_end(client);
      };
    }
    options.on_drained = [this](Connection& client) {
      order_ += 'n';
      if (on_drained) on_drained(client);
    };
    server_ =
        std::make_unique<LineServer>(timers_, Endpoint::parse("127.0.0.1:0"), std::move(options),
                                     [this](Connection& client, std::string_view line) {
                                       order_ += 'l';
                                       lines_.emplace_back(line);
                                       if (on_line) on_line(client);
                                     });
  }
  // A client that the server has accepted.
  UniqueFd connect() {
    Socket socket = Socket::connect(server_->endpoint());
    const std::size_t before = clients_.size();
    EXPECT_TRUE(run_until([&] { return clients_.size() > before; }));
    return socket.release();
  }
  // Sends and lets the server see it.
  void send(const UniqueFd& client, std::string_view bytes) {
    put(client.fd(), bytes);
    run_callback();
  }
  // Waits until all clients have gone.
  void expect_all_gone() {
    EXPECT_TRUE(run_until([&] { return server_->connections() == 0; }));
  }
  // Sends the last of a client, whose end follows.
  static void finish_with(const UniqueFd& client, std::string_view bytes) {
    put(client.fd(), bytes);
    ::shutdown(client.fd(), SHUT_WR);
  }
  void run_callback() { EXPECT_GT(reactor_.run_once(std::chrono::seconds(15)), 0U); }
  std::string receive_all(const UniqueFd& client) {
    std::string all;
    EXPECT_TRUE(run_until([&] {
      all += take(client.fd());
      char byte = 0;
      const bool end = ::recv(client.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
      if (!end) reactor_.post([] {});  // another turn
      return end;
    }));
    return all;
  }

  using Lines = std::vector<std::string>;
  Callback<void(Connection&)> on_accepted, on_line, on_partial_line, on_closed;
  Callback<void(Connection&)> on_end;  // the server finishes its clients itself if this is empty
  Callback<void(Connection&)> on_drained;
  std::string order_;  // a(ccepted), l(ine), p(artial), e(nd), (drai)n(ed), c(losed)
  Lines lines_, partial_;
  std::vector<std::error_code> closed_;
  std::vector<Connection*> clients_;
  std::unique_ptr<LineServer> server_;
};
DETENT_ON_EVERY_POLLER(LineServerOnEveryPoller);

// ---- lines

TEST_P(LineServerOnEveryPoller, N5_ASplitLineComesWholeAndItsBeginningsBefore) {
  serve();
  const UniqueFd client = connect();
  send(client, "st");
  send(client, "op");
  send(client, " now\nan");
  send(client, "d\n");
  EXPECT_EQ(lines_, (Lines{"stop now", "and"}));
  EXPECT_EQ(partial_, (Lines{"st", "stop", "an"}));
  EXPECT_EQ(order_, "applpl");
}

TEST_P(LineServerOnEveryPoller, N5_EverySplitOfAStreamGivesTheSameLines) {
  serve();
  const std::string stream = "a\r\nbb\n\nccc\r\nd";
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    for (std::size_t second = first; second <= stream.size(); second += 3) {
      lines_.clear();
      const UniqueFd client = connect();
      const auto pieces = {stream.substr(0, first), stream.substr(first, second - first),
                           stream.substr(second)};
      for (const std::string& piece : pieces) {
        if (!piece.empty()) send(client, piece);
      }
      ::shutdown(client.fd(), SHUT_WR);
      expect_all_gone();
      EXPECT_EQ(lines_, (Lines{"a", "bb", "", "ccc", "d"})) << first << ' ' << second;
    }
  }
}

TEST_P(LineServerOnEveryPoller, N5_ALineThatIsTooLongCostsItsClientTheConnectionAndNobodyElse) {
  serve();
  const UniqueFd good = connect();
  const UniqueFd bad = connect();
  send(good, "a line");
  send(bad, "fine\n0123456789ABCDEF\n0123456789ABCDEFG");
  EXPECT_TRUE(run_until([&] { return server_->connections() == 1; }));
  EXPECT_EQ(lines_, (Lines{"fine", "0123456789ABCDEF"}));
  EXPECT_EQ(closed_, std::vector{std::make_error_code(std::errc::message_size)});
  send(good, " more\n");
  EXPECT_EQ(lines_.back(), "a line more");
  EXPECT_EQ(closed_.size(), 1U);
}

TEST_P(LineServerOnEveryPoller, N5_TheLastLineOfAStreamMayBeTooLongAsWell) {
  serve({.max_line_length = 4});
  const UniqueFd client = connect();
  // Five bytes that are no line's end, which only the end of the stream shows.
  finish_with(client, "abcd\r");
  expect_all_gone();
  EXPECT_TRUE(lines_.empty());
  EXPECT_EQ(closed_, std::vector{std::make_error_code(std::errc::message_size)});
}

TEST_P(LineServerOnEveryPoller, N5_BytesThatAreNoTextAreLinesToo) {
  serve({.max_line_length = 1000});
  const UniqueFd client = connect();
  std::string bytes;
  for (int i = 255; i >= 0; --i) {
    if (i != '\n') bytes += static_cast<char>(i);
  }
  send(client, bytes + "\n");
  EXPECT_EQ(lines_, Lines{bytes});
}

TEST_P(LineServerOnEveryPoller, AnErrorOfSettingUpNamesTheServer) {
  serve();
  const std::string message = message_of<std::system_error>([&] {
    const LineServer second(
        timers_, server_->endpoint(), [](Connection&, std::string_view) {}, "control");
  });
  EXPECT_TRUE(message.starts_with("LineServer \"control\" of ")) << message;
  EXPECT_NE(message.find("bind " + server_->endpoint().to_string()), std::string::npos) << message;
}

TEST_P(LineServerOnEveryPoller, N5_O2_WithoutOnLineAndWithLimitsOf0ItIsRefusedAndNothingStaysOpen) {
  const DescriptorsBefore before;
  EXPECT_THROW(serve({.max_line_length = 0}), std::invalid_argument);
  EXPECT_THROW(serve({.lines_per_turn = 0}), std::invalid_argument);
  EXPECT_THROW(LineServer(timers_, unused_name(), nullptr), std::invalid_argument);
  EXPECT_TRUE(before.opened_since().empty());
}

// ---- answers and ends

TEST_P(LineServerOnEveryPoller, N3_TheEndOfTheStreamEndsTheLastLineAndAnswersAreStillSent) {
  on_line = [](Connection& client) { client.write("answer\n"); };
  serve();
  const UniqueFd client = connect();
  finish_with(client, "one\ntwo");
  EXPECT_EQ(receive_all(client), "answer\nanswer\n");
  EXPECT_EQ(lines_, (Lines{"one", "two"}));
  expect_all_gone();
  EXPECT_EQ(closed_, std::vector{std::error_code()});
}

TEST_P(LineServerOnEveryPoller, N3_ALargeAnswerArrivesWholeAfterTheClientsEnd) {
  const std::string answer = numbered_bytes(8'000'000);
  on_line = [&](Connection& client) { client.write(answer); };
  serve();
  const UniqueFd client = connect();
  finish_with(client, "all\n");
  EXPECT_TRUE(receive_all(client) == answer);
}

// ---- finish() in on_line

TEST_P(LineServerOnEveryPoller, N3_N5_AfterFinishNoLineIsGivenHoweverLongAndTheClientSeesTheEnd) {
  on_line = [](Connection& client) {
    client.write("bye\n");
    client.finish();
  };
  for (const bool told : {false, true}) {
    order_.clear();
    closed_.clear();
    if (told) on_end = [](Connection&) {};
    serve();
    const UniqueFd client = connect();
    send(client, "quit\nstatus\nbegun");
    EXPECT_EQ(receive_all(client), "bye\n");
    EXPECT_EQ(server_->connections(), 1U) << "the client has not ended yet";
    put(client.fd(), " and not ended, and longer than any line may be\nand one more\n");
    finish_with(client, std::string(100'000, 'x'));
    expect_all_gone();
    EXPECT_EQ(order_, told ? "alec" : "alc");
    EXPECT_EQ(closed_, std::vector{std::error_code()});
  }
}

// ---- a client that has ended its side and waits for the answer

TEST_P(LineServerOnEveryPoller, N3_ALateAnswerReachesAClientThatHasEndedItsSide) {
  on_end = [](Connection&) {};
  serve();
  const UniqueFd client = connect();
  finish_with(client, "one\nthe last");
  EXPECT_TRUE(run_until([&] { return order_.back() == 'e'; }));
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(lines_, (Lines{"one", "the last"}));
  EXPECT_TRUE(clients_.front()->write("late answer\n"));
  clients_.front()->finish();
  EXPECT_EQ(receive_all(client), "late answer\n");
  expect_all_gone();
  EXPECT_EQ(order_.substr(order_.size() - 3), "lec");
}

TEST_P(LineServerOnEveryPoller, N3_APauseHoldsTheEndOfAClientBackUntilItsAnswerIsWritten) {
  on_line = [](Connection& client) { client.pause_reading(); };
  serve();
  const UniqueFd client = connect();
  finish_with(client, "the only one");
  EXPECT_TRUE(run_until([&] { return lines_.size() == 1; }));
  EXPECT_TRUE(comes_to_rest(reactor_));
  ASSERT_EQ(server_->connections(), 1U) << "it has finished by itself before the answer";
  EXPECT_TRUE(clients_.front()->write("late answer\n"));
  clients_.front()->resume_reading();
  EXPECT_EQ(receive_all(client), "late answer\n");
  expect_all_gone();
}

TEST_P(LineServerOnEveryPoller, N3_PushingToAClientThatHasEndedItsSideIsFalseAndEndsNothing) {
  const std::string update(100'000, 'u');
  serve();
  const UniqueFd client = connect();
  std::size_t pushes = 0;
  while (clients_.front()->queued() < 500'000) pushes += clients_.front()->write(update) ? 1U : 0U;
  ::shutdown(client.fd(), SHUT_WR);
  EXPECT_TRUE(run_until([&] { return !clients_.front()->write(update) || ++pushes == 0; }));
  EXPECT_TRUE(clients_.front()->is_open()) << "it reads what was pushed before";
  EXPECT_EQ(receive_all(client).size(), pushes * update.size());
  expect_all_gone();
  EXPECT_EQ(closed_, std::vector{std::error_code()});
}

// ---- how much of one client a turn serves

TEST_P(LineServerOnEveryPoller, O2_OneTurnGivesAtMost256LinesOfAClientAndTheNextGoesOn) {
  serve();
  const UniqueFd client = connect();
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += std::to_string(i) + '\n';
  put(client.fd(), flood);
  wait_for(clients_.front()->stream()->socket()->fd(), POLLIN);
  std::vector<std::size_t> given;
  for (int i = 0; i < 6; ++i) {
    turn();
    given.push_back(lines_.size());
  }
  EXPECT_EQ(given, (std::vector<std::size_t>{256, 512, 768, 1000, 1000, 1000}));
  for (std::size_t i = 0; i < lines_.size(); ++i) EXPECT_EQ(lines_[i], std::to_string(i));
}

TEST_P(LineServerOnEveryPoller, O2_AFloodIsReadNoFasterThanItsLinesAreGiven) {
  serve({.lines_per_turn = 10});
  const UniqueFd client = connect();
  const std::string flood(1 << 20, '\n');
  std::size_t sent = 0;
  std::uint64_t turns = 0;
  std::size_t most_in_a_turn = 0;
  while (turns < 300) {
    const auto size = ::send(client.fd(), flood.data(), flood.size(), MSG_DONTWAIT);
    if (size > 0) sent += static_cast<std::size_t>(size);
    const std::size_t before = lines_.size();
    turn();
    ++turns;
    most_in_a_turn = std::max(most_in_a_turn, lines_.size() - before);
  }
  EXPECT_EQ(most_in_a_turn, 10U);
  EXPECT_EQ(lines_.size(), 10 * turns);
  int unread = 0;
  ASSERT_EQ(::ioctl(clients_.front()->stream()->socket()->fd(), FIONREAD, &unread), 0);
  EXPECT_GT(unread, 0) << "all was read though it could not be given";
  EXPECT_GT(sent, lines_.size());
}

TEST_P(LineServerOnEveryPoller, O2_OthersAreServedBetweenTheLinesOfAFlood) {
  serve();
  const UniqueFd flooding = connect();
  const UniqueFd other = connect();
  put(flooding.fd(), std::string(100'000, '\n'));
  put(other.fd(), "me too\n");
  for (Connection* client : clients_) wait_for(client->stream()->socket()->fd(), POLLIN);
  turn();
  EXPECT_NE(std::find(lines_.begin(), lines_.end(), "me too"), lines_.end());
  EXPECT_LE(lines_.size(), 257U);
}

TEST_P(LineServerOnEveryPoller, O2_TheEndOfAFloodComesAfterItsLastLine) {
  serve({.lines_per_turn = 1});
  const UniqueFd client = connect();
  finish_with(client, "one\ntwo\nthree\nand the last");
  expect_all_gone();
  EXPECT_EQ(lines_, (Lines{"one", "two", "three", "and the last"}));
}

// ---- back-pressure

TEST_P(LineServerOnEveryPoller, N2_AClientThatDoesNotReadItsAnswersCostsNoMoreThanHighWater) {
  const std::string answer(1000, 'r');
  std::size_t most = 0;
  on_line = [&](Connection& client) {
    client.write(answer);
    most = std::max(most, client.queued());
  };
  serve({.high_water = 100'000});
  const UniqueFd client = connect();
  // As long as its answer, so that few lines fill what the system holds.
  const std::string line = std::string(999, 'q') + '\n';
  std::string flood;
  while (flood.size() < 1'000'000) flood += line;
  std::size_t sent = 0;
  for (std::size_t before = 0; sent == 0 || before != lines_.size();) {  // until it is held back
    before = lines_.size();
    for (ssize_t size = 1; size > 0;) {
      const std::string_view rest = std::string_view(flood).substr(sent % line.size());
      size = ::send(client.fd(), rest.data(), rest.size(), MSG_DONTWAIT);
      if (size > 0) sent += static_cast<std::size_t>(size);
    }
    EXPECT_TRUE(comes_to_rest(reactor_, 1'000'000));
  }
  EXPECT_GT(most, 100'000U);
  EXPECT_LE(most, 101'000U);
  EXPECT_TRUE(costs_no_turns(reactor_));
  const std::size_t asked = (sent + line.size() - 1) / line.size();  // the last may lack its end
  EXPECT_GT(asked, lines_.size());

  // When it reads, all that it asked is answered.
  std::size_t answered = 0;
  ::shutdown(client.fd(), SHUT_WR);
  EXPECT_TRUE(run_until([&] {
    answered += take(client.fd()).size();
    return answered == asked * answer.size();
  }));
  EXPECT_EQ(lines_.size(), asked);
}

TEST_P(LineServerOnEveryPoller, N2_ByDefaultReadingPausesAboveAMebibyte) {
  EXPECT_EQ(LineServerOptions().high_water, 1'048'576U);
  std::size_t most = 0;
  on_line = [&](Connection& client) {
    client.write(std::string(100'000, 'r'));
    most = std::max(most, client.queued());
  };
  serve();
  const UniqueFd client = connect();
  put(client.fd(), std::string(500, '\n'));
  EXPECT_TRUE(comes_to_rest(reactor_, 1000));
  EXPECT_GT(most, 1'048'576U);
  EXPECT_LE(most, 1'148'576U);
}

TEST_P(LineServerOnEveryPoller, N2_AClientThatIsHeldBackIsHeardOfWhenItGoesOrHasReadAll) {
  on_line = [](Connection& client) { client.write(std::string(100'000, 'r')); };
  for (const bool goes : {false, true}) {
    clients_.clear();
    serve({.high_water = 1});
    UniqueFd client = connect();
    put(client.fd(), std::string(5000, '\n'));
    EXPECT_TRUE(comes_to_rest(reactor_, 1000));
    ASSERT_GT(clients_.front()->queued(), 1U);
    if (goes) {
      client.reset();
    } else {
      clients_.front()->finish();
      ::shutdown(client.fd(), SHUT_WR);
      receive_all(client);
    }
    expect_all_gone();
  }
}

TEST_P(LineServerOnEveryPoller, N5_APauseHoldsTheLinesThatWereReadAlready) {
  on_line = [](Connection& client) { client.pause_reading(); };
  serve();
  const UniqueFd client = connect();
  put(client.fd(), "one\ntwo\nthree\nand a beginning");
  EXPECT_TRUE(run_until([&] { return !lines_.empty(); }));
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_TRUE(costs_no_turns(reactor_));
  EXPECT_EQ(order_, "al");
  for (const std::size_t expected : {2U, 3U}) {
    clients_.front()->resume_reading();
    EXPECT_EQ(lines_.size(), expected - 1) << "given from inside of a call";
    EXPECT_TRUE(run_until([&] { return lines_.size() == expected; }));
    EXPECT_TRUE(comes_to_rest(reactor_));
  }
  EXPECT_EQ(order_, "alll");
  clients_.front()->resume_reading();
  EXPECT_TRUE(run_until([&] { return order_ == "alllp"; }));
  EXPECT_EQ(lines_, (Lines{"one", "two", "three"}));
  EXPECT_EQ(partial_, (Lines{"and a beginning"}));
}

TEST_P(LineServerOnEveryPoller, N2_OnDrainedTellsWhoPausedByTheQueueWhenToGoOn) {
  on_line = [](Connection& client) {
    client.write(std::string(100'000, 'r'));
    if (client.queued() > 0) client.pause_reading();
  };
  on_drained = [](Connection& client) { client.resume_reading(); };
  serve();
  const UniqueFd client = connect();
  put(client.fd(), std::string(1000, '\n'));
  std::size_t answered = 0;
  EXPECT_TRUE(run_until([&] {
    answered += take(client.fd()).size();
    return answered == 1000U * 100'000U;
  }));
  EXPECT_EQ(lines_.size(), 1000U);
  EXPECT_NE(order_.find('n'), std::string::npos);
}

TEST_P(LineServerOnEveryPoller, N3_OnLineMayCloseAndTheLinesAfterItAreNotGiven) {
  on_line = [](Connection& client) {
    client.close(std::make_error_code(std::errc::permission_denied));
  };
  serve();
  const UniqueFd client = connect();
  send(client, "one\ntwo\nthree");
  EXPECT_EQ(order_, "alc");
  EXPECT_EQ(closed_, std::vector{std::make_error_code(std::errc::permission_denied)});
  EXPECT_EQ(server_->connections(), 0U);
}

TEST_P(LineServerOnEveryPoller, N3_OnAcceptedMayCloseAndWrite) {
  on_accepted = [](Connection& client) {
    client.write("full\n");
    client.close();
  };
  serve();
  const UniqueFd client = connect();
  EXPECT_EQ(receive_all(client), "full\n");
  expect_all_gone();
  EXPECT_EQ(order_, "ac");
}

TEST_P(LineServerOnEveryPoller, N3_AHalfClosedClientThatIsStillServedCostsNoTurns) {
  serve();
  const UniqueFd client = connect();
  clients_.front()->pause_reading();
  ::shutdown(client.fd(), SHUT_WR);
  wait_for(clients_.front()->stream()->socket()->fd(), POLLIN);
  EXPECT_TRUE(costs_no_turns(reactor_));
  EXPECT_EQ(server_->connections(), 1U);
}

// ---- lifetimes

TEST_P(LineServerOnEveryPoller, L2_OnLineMayCloseEveryConnection) {
  on_line = [&](Connection&) {
    for (Connection* client : clients_) client->close();
  };
  serve();
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(connect());
  for (const UniqueFd& client : clients) put(client.fd(), "all out\nand more\n");
  for (Connection* client : clients_) wait_for(client->stream()->socket()->fd(), POLLIN);
  turn();
  EXPECT_EQ(lines_.size(), 1U);
  expect_all_gone();
  EXPECT_EQ(closed_.size(), 10U);
  EXPECT_EQ(order_, "aaaaaaaaaalcccccccccc");
}

TEST_P(LineServerOnEveryPoller, L2_OnClosedMayCloseEveryOtherConnection) {
  on_closed = [&](Connection& closed) {
    std::erase(clients_, &closed);
    for (Connection* client : clients_) client->close();
  };
  serve();
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(connect());
  clients[5].reset();
  expect_all_gone();
  EXPECT_EQ(closed_.size(), 10U);
  EXPECT_TRUE(comes_to_rest(reactor_));
}

TEST_P(LineServerOnEveryPoller, L2_EachCallbackMayDestroyTheServer) {
  // e: a line that the end of the stream ends; t: closed by us, told by a timer
  for (const char callback : {'a', 'l', 'p', 'e', 'c', 't'}) {
    SCOPED_TRACE(callback);
    for (auto* set : {&on_accepted, &on_line, &on_partial_line, &on_closed}) *set = nullptr;
    order_.clear();
    clients_.clear();
    lines_.clear();
    const auto destroy = [&](Connection&) { server_.reset(); };
    serve();
    const UniqueFd other = connect();
    if (callback == 'a') on_accepted = destroy;
    const UniqueFd client = connect();
    if (callback == 'l' || callback == 'e') on_line = destroy;
    if (callback == 'p') on_partial_line = destroy;
    if (callback == 'c' || callback == 't') on_closed = destroy;
    if (callback == 't') {
      clients_.back()->close();
      run_callback();
    } else if (callback != 'a') {
      if (callback != 'e') put(other.fd(), "others\nalso");
      put(client.fd(), callback == 'l' ? "one\ntwo\nthree" : "no end of line");
      if (callback == 'c' || callback == 'e') ::shutdown(client.fd(), SHUT_WR);
      EXPECT_TRUE(run_until([&] { return !server_; }));
    }
    EXPECT_FALSE(server_);
    EXPECT_TRUE(comes_to_rest(reactor_));
    EXPECT_LE(lines_.size(), 2U);  // one of each client: nothing after the end
    if (callback == 'e') {
      EXPECT_EQ(lines_, Lines{"no end of line"});
    }
    wait_for(other.fd(), POLLIN);  // it sees its end
  }
}

TEST_P(LineServerOnEveryPoller, L5_AServerThatOutlivesTheLoopIsInertWhenDestroyed) {
  std::optional<Reactor> reactor(std::in_place, on_poller(GetParam()));
  std::optional<TimerService> timers(std::in_place, *reactor);
  std::optional<LineServer> server(std::in_place, *timers, Endpoint::parse("127.0.0.1:0"),
                                   [](Connection&, std::string_view) {});
  const Socket client = Socket::connect(server->endpoint());
  EXPECT_TRUE(testing_support::run_until(*reactor, [&] { return server->connections() == 1; }));
  timers.reset();
  reactor.reset();
  server.reset();
  wait_for(client.fd(), POLLIN);
}

// ---- exceptions

TEST_P(LineServerOnEveryPoller, O6_AfterALineThatThrewTheOthersAreGivenAndTheClientIsFinished) {
  on_line = [&](Connection&) {
    if (lines_.back() == "two") throw std::runtime_error("from on_line");
  };
  for (const std::string after : {"\nthree\nfour", ""}) {
    lines_.clear();
    serve();
    const UniqueFd client = connect();
    finish_with(client, "one\ntwo" + after);
    EXPECT_THROW(expect_all_gone(), std::runtime_error);
    expect_all_gone();
    EXPECT_EQ(lines_,
              after.empty() ? (Lines{"one", "two"}) : (Lines{"one", "two", "three", "four"}));
  }
}

TEST_P(LineServerOnEveryPoller, L1_AClientThatWasClosedGetsNoMoreLinesThoughItsCallbackThrew) {
  on_line = [](Connection& client) {
    client.close();
    throw std::runtime_error("after the close");
  };
  serve();
  const UniqueFd client = connect();
  put(client.fd(), "one\ntwo\nthree\n");
  EXPECT_THROW(run_callback(), std::runtime_error);
  expect_all_gone();
  EXPECT_EQ(lines_, Lines{"one"});
}

TEST_P(LineServerOnEveryPoller, O6_AnExceptionFromOnPartialLineIsToldOnce) {
  on_partial_line = [](Connection&) { throw std::runtime_error("from on_partial_line"); };
  serve();
  const UniqueFd client = connect();
  put(client.fd(), "longer than a line may be");
  EXPECT_THROW(run_callback(), std::runtime_error);
  EXPECT_TRUE(run_until([&] { return server_->connections() == 0; })) << "it stays for ever";
  EXPECT_EQ(order_, "apc");
  EXPECT_EQ(closed_, std::vector{std::make_error_code(std::errc::message_size)});
}

TEST_P(LineServerOnEveryPoller, O6_AnExceptionFromOnAcceptedKeepsTheClient) {
  on_accepted = [](Connection&) { throw std::runtime_error("from on_accepted"); };
  serve();
  const Socket client = Socket::connect(server_->endpoint());
  EXPECT_THROW(run_callback(), std::runtime_error);
  EXPECT_EQ(server_->connections(), 1U);
  put(client.fd(), "line\n");
  run_callback();
  EXPECT_EQ(lines_, Lines{"line"});
}

TEST_P(LineServerOnEveryPoller, O6_AnExceptionFromOnClosedLeavesNoClientBehind) {
  on_closed = [](Connection&) { throw std::runtime_error("from on_closed"); };
  serve();
  UniqueFd client = connect();
  client.reset();
  EXPECT_THROW(run_callback(), std::runtime_error);
  EXPECT_EQ(server_->connections(), 0U);
}

// ---- many, and fork

TEST_P(LineServerOnEveryPoller, T27_FiveHundredClientsComeAndGoAndLeaveNothing) {
  on_line = [](Connection& client) { client.write("ok\n"); };
  serve();
  const DescriptorsBefore before;
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 500; ++i) clients.push_back(connect());
  EXPECT_EQ(server_->connections(), 500U);
  EXPECT_EQ(before.opened_since().size(), 1000U);
  for (const UniqueFd& client : clients) put(client.fd(), "hello\n");
  EXPECT_TRUE(run_until([&] { return lines_.size() == 500; }));
  for (std::size_t i = 0; i < clients.size(); ++i) {
    if (i % 2 == 0) reset_connection(std::move(clients[i]));
    clients[i].reset();
  }
  expect_all_gone();
  EXPECT_EQ(closed_.size(), 500U);
  EXPECT_TRUE(before.opened_since().empty());
  EXPECT_TRUE(comes_to_rest(reactor_));
}

TEST_P(LineServerOnEveryPoller,
       O8_AChildThatUsesItThrowsAndOneThatDestroysItLeavesTheParentsAlone) {
  serve();
  const UniqueFd client = connect();
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    EXPECT_THROW(turn(), std::logic_error);
    server_.reset();
  }));
  send(client, "still there?\n");
  EXPECT_EQ(lines_, Lines{"still there?"});
  connect();
  EXPECT_EQ(server_->listener().counters().accepted, 2U);
}

}  // namespace
}  // namespace detent
