// SPDX-License-Identifier: BSL-1.0
// Each program in examples/, run as its reader would; stop_server has a test of its own.
#include <signal.h>
#include <sys/socket.h>

#include <cstdio>
#include <filesystem>
#include <iterator>
#include <list>

#include "support/child_program.h"
#include "support/conformance.h"
#include "support/kernel_double.h"
#include "support/reactor_fixtures.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "support/tcp_client.h"
#include "support/traced_program.h"

namespace detent::testing_support {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

class ExamplesOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  void start(std::string_view name, std::vector<std::string> arguments = {}) {
    program_.emplace(example(name),
                     ChildOptions{.arguments = std::move(arguments),
                                  .environment = {{"DETENT_POLLER", std::string(GetParam())}}});
  }
  // For those that listen at the address that is their one argument.
  void start_server(std::string_view name) {
    start(name, {"127.0.0.1:0"});
    const std::string line = program_->wait_for_line("Listening on 127.0.0.1:");
    port_ = static_cast<std::uint16_t>(
        std::strtoul(line.substr(line.rfind(':') + 1).c_str(), nullptr, 10));
    ASSERT_NE(port_, 0) << line;
  }
  // A server still runs; it ends by this signal and not by anything before.
  void TearDown() override {
    if (!program_ || ended_well_) return;
    if (program_->is_running()) program_->send_signal(SIGTERM);
    EXPECT_EQ(program_->wait(), -SIGTERM) << program_->output();
    EXPECT_EQ(program_->errors(), "");
  }

  // Where not, a program hears that when it asks for the descriptor.
  static bool can_be_embedded() {
    const auto poller = make_poller(GetParam());
    if (poller->capabilities().native_handle) return true;
    EXPECT_UNSUPPORTED(poller->native_handle());
    return false;
  }

  void expect_it_ends_well() {
    EXPECT_EQ(program_->wait(), 0) << program_->output() << program_->errors();
    EXPECT_EQ(program_->errors(), "");
    ended_well_ = true;
  }
  [[nodiscard]] bool printed(const std::string& line) const {
    return ('\n' + program_->output()).find('\n' + line + '\n') != std::string::npos;
  }

  std::optional<ChildProgram> program_;
  std::uint16_t port_ = 0;
  bool ended_well_ = false;
};

// ---- blocking_timer

TEST(Examples, T3_BlockingTimerPrintsFourTimesInTwoAndAHalfSeconds) {
  const auto start = steady_clock::now();
  ChildProgram program(example("blocking_timer"));
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(program.output(), "Timer expired\nTimer expired\nTimer expired\nTimer expired\n");
  EXPECT_EQ(program.errors(), "");
  EXPECT_GE(steady_clock::now() - start, 2500ms);
}

// ---- raw_poller

// What stands between the brackets of "Signaled events=[(4, readable)(6, readable)]".
std::vector<std::string> pairs_in(const std::string& line) {
  std::vector<std::string> pairs;
  for (std::size_t from = line.find('('); from != std::string::npos; from = line.find('(', from)) {
    const std::size_t end = line.find(')', from);
    pairs.push_back(line.substr(from + 1, end - from - 1));
    from = end;
  }
  return pairs;
}

TEST_P(ExamplesOnEveryPoller, T16_RawPollerPrintsPairsOfDescriptorAndReadiness) {
  start_server("raw_poller");
  const std::string first = program_->wait_for_line("Signaled events=[");
  std::vector<int> timers;  // made after the listener, which is the only socket yet
  bool listener_seen = false;
  for (const auto& [fd, what] : program_->descriptors()) {
    if (listener_seen) timers.push_back(fd);
    listener_seen |= what.starts_with("socket:");
  }
  ASSERT_EQ(timers.size(), 3U);
  ASSERT_FALSE(pairs_in(first).empty());
  EXPECT_EQ(pairs_in(first)[0], std::to_string(timers[0]) + ", readable");
  EXPECT_TRUE(program_->next_line().value_or("").starts_with("Timer 1 expired "));
  for (const std::string number : {"2", "3"}) {
    program_->wait_for_line("Timer " + number + " expired ");
  }
  TcpClient(port_).send("stop");
  expect_it_ends_well();
}

TEST_P(ExamplesOnEveryPoller, T16_RawPollerServesOneClientAfterTheOtherUntilStop) {
  start_server("raw_poller");
  {
    const TcpClient client(port_);
    EXPECT_EQ(program_->wait_for_line("Accepted "), "Accepted connection from " + client.name());
    client.send("hello");
    EXPECT_EQ(program_->wait_for_line("Unknown command: "), "Unknown command: 5 bytes");
    const TcpClient second(port_);
    EXPECT_EQ(second.receive_to_the_end(), "") << "there is room for one";
  }
  program_->wait_for_line("Closing connection ");
  const TcpClient client(port_);
  program_->wait_for_line("Accepted connection from " + client.name());
  client.send("stop\r\n");
  program_->wait_for_line("Stopping server");
  expect_it_ends_well();
  EXPECT_EQ(client.receive_to_the_end(), "");
}

TEST_P(ExamplesOnEveryPoller, RawPollerCountsAsTheElapsedTimeSays) {
  const auto started = steady_clock::now();
  start_server("raw_poller");
  std::array<int, 3> sums = {};
  while (sums[0] < 6 || sums[1] < 3 || sums[2] < 2) {
    const std::string line = program_->wait_for_line("Timer ");
    std::size_t number = 0;
    int count = 0;
    ASSERT_EQ(std::sscanf(line.c_str(), "Timer %zu expired %d times", &number, &count), 2) << line;
    sums.at(number - 1) += count;
  }
  const auto elapsed = steady_clock::now() - started;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_LE(sums.at(i) * (static_cast<int>(i + 1) * 250ms), elapsed) << "timer " << i + 1;
  }
  TcpClient(port_).send("stop");
  expect_it_ends_well();
}

// ---- echo_server, which only a signal ends

TEST_P(ExamplesOnEveryPoller, EchoServerForgetsTheClientsThatHaveLeftAndOnlyThem) {
  start_server("echo_server");
  const auto expect_echo = [](const TcpClient& client) {
    client.send("hello");
    EXPECT_EQ(client.receive(5), "hello");
  };
  std::list<TcpClient> clients;
  const std::size_t before = program_->descriptors().size();
  for (int i = 0; i < 8; ++i) expect_echo(clients.emplace_back(port_));
  // From the middle, the end and the beginning.
  for (const int position : {3, 6, 0}) {
    const auto leaving = std::next(clients.begin(), position);
    leaving->finish();
    EXPECT_EQ(leaving->receive_to_the_end(), "");
    clients.erase(leaving);
    for (const TcpClient& other : clients) expect_echo(other);
    ASSERT_TRUE(program_->comes_to_have(before + clients.size()));
  }
  while (clients.size() > 1) clients.pop_front();
  expect_echo(clients.front());
  EXPECT_TRUE(program_->comes_to_have(before + 1));
}

TEST_P(ExamplesOnEveryPoller, EchoServerSendsMegabytesBackIntact) {
  start_server("echo_server");
  std::string bytes(8 * 1024 * 1024, '\0');
  std::mt19937 random(1);
  for (char& byte : bytes) byte = static_cast<char>(random());

  const TcpClient client(port_);
  std::thread sender([&] {
    EXPECT_TRUE(client.send(bytes));
    client.finish();
  });
  const std::string echo = client.receive(bytes.size() + 1);
  sender.join();
  EXPECT_TRUE(echo == bytes) << echo.size() << " of " << bytes.size() << " bytes";
}

TEST_P(ExamplesOnEveryPoller, EchoServerHoldsBackASlowReaderAndNobodyElse) {
  start_server("echo_server");
  const TcpClient slow(port_);
  // It sends without reading, until there is no more room on the way for a good while.
  constexpr std::size_t kTooMuch = 100 * 1024 * 1024;
  const std::string piece(256 * 1024, 'x');
  std::size_t sent = 0;
  while (sent < kTooMuch && (poll_one(slow.fd(), POLLOUT, 500) & POLLOUT) != 0) {
    sent += slow.send_some(piece);
  }
  EXPECT_LT(sent, kTooMuch) << "the server takes whatever it is sent";

  const TcpClient quick(port_);
  for (int i = 0; i < 10; ++i) {
    quick.send("hello");
    EXPECT_EQ(quick.receive(5), "hello");
  }
  slow.finish();
  EXPECT_TRUE(slow.receive_to_the_end() == std::string(sent, 'x')) << "and it loses nothing";
}

TEST_P(ExamplesOnEveryPoller, N3_AClientThatLeavesWhileItsEchoIsSentDoesNotKillTheServer) {
  start_server("echo_server");
  const std::string bytes(1024 * 1024, 'x');
  for (int i = 0; i < 10; ++i) {
    TcpClient client(port_);
    static_cast<void>(client.send_some(bytes));
    if (i % 2 == 0) {
      client.reset();
    } else {
      client.close();
    }
  }
  const TcpClient client(port_);
  client.send("hello");
  EXPECT_EQ(client.receive(5), "hello");
}

TEST_P(ExamplesOnEveryPoller, N3_AWriteToAClientThatIsGoneRaisesNoSigpipe) {
  start_server("echo_server");
  TcpClient gone(port_);
  gone.send("hello");
  EXPECT_EQ(gone.receive(5), "hello");
  // An end of stream and then a reset, both before the server looks: what the kernel answers to the
  // write of the echo is EPIPE.
  program_->freeze();
  gone.send("goodbye");
  gone.finish();
  gone.reset();
  program_->send_signal(SIGCONT);

  const TcpClient client(port_);
  client.send("hello");
  EXPECT_EQ(client.receive(5), "hello");
}

TEST(Examples, EchoServerComplainsInOneLineAboutABadAddress) {
  ChildProgram program(example("echo_server"), {.arguments = {"nowhere"}});
  EXPECT_EQ(program.wait(), 1);
  EXPECT_TRUE(program.errors().starts_with("echo_server: "));
  EXPECT_EQ(program.errors().find('\n'), program.errors().size() - 1) << program.errors();
}

// ---- ticks

struct Job {
  std::string name;
  int expirations;
};

std::optional<Job> parse_job(const std::string& line) {
  std::array<char, 16> name = {};
  Job job = {};
  long long late = 0;
  const int fields = std::sscanf(line.c_str(), "%15s %d expirations, %lld us late", name.data(),
                                 &job.expirations, &late);
  if (fields != 3) return std::nullopt;
  EXPECT_GE(late, 0) << "early: " << line;
  EXPECT_GE(job.expirations, 1) << line;
  job.name = name.data();
  return job;
}

TEST_P(ExamplesOnEveryPoller, TM4_TicksShowsBothFatesOfMissedPeriodsAndEndsByItself) {
  start("ticks");
  expect_it_ends_well();
  int metrics = 0;
  int most_at_once = 0;
  int billing = 0;
  int probe = 0;
  while (const auto line = program_->next_line()) {
    const auto job = parse_job(*line);
    if (!job) {
      EXPECT_EQ(*line, "busy");
      continue;
    }
    if (job->name == "metrics") {
      metrics += job->expirations;
      most_at_once = std::max(most_at_once, job->expirations);
    } else if (job->name == "billing") {
      EXPECT_EQ(job->expirations, 1) << "one call for each period";
      ++billing;
    } else {
      EXPECT_EQ(job->name, "probe");
      probe += job->expirations;
    }
  }
  EXPECT_TRUE(printed("busy"));
  // In two seconds: a metrics tick each 200 ms, a bill each 300 ms, a probe at 100, 500, 900, ...
  // What is due at the last instant may come before the end or not; late, a few more are due.
  EXPECT_GE(metrics, 9);
  EXPECT_GE(billing, 6);
  EXPECT_GE(probe, 5);
  EXPECT_GE(most_at_once, 3) << "at least three fit in the 700 ms of the busy callback";
}

// ---- raw_epoll and raw_kqueue: each is there where its kernel is

class RawExamplesOnEveryPoller : public ExamplesOnEveryPoller {
 protected:
  // What one of them prints, if there is one of that name.
  std::optional<std::string> output_of(std::string_view name) {
    if (!std::filesystem::exists(example(name))) return std::nullopt;
    start(name);
    expect_it_ends_well();
    return program_->output();
  }
};

TEST_P(RawExamplesOnEveryPoller, P11_RawEpollPrintsWhatItsMasksHaveSeen) {
  const auto output = output_of("raw_epoll");
  if (!output) GTEST_SKIP() << "no epoll here";
  EXPECT_EQ(*output, "writing OUT WRNORM\nreading IN RDNORM\nsecond IN\n");
}

TEST_P(RawExamplesOnEveryPoller, K4_RawKqueuePrintsAllSixFieldsAsTheyWereGiven) {
  const auto output = output_of("raw_kqueue");
  if (!output) GTEST_SKIP() << "no kqueue here";
  EXPECT_EQ(*output,
            "timer 1 expired 1 times\n"
            "ident 4711\nfilter 1\nflags 1\nfflags 49374\ndata 42\nudata hello\n");
}

DETENT_ON_EVERY_POLLER(RawExamplesOnEveryPoller);

// ---- embed_in_poll

TEST_P(ExamplesOnEveryPoller, D7_EmbedInPollServesBothLoops) {
  if (!can_be_embedded()) return;
  start("embed_in_poll");
  expect_it_ends_well();
  std::vector<std::string> ticks;
  int others = 0;
  while (const auto line = program_->next_line()) {
    if (line->starts_with("tick ")) {
      ticks.push_back(*line);
    } else {
      ++others;
    }
  }
  EXPECT_EQ(ticks, (std::vector<std::string>{"tick 1", "tick 2", "tick 3", "tick 4", "tick 5"}));
  EXPECT_EQ(others, 2);
  EXPECT_TRUE(printed("posted from another thread"));
  EXPECT_TRUE(printed("the foreign loop's own descriptor"));
}

TEST_P(ExamplesOnEveryPoller, D7_EmbedInPollSleepsBetweenItsTicks) {
  if (!can_be_embedded()) return;
  start("embed_in_poll");
  program_->wait_for_line("tick 1");
  const auto calls = system_calls_until(*program_, 3);
  if (!calls) GTEST_SKIP() << testing_support::kUntraced;
  EXPECT_LE(total(*calls), 60) << testing::PrintToString(*calls);
  expect_it_ends_well();
}

DETENT_ON_EVERY_POLLER(ExamplesOnEveryPoller);

// ---- without arguments

std::unique_ptr<TcpClient> try_to_connect(std::uint16_t port) {
  try {
    return std::make_unique<TcpClient>(port);
  } catch (const std::system_error&) {
    return nullptr;
  }
}

// One test for all of them, since they cannot run at the same time.
TEST(Examples, ServersListenOnPort1234OfThisMachineByDefaultAndStopWhenTold) {
  for (const std::string name : {"stop_server", "raw_poller", "first_server"}) {
    SCOPED_TRACE(name);
    if (try_to_connect(1234)) GTEST_SKIP() << "another program listens on port 1234";
    ChildProgram program(example(name));
    std::unique_ptr<TcpClient> client;
    while (!client && program.is_running()) client = try_to_connect(1234);
    if (client && name == "first_server") {
      EXPECT_TRUE(program.wait_for_line("expired ").ends_with(" times"));
      client->send("hello\n");
      EXPECT_EQ(client->receive(16), "unknown command\n");
    }
    if (client) client->send("stop\n");
    EXPECT_EQ(program.wait(), 0) << program.output();
    EXPECT_EQ(program.errors(), "");
  }
}

}  // namespace
}  // namespace detent::testing_support
