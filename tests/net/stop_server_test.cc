// SPDX-License-Identifier: BSL-1.0
// The program examples/stop_server, with real clients.
#include <signal.h>
#include <time.h>

#include <cstdio>
#include <fstream>
#include <list>

#include "support/child_program.h"
#include "support/kernel_double.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/tcp_client.h"
#include "support/traced_program.h"

namespace detent::testing_support {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// How many connections the kernel holds for the listener on a port: proc(5), /proc/net/tcp.
std::size_t accept_queue(std::uint16_t port) {
  std::ifstream table("/proc/net/tcp");
  for (std::string line; std::getline(table, line);) {
    unsigned local = 0;
    unsigned state = 0;
    unsigned waiting = 0;
    const char* const format = "%*s %*8X:%4X %*8X:%*4X %2X %*8X:%8X";
    if (std::sscanf(line.c_str(), format, &local, &state, &waiting) != 3) continue;
    constexpr unsigned kListening = 0x0A;
    if (local == port && state == kListening) return waiting;
  }
  ADD_FAILURE() << "nobody listens on " << port;
  return 0;
}

std::uint16_t port_in(const std::string& listening_line) {
  return static_cast<std::uint16_t>(
      std::strtoul(listening_line.substr(listening_line.rfind(':') + 1).c_str(), nullptr, 10));
}

// A line such as "Timer 2 expired 1 times".
struct TimerLine {
  std::size_t number;
  int count;
};

std::optional<TimerLine> parse_timer_line(const std::string& line) {
  TimerLine parsed = {};
  if (std::sscanf(line.c_str(), "Timer %zu expired %d times", &parsed.number, &parsed.count) != 2) {
    return std::nullopt;
  }
  EXPECT_EQ(line, "Timer " + std::to_string(parsed.number) + " expired " +
                      std::to_string(parsed.count) + " times");
  return parsed;
}

// How often each of the three timers has expired, by the lines read so far.
struct Expirations {
  std::array<int, 3> sums = {};

  std::optional<TimerLine> add(const std::string& line) {
    const auto parsed = parse_timer_line(line);
    if (parsed) sums.at(parsed->number - 1) += parsed->count;
    return parsed;
  }
  // No timer is early, so there are at most as many as fit in the time since the start.
  void expect_no_more_than_fit_in(steady_clock::duration elapsed) const {
    for (std::size_t i = 0; i < 3; ++i) {
      const auto period = static_cast<int>(i + 1) * 250ms;
      EXPECT_LE(sums.at(i) * period, elapsed) << "timer " << i + 1;
    }
  }
  // Half and a third as often as the first timer, but for one turn that has come half way.
  void expect_to_agree() const {
    EXPECT_NEAR(sums[0], 2 * sums[1], 2);
    EXPECT_NEAR(sums[0], 3 * sums[2], 3);
  }
};

class StopServerOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  void start(std::vector<std::string> more = {}, ChildOptions options = {}) {
    options.arguments = {"--port", "0"};
    options.arguments.insert(options.arguments.end(), more.begin(), more.end());
    options.environment.emplace_back("DETENT_POLLER", GetParam());
    started_ = steady_clock::now();
    server_.emplace(example("stop_server"), options);
    listening_line_ = server_->next_line().value_or("");
    listening_ = steady_clock::now();
    port_ = port_in(listening_line_);
    ASSERT_NE(port_, 0) << listening_line_ << server_->errors();
  }

  // Whatever a test has done to it: it still serves and ends as it should, with no sanitizer's
  // complaint.
  void TearDown() override {
    if (!server_) return;
    if (port_ != 0 && server_->is_running()) {
      settle();
      TcpClient(port_).send("stop\n");
    }
    EXPECT_EQ(server_->wait(), 0) << server_->output() << server_->errors();
    EXPECT_EQ(server_->errors(), "");
  }

  // Returns when the server has dealt with all that came before, which proves that it still serves.
  void settle() {
    const std::string mark = "mark " + std::to_string(++marks_);
    const TcpClient client(port_);
    client.send(mark + '\n');
    server_->wait_for_line("Unknown command: " + mark);
    client.finish();
    server_->wait_for_line("Closed connection from " + client.name());
  }

  void expect_it_has_stopped() {
    EXPECT_EQ(server_->wait(), 0) << server_->errors();
    EXPECT_TRUE(printed("Stopping server")) << server_->output();
  }

  // In what has been read of its output, a whole line.
  [[nodiscard]] bool printed(const std::string& line) const {
    return ('\n' + server_->output()).find('\n' + line + '\n') != std::string::npos;
  }

  // A few ticks, in which nothing happens but what the timers print: the wait, a write, and the
  // timer's next deadline. `more` calls are allowed on top of that.
  void expect_only_the_timers_to_cost_calls(int more = 0) {
    constexpr int kLines = 12;
    const auto calls = system_calls_until(*server_, kLines);
    if (!calls) GTEST_SKIP() << testing_support::kUntraced;
    EXPECT_LE(total(*calls), 5 * kLines + more) << testing::PrintToString(*calls);
  }

  std::optional<ChildProgram> server_;
  std::string listening_line_;
  std::uint16_t port_ = 0;
  steady_clock::time_point started_;
  steady_clock::time_point listening_;
  int marks_ = 0;
};

// ---- where it listens

TEST_P(StopServerOnEveryPoller, T17_PrintsWhereItListensWithThePortThatItGot) {
  start();
  EXPECT_EQ(listening_line_, "Listening on 127.0.0.1:" + std::to_string(port_));
  const TcpClient client(port_);
  server_->wait_for_line("Accepted connection from " + client.name());
}

TEST_P(StopServerOnEveryPoller, ListensOnAnotherHostWhenTold) {
  start({"--host", "::1"});
  EXPECT_EQ(listening_line_, "Listening on [::1]:" + std::to_string(port_));
  server_->send_signal(SIGTERM);
  EXPECT_EQ(server_->wait(), 0);
  start({"--host", "127.0.0.2"});
  EXPECT_EQ(listening_line_, "Listening on 127.0.0.2:" + std::to_string(port_));
  EXPECT_THROW(TcpClient{port_}, std::system_error);
  TcpClient(port_, "127.0.0.2").send("stop\n");
  expect_it_has_stopped();
}

// ---- the timers

TEST_P(StopServerOnEveryPoller, T11_ThreeTimersExpireAsOftenAsTheElapsedTimeSays) {
  start();
  Expirations expirations;
  const auto all_there = [&expirations] {
    const auto [first, second, third] = expirations.sums;
    return first >= 12 && second >= 6 && third >= 4;
  };
  while (!all_there()) {
    const auto line = server_->next_line();
    ASSERT_TRUE(line);
    expirations.add(*line);
  }
  expirations.expect_no_more_than_fit_in(steady_clock::now() - started_);
  expirations.expect_to_agree();
}

TEST_P(StopServerOnEveryPoller, T13_BlockedForAWhileItIsToldOfAllPeriodsInOneCall) {
  start();
  server_->freeze();
  std::this_thread::sleep_for(1100ms);
  const auto blocked_until = steady_clock::now();
  server_->send_signal(SIGCONT);

  // A few lines may have been on their way before it was blocked.
  Expirations expirations;
  int at_once = 0;
  for (int lines = 0; at_once < 4 && lines < 40; ++lines) {
    const auto line = server_->next_line();
    ASSERT_TRUE(line);
    const auto parsed = expirations.add(*line);
    if (parsed && parsed->number == 1) at_once = parsed->count;
  }
  EXPECT_GE(at_once, 4);
  // Nothing that passed is lost: the timers had been started when it said that it listens.
  EXPECT_GE(expirations.sums[0], (blocked_until - listening_) / 250ms);
  expirations.expect_no_more_than_fit_in(steady_clock::now() - started_);

  // At its next tick the other timers have told theirs too.
  for (std::optional<TimerLine> parsed; !parsed || parsed->number != 1;) {
    const auto line = server_->next_line();
    ASSERT_TRUE(line);
    parsed = expirations.add(*line);
  }
  expirations.expect_to_agree();
}

TEST_P(StopServerOnEveryPoller, T33_TM9_ItsOnlyKernelTimerRunsOnTheMonotonicClock) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  start();
  settle();
  std::vector<std::string> timers;
  for (const auto& [fd, what] : server_->descriptors()) {
    if (what == "anon_inode:[timerfd]") timers.push_back(server_->descriptor_info(fd));
  }
  ASSERT_EQ(timers.size(), 1U);
  EXPECT_NE(timers[0].find("clockid: " + std::to_string(CLOCK_MONOTONIC) + '\n'), std::string::npos)
      << timers[0];
}

// ---- what ends it

TEST_P(StopServerOnEveryPoller, T19_StopsAtALineThatBeginsWithStop) {
  for (const std::string_view line : {"stop", "stop\n", "stopxyz\n", "stop now, please\r\n"}) {
    start();
    const TcpClient client(port_);
    client.send(line);
    expect_it_has_stopped();
    EXPECT_EQ(client.receive_to_the_end(), "") << "it says nothing and closes";
  }
}

TEST_P(StopServerOnEveryPoller, T20_StopsWhereverTheWordIsSplitAndTakesCommandsOutOfOneSegment) {
  for (std::size_t split = 1; split < 4; ++split) {
    start();
    const TcpClient client(port_);
    client.send("first\r\nsecond\n" + std::string("stop").substr(0, split));
    settle();
    EXPECT_TRUE(printed("Unknown command: first"));
    EXPECT_TRUE(printed("Unknown command: second"));
    client.send(std::string("stop\r\n").substr(split));
    expect_it_has_stopped();
    EXPECT_FALSE(printed("Unknown command: " + std::string("stop").substr(0, split)));
  }
}

TEST_P(StopServerOnEveryPoller, DoesNotStopAtALineThatOnlyContainsTheWord) {
  start();
  const TcpClient client(port_);
  for (const std::string line : {"xstop", " stop", "Stop", "STOP", "sto", "do not stop"}) {
    client.send(line + '\n');
    EXPECT_EQ(server_->wait_for_line("Unknown command: "), "Unknown command: " + line);
  }
  client.send("x");
  settle();
  client.send("stop");  // the line is xstop all the same
  settle();
  client.send("\n");
  EXPECT_EQ(server_->wait_for_line("Unknown command: "), "Unknown command: xstop");
}

TEST_P(StopServerOnEveryPoller, JudgesALastLineWithoutAnEndAtTheEndOfTheStream) {
  start();
  const TcpClient client(port_);
  client.send("last words");
  settle();
  EXPECT_FALSE(printed("Unknown command: last words")) << "it was not complete yet";
  client.finish();
  server_->wait_for_line("Unknown command: last words");
  server_->wait_for_line("Closed connection from " + client.name());
  EXPECT_EQ(client.receive_to_the_end(), "");
}

TEST_P(StopServerOnEveryPoller, StopsWithExitCode0AtSigtermAndSigint) {
  for (const int signal : {SIGTERM, SIGINT}) {
    start();
    const TcpClient client(port_);
    client.send("half a li");
    settle();
    server_->send_signal(signal);
    EXPECT_EQ(server_->wait(), 0);
    EXPECT_EQ(client.receive_to_the_end(), "");
  }
}

TEST_P(StopServerOnEveryPoller, ASignalThatComesAsSoonAsItSaysThatItListensStopsItInOrderToo) {
  for (int i = 0; i < 20; ++i) {
    start();
    server_->send_signal(SIGTERM);
    ASSERT_EQ(server_->wait(), 0) << "at attempt " << i;
  }
}

// ---- its clients

TEST_P(StopServerOnEveryPoller, T21_ReportsAnUnknownCommandAndKeepsTheConnection) {
  start();
  const TcpClient client(port_);
  for (const std::string command : {"hello", "", "help me"}) {
    client.send(command + "\r\n");
    EXPECT_EQ(server_->wait_for_line("Unknown command: "), "Unknown command: " + command);
  }
  client.send("stop\n");
  expect_it_has_stopped();
  EXPECT_EQ(client.receive_to_the_end(), "") << "the answer is on the server's own output";
}

TEST_P(StopServerOnEveryPoller, T22_BytesThatAreNoTextDoNoHarmAndAreEscaped) {
  start();
  const TcpClient client(port_);
  using std::string_view_literals::operator""sv;
  client.send("nul\0nul \xff\xfe \xc3( \x1b[31m \r \t\n"sv);
  EXPECT_EQ(server_->wait_for_line("Unknown command: "),
            R"(Unknown command: nul\x00nul \xff\xfe \xc3( \x1b[31m \x0d \x09)");

  std::string all_bytes;
  for (int byte = 0; byte < 256; ++byte) all_bytes += static_cast<char>(byte);
  client.send(all_bytes + '\n' + all_bytes + '\n');
  settle();
  const std::string& output = server_->output();
  EXPECT_TRUE(std::all_of(output.begin(), output.end(),
                          [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
}

TEST_P(StopServerOnEveryPoller, T26_ServesTwoClients) {
  start();
  const TcpClient first(port_);
  const TcpClient second(port_);
  for (int i = 0; i < 3; ++i) {
    first.send("from the first\n");
    server_->wait_for_line("Unknown command: from the first");
    second.send("from the second\n");
    server_->wait_for_line("Unknown command: from the second");
  }
  // Their half lines do not mix either.
  first.send("st");
  second.send("op\n");
  server_->wait_for_line("Unknown command: op");
  second.send("stop\n");
  expect_it_has_stopped();
  EXPECT_EQ(first.receive_to_the_end(), "");
}

TEST_P(StopServerOnEveryPoller, N5_ALineOverTheMaximumCostsThatClientItsConnectionAndNobodyElse) {
  start();
  const TcpClient other(port_);
  other.send("I am ");
  for (const std::string_view end : {"\n", ""}) {
    const TcpClient client(port_);
    const std::string longest(1024, 'l');
    client.send(longest + "\r\n" + std::string(1025, 'x') + std::string(end));
    server_->wait_for_line("Unknown command: " + longest);
    server_->wait_for_line("Closed connection from " + client.name() + ": ");
    EXPECT_EQ(client.receive_to_the_end(), "");
  }
  other.send("still here\n");
  server_->wait_for_line("Unknown command: I am still here");
  EXPECT_EQ(server_->output().find("xxx"), std::string::npos);
}

TEST_P(StopServerOnEveryPoller, N5_ClientsThatSendWithoutAnEndAreCutOff) {
  start();
  const TcpClient client(port_);
  const std::string much(1024 * 1024, 'x');
  for (int i = 0; i < 100 && client.send(much); ++i) {
  }
  EXPECT_FALSE(client.send(much)) << "a hundred megabytes were taken";
  server_->wait_for_line("Closed connection from " + client.name() + ": ");
}

TEST_P(StopServerOnEveryPoller, ClientsThatResetTheirConnectionDoNoHarm) {
  start();
  for (int i = 0; i < 20; ++i) {
    TcpClient at_once(port_);
    at_once.reset();
    TcpClient later(port_);
    const std::string name = later.name();
    server_->wait_for_line("Accepted connection from " + name);
    later.send(i % 2 == 0 ? "half a li" : "");
    later.reset();
    server_->wait_for_line("Closed connection from " + name + ": ");
  }
}

// ---- what it costs

TEST_P(StopServerOnEveryPoller, T28_IdleAndHalfClosedConnectionsCostNoCalls) {
  start();
  const TcpClient idle(port_);
  const TcpClient in_a_line(port_);
  in_a_line.send("st");
  const TcpClient half_closed(port_);
  half_closed.finish();
  settle();
  expect_only_the_timers_to_cost_calls();
}

TEST_P(StopServerOnEveryPoller, N1_AtTheDescriptorLimitItNeitherSpinsNorDiesAndServesAgain) {
  DETENT_NEEDS_THE_REAL_KERNEL();  // the limit would be too low for the double's own
  start({}, {.descriptor_limit = 14});
  // One with an error, before: UBSan needs descriptors to check a kind of object that it sees for
  // the first time, such as the category of this error and of the one at the limit.
  TcpClient first(port_);
  const std::string name = first.name();
  server_->wait_for_line("Accepted connection from " + name);
  first.reset();
  server_->wait_for_line("Closed connection from " + name + ": ");
  settle();
  const std::size_t before = server_->descriptors().size();
  ASSERT_LT(before, 14U);
  std::list<TcpClient> crowd;
  for (int i = 0; i < 30; ++i) crowd.emplace_back(port_).send("here\n");
  server_->wait_for_line("Cannot accept connections for now: ");
  EXPECT_LE(server_->descriptors().size(), 14U);
  // A rest between two tries grows from 10 ms to a second, and a try costs about ten calls.
  expect_only_the_timers_to_cost_calls(300);
  const std::string& output = server_->output();
  EXPECT_EQ(output.find("Cannot accept"), output.rfind("Cannot accept")) << "once an episode";

  crowd.clear();
  // What the kernel still holds of the crowd may take it to the limit again.
  while (accept_queue(port_) > 0) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(server_->comes_to_have(before)) << testing::PrintToString(server_->descriptors());
  settle();
}

TEST_P(StopServerOnEveryPoller, T27_NoDescriptorIsLeftAfterTwoHundredConnections) {
  start();
  settle();
  const auto before = server_->descriptors();
  for (int i = 0; i < 200; ++i) {
    TcpClient client(port_);
    client.send(i % 3 == 0 ? "hello\n" : "half");
    if (i % 4 == 0) client.reset();
  }
  settle();
  EXPECT_TRUE(server_->comes_to_have(before.size()));
  EXPECT_EQ(server_->descriptors(), before);
}

TEST_P(StopServerOnEveryPoller, T27_HasClosedAllItsDescriptorsWhenItEnds) {
  const char* const options = std::getenv("ASAN_OPTIONS");
  const std::string no_leaks =
      (options == nullptr ? "" : options + std::string(":")) + "detect_leaks=0";
  for (const bool by_signal : {false, true}) {
    start({}, {.environment = {{"ASAN_OPTIONS", no_leaks}}});
    const TcpClient idle(port_);
    settle();
    const auto left = descriptors_at_exit(*server_, [&] {
      if (by_signal) return server_->send_signal(SIGTERM);
      TcpClient(port_).send("stop\n");
    });
    if (!left) GTEST_SKIP() << "tracing is not allowed here";
    ASSERT_EQ(server_->wait(), 0);
    for (const auto& [fd, what] : *left) EXPECT_LE(fd, 2) << what;
  }
}

// ---- the programs of the HOWTO's reader

TEST_P(StopServerOnEveryPoller, TelnetStopsIt) {
  if (!is_installed("telnet")) GTEST_SKIP() << "no telnet here (Debian: telnet)";
  start();
  ChildProgram telnet("telnet", {.arguments = {"127.0.0.1", std::to_string(port_)}});
  telnet.wait_for_line("Escape character is '^]'.");
  server_->wait_for_line("Accepted connection from 127.0.0.1:");
  telnet.write("hello\n");
  EXPECT_EQ(server_->wait_for_line("Unknown command: "), "Unknown command: hello");
  telnet.write("stop\n");
  expect_it_has_stopped();
  telnet.wait();
  EXPECT_EQ(telnet.output(),
            "Trying 127.0.0.1...\nConnected to 127.0.0.1.\nEscape character is '^]'.\n");
  EXPECT_EQ(telnet.errors(), "Connection closed by foreign host.\n");
}

TEST_P(StopServerOnEveryPoller, NetcatStopsIt) {
  if (!is_installed("nc")) GTEST_SKIP() << "no nc here (Debian: netcat-openbsd)";
  start();
  ChildProgram talkative("nc", {.arguments = {"127.0.0.1", std::to_string(port_)}});
  talkative.write("hello\n");
  EXPECT_EQ(server_->wait_for_line("Unknown command: "), "Unknown command: hello");
  // -N: the end of its input is the end of its stream.
  ChildProgram brief("nc", {.arguments = {"-N", "127.0.0.1", std::to_string(port_)}});
  brief.write("stop");
  brief.close_input();
  expect_it_has_stopped();
  EXPECT_EQ(brief.wait(), 0);
  talkative.close_input();  // it listens to that although its peer is gone
  EXPECT_EQ(talkative.wait(), 0);
  EXPECT_EQ(talkative.output(), "");
}

DETENT_ON_EVERY_POLLER(StopServerOnEveryPoller);

// ---- the command line

// What the program says when it cannot start: one line, which is returned.
std::string complaint_about(const ChildOptions& options) {
  ChildProgram server(example("stop_server"), options);
  EXPECT_GT(server.wait(), 0);
  EXPECT_EQ(server.output(), "");
  const std::string& errors = server.errors();
  EXPECT_TRUE(errors.starts_with("stop_server: ")) << errors;
  EXPECT_EQ(errors.find('\n'), errors.size() - 1) << "one line: " << errors;
  return errors;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(StopServer, ComplainsInOneLineAboutAPortInUse) {
  ChildProgram first(example("stop_server"), {.arguments = {"--port", "0"}});
  const std::string port = std::to_string(port_in(first.next_line().value_or("")));
  const std::string complaint = complaint_about({.arguments = {"--port", port}});
  EXPECT_TRUE(contains(complaint, "127.0.0.1:" + port)) << complaint;
  EXPECT_TRUE(contains(complaint, "Address already in use")) << complaint;
}

TEST(StopServer, ComplainsInOneLineAboutABadOptionOrPoller) {
  const std::vector<std::vector<std::string>> bad = {
      {"--verbose"}, {"--verbose", "1"},        {"1234"},
      {"--port"},    {"--port", "0", "--host"}, {"--port=0", "0"},
      {""}};
  for (const auto& arguments : bad) {
    EXPECT_TRUE(contains(complaint_about({.arguments = arguments}), "usage: stop_server"))
        << testing::PrintToString(arguments);
  }
  const ChildOptions abacus = {.arguments = {"--port", "0"},
                               .environment = {{"DETENT_POLLER", "abacus"}}};
  EXPECT_TRUE(contains(complaint_about(abacus), "abacus"));
}

TEST(StopServer, ComplainsInOneLineAboutABadPortOrHost) {
  for (const std::string port : {"65536", "-1", "", "http", "12 34", "0x10", "1234\n"}) {
    const std::string complaint = complaint_about({.arguments = {"--port", port}});
    EXPECT_TRUE(contains(complaint, "127.0.0.1:")) << complaint;
  }
  for (const std::string host : {"example", "", "1.2.3", "::zz"}) {
    const std::string complaint = complaint_about({.arguments = {"--host", host, "--port", "0"}});
    EXPECT_TRUE(contains(complaint, host)) << complaint;
  }
  // An address of another machine (TEST-NET-1).
  EXPECT_TRUE(contains(complaint_about({.arguments = {"--host", "192.0.2.77", "--port", "0"}}),
                       "192.0.2.77"));
}

}  // namespace
}  // namespace detent::testing_support
