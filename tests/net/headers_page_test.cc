// SPDX-License-Identifier: BSL-1.0
// What the first comment of each public header shows, compiled and run. A fact of the tree
// (tests/dev/tree) compares the two; those of the calendar are in calendar_page_test.cc.
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <span>

#include "detent/byte_queue.h"
#include "detent/callback_owner.h"
#include "detent/connection.h"
#include "detent/connector.h"
#include "detent/drop.h"
#include "detent/endpoint.h"
#include "detent/framing.h"
#include "detent/handler_list.h"
#include "detent/handler_table.h"
#include "detent/limit_reached.h"
#include "detent/line_server.h"
#include "detent/listener.h"
#include "detent/net_error.h"
#include "detent/network.h"
#include "detent/observer.h"
#include "detent/piece.h"
#include "detent/poster.h"
#include "detent/reactor.h"
#include "detent/retirable.h"
#include "detent/service.h"
#include "detent/simulation.h"
#include "detent/socket.h"
#include "detent/stream.h"
#include "detent/timer.h"
#include "detent/timer_fd.h"
#include "detent/timer_service.h"
#include "support/net_fixtures.h"
#include "support/readiness.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

// ---- loop

TEST(HeadersPage, L6_ACallbackOwnsWhatItCaptures) {
  struct Owner {
    explicit Owner(int& total) : sum(total) {}
    void add(int n) const { sum += n; }
    int& sum;
  };
  int sum = 0;
  auto owner = std::make_unique<Owner>(sum);
  detent::Callback<void(int)> f = [owner = std::move(owner)](int n) { owner->add(n); };
  f(3);
  EXPECT_EQ(sum, 3);
}

TEST(HeadersPage, TM6_ADeadlineIsAnInstantAndALength) {
  detent::TimePoint deadline = detent::kernel_clock().now() + 250ms;
  EXPECT_GT(deadline, TimePoint());
}

TEST(HeadersPage, L1_AHandleIsTheRightToBeCalled) {
  Reactor reactor;
  int flushed = 0;
  const auto flush_statistics = [&] { ++flushed; };
  reactor.post([] {});
  detent::Handle hook = reactor.before_wait([&] { flush_statistics(); });
  hook.cancel();  // or let it go out of scope
  static_cast<void>(reactor.dispatch());
  EXPECT_EQ(flushed, 0);
}

TEST(HeadersPage, O1_AListCallsAllInTheirOrder) {
  int sum = 0;
  detent::HandlerList<void(int)> list;
  detent::Handle first = list.add([&](int n) { sum += n; });
  list.for_each([](auto& call) { call(7); });
  EXPECT_EQ(sum, 7);
}

TEST(HeadersPage, L2_ACallbackMayRemoveItself) {
  detent::HandlerTable<void(int)> table;
  detent::HandlerId id = table.add([&](int) { table.remove(id); });
  table.call(id, 7);
  EXPECT_EQ(table.find(id), nullptr);
}

TEST(HeadersPage, L2_AnObjectLearnsThatACallbackDestroyedIt) {
  struct Handlers {
    Callback<void(std::string_view)> on_data;
  };
  struct Reader {
    explicit Reader(Handlers handlers) : callbacks_(std::move(handlers)) {}
    void read(std::string_view bytes) {
      const decltype(callbacks_)::Call call(callbacks_);
      call->on_data(bytes);  // may destroy *this, and its callbacks_
      if (!call) return;
      ADD_FAILURE() << "it does not exist any more";
    }
    CallbackOwner<Handlers> callbacks_;
  };
  std::unique_ptr<Reader> reader;
  reader = std::make_unique<Reader>(Handlers{[&](std::string_view) { reader.reset(); }});
  reader->read("x");
  EXPECT_EQ(reader, nullptr);
}

TEST(HeadersPage, L7_AServiceThatIsGoingDropsWhatItIsGiven) {
  struct Queue {
    void add(Callback<void()> function) const {
      if (is_closing_) return detent::drop(std::move(function));
    }
    bool is_closing_ = true;
  };
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = owned;
  Queue().add([owned = std::move(owned)] {});
  EXPECT_TRUE(seen.expired());
}

TEST(HeadersPage, D1_ARegistrationHasAName) {
  Reactor reactor;
  const SocketPair pair = make_socket_pair();
  const int fd = pair.near.fd();
  int calls = 0;
  const auto on_ready = [&](Ready) { ++calls; };
  auto watch = reactor.watch(fd, {.readable = true}, on_ready, "control socket");
  put(pair.far.fd());
  static_cast<void>(reactor.run_once());
  EXPECT_EQ(calls, 1);
}

TEST(HeadersPage, D3_APollerIsOfUseByItself) {
  const SocketPair pair = make_socket_pair();
  const int fd = pair.near.fd();
  put(pair.far.fd());
  std::uint32_t slots = 0;
  const auto use = [&](std::uint32_t slot, Ready ready) { slots += ready.readable ? slot : 0; };
  auto poller = detent::make_poller();  // epoll on Linux
  poller->add(fd, {.readable = true}, {.slot = 1, .generation = 1});
  std::array<detent::Event, 64> room;
  for (const detent::Event& event : poller->wait(room, 3s)) use(event.id.slot, event.ready);
  EXPECT_EQ(slots, 1U);
}

TEST(HeadersPage, SIM1_AnHourOfTicksTakesNoTime) {
  int count = 0;
  detent::Simulation simulation;
  detent::Reactor reactor({.poller = simulation.make_poller(), .clock = &simulation});
  detent::TimerService timers(reactor);
  auto tick = timers.every(1s, [&] { ++count; });
  simulation.advance(1h);  // count is 3600 now, and no time has passed
  EXPECT_EQ(count, 3600);
}

TEST(HeadersPage, L6_ADescriptorIsClosedAtTheEndOfItsScope) {
  SocketPair pipe = make_pipe();
  put(pipe.far.fd(), "x");
  const std::array<int, 1> ends = {pipe.near.release()};
  char byte = '\0';
  char used = '\0';
  const auto use = [&](char c) { used = c; };
  {
    detent::UniqueFd pipe_end(ends[0]);
    if (::read(pipe_end.fd(), &byte, 1) == 1) use(byte);  // closed at the end of the scope
  }
  EXPECT_EQ(used, 'x');
  pollfd query = {.fd = pipe.far.fd(), .events = POLLOUT, .revents = 0};
  EXPECT_EQ(1, ::poll(&query, 1, 0));
  EXPECT_NE(0, query.revents & POLLERR) << "nobody reads any more";
}

// ---- reactor

int shown = 0;
void show_result() { ++shown; }
void give_up() { shown = -1; }

TEST(HeadersPage, W2_AThreadThatMayOutliveTheLoopHandsFunctionsToIt) {
  shown = 0;
  Reactor reactor;
  std::thread worker([poster = reactor.poster()] {
    if (!poster.post([] { show_result(); })) give_up();  // false: the loop is gone
  });
  worker.join();
  static_cast<void>(reactor.run_once());
  EXPECT_EQ(shown, 1);
}

TEST(HeadersPage, O5_ALoopReadsFromADescriptorUntilItIsStopped) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd(), "hello");
  const int fd = pair.near.fd();
  std::string heard;
  const auto read_from = [&](int descriptor) {
    heard += take(descriptor);
    return heard.size() < 5;
  };
  detent::Reactor reactor;
  auto watch = reactor.watch(fd, {.readable = true}, [&](detent::Ready) {
    if (!read_from(fd)) reactor.stop();
  });
  reactor.run();
  EXPECT_EQ(heard, "hello");
}

TEST(HeadersPage, D3_AWatchChangesItsInterest) {
  Reactor reactor;
  const SocketPair pair = make_socket_pair();
  bool queue_is_not_empty = true;
  bool writable = false;
  auto watch = reactor.watch(pair.near.fd(), {}, [&](Ready ready) { writable = ready.writable; });
  watch.set_interest({.readable = true, .writable = queue_is_not_empty});
  static_cast<void>(reactor.run_once());
  EXPECT_TRUE(writable);
}

TEST(HeadersPage, M5_AnObserverHearsOfEachCallback) {
  struct Slowest final : detent::Observer {
    void before(const Call& call) noexcept override { name = call.name.text; }
    void after(const Call&) noexcept override {}
    void turn(Duration, Duration) noexcept override {}
    std::string_view name;
  };
  Reactor reactor;
  Slowest slowest;  // an Observer
  detent::Handle observing = reactor.observe(slowest);
  const Handle function = reactor.next_turn([] {}, "the only one");
  static_cast<void>(reactor.run_once());
  EXPECT_EQ(slowest.name, "the only one");
}

class Alarms final : private detent::Service {
 public:
  explicit Alarms(detent::Reactor& reactor) : Service(reactor, "Alarms") {}
  ~Alarms() override {
    close("~Alarms");
    callbacks_.clear();
  }

  [[nodiscard]] Handle add(Callback<void()> function, Name name = {}) {
    if (refuses("Alarms::add")) {
      drop(std::move(function));
      return {};
    }
    return {link(), callbacks_.add(std::move(function), name)};
  }

 private:
  void cancel(HandlerId id) noexcept override { callbacks_.remove(id); }
  [[nodiscard]] bool active(HandlerId id) const noexcept override {
    return callbacks_.find(id) != nullptr;
  }
  HandlerTable<void()> callbacks_;
};

TEST(HeadersPage, L5_AServicesHandlesAreInertWhenItOrItsReactorIsGone) {
  std::optional<Reactor> reactor(std::in_place);
  Alarms alarms(*reactor);
  const Handle handle = alarms.add([] {});
  EXPECT_TRUE(handle.active());
  reactor.reset();
  EXPECT_FALSE(handle.active());
  EXPECT_THROW(static_cast<void>(alarms.add([] {})), std::logic_error);
}

// ---- timers

TEST(HeadersPage, TM10_OneKernelTimerByItself) {
  testing::internal::CaptureStdout();
  detent::TimerFd timer(detent::ClockId::wall);
  timer.arm(20ms, 10ms);  // first after 20 ms, then a hundred times a second
  for (int i = 0; i < 4; ++i) std::cout << "expired " << timer.read() << " times\n";
  EXPECT_NE(testing::internal::GetCapturedStdout().find("times\nexpired "), std::string::npos);
}

TEST(HeadersPage, TM9_ATimerThatIsStartedPutOffAndStopped) {
  Simulation clock;
  Reactor reactor({.poller = clock.make_poller(), .clock = &clock});
  TimerService timers(reactor);
  bool hung_up = false;
  detent::Timer idle = timers.make([&] { hung_up = true; });
  idle.rearm(30s);                     // starts it
  idle.rearm_at(reactor.now() + 30s);  // puts it off: no system call, and no clock is read
  idle.disarm();                       // stops it, and keeps its callback
  clock.advance(1min);
  EXPECT_FALSE(hung_up);
  idle.rearm(30s);
  clock.advance(30s);
  EXPECT_TRUE(hung_up);
}

std::uint64_t used_ticks = 0;
void use(std::uint64_t ticks) { used_ticks += ticks; }

TEST(HeadersPage, TM3_OnceAndAgainAndAgain) {
  used_ticks = 0;
  Simulation clock;
  Reactor reactor({.poller = clock.make_poller(), .clock = &clock});
  testing::internal::CaptureStdout();
  detent::TimerService timers(reactor);
  auto once = timers.after(250ms, [] { std::puts("now"); });
  auto tick = timers.every(1s, [](const detent::Tick& t) { use(t.expirations); });
  clock.advance(3s);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "now\n");
  EXPECT_EQ(used_ticks, 3U);
}

TEST(HeadersPage, L2_AnObjectIsRetiredInACallThatItMakes) {
  class LineSource : public Retirable {
   public:
    explicit LineSource(bool& lives) : lives_(lives) { lives_ = true; }
    ~LineSource() override { lives_ = false; }

   private:
    bool& lives_;
  };
  struct Owner {
    explicit Owner(Reactor& reactor) : reactor_(reactor) {}
    void on_line(std::string_view line) {  // `parser_` calls it, and is a Retirable
      if (line == "quit") reactor_.retire(std::move(parser_));  // it is running: destroyed later
    }
    Reactor& reactor_;
    bool lives_ = false;
    std::unique_ptr<LineSource> parser_ = std::make_unique<LineSource>(lives_);
  };
  Reactor reactor;
  Owner owner(reactor);
  reactor.post([&] {
    owner.on_line("quit");
    EXPECT_TRUE(owner.lives_);
  });
  static_cast<void>(reactor.run_once());
  EXPECT_FALSE(owner.lives_);
}

// ---- net

TEST(HeadersPage, N2_BytesWaitInAQueue) {
  SocketPair pair = make_socket_pair();
  Socket socket = Socket::adopt(std::move(pair.near));
  ByteQueue queue;
  queue.append("hello");
  queue.take(socket.write(std::as_bytes(std::span(queue.front()))).size);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(take(pair.far.fd()), "hello");
}

class HeadersPageNet : public testing::Test {
 protected:
  Reactor reactor;
  TimerService timers{reactor};
};

TEST_F(HeadersPageNet, N3_AConnectionTellsWhatArrivesAndThatItIsOver) {
  SocketPair pair = make_socket_pair();
  Socket socket = Socket::adopt(std::move(pair.near));
  bool forgotten = false;
  const auto forget = [&](std::error_code) { forgotten = true; };
  detent::Connection connection(
      timers, detent::make_stream(reactor, std::move(socket)),
      {.on_data = [](detent::Connection& c, std::string_view bytes) { c.write(bytes); },
       .on_closed = [&](detent::Connection&, std::error_code e) { forget(e); }});
  connection.write("hello\n");
  EXPECT_EQ(take(pair.far.fd()), "hello\n");
  put(pair.far.fd(), "you too\n");
  static_cast<void>(reactor.run_once());
  EXPECT_EQ(take(pair.far.fd()), "you too\n");
  EXPECT_FALSE(forgotten);
}

TEST_F(HeadersPageNet, N2_AStreamIsMadeOfASocketAndBecomesAConnection) {
  SocketPair pair = make_socket_pair();
  Socket socket = Socket::adopt(std::move(pair.near));
  ConnectionHandlers handlers;
  std::unique_ptr<detent::Stream> stream = detent::make_stream(reactor, std::move(socket));
  detent::Connection connection(timers, std::move(stream), std::move(handlers));
  connection.write("hello");
  EXPECT_EQ(take(pair.far.fd()), "hello");
}

TEST_F(HeadersPageNet, N2_PiecesAreWrittenInOneCall) {
  struct : Stream::User {
    void on_bytes(std::span<const std::byte>, std::span<UniqueFd>) override {}
    void on_room() override {}
    void on_end() override {}
    void on_error(std::error_code) override {}
  } user;
  SocketPair pair = make_socket_pair();
  const std::unique_ptr<Stream> stream = adopt(reactor, std::move(pair.near));
  stream->start(user);
  const std::string header = "header ";
  const std::string body = "body";
  const std::array answer = {detent::Piece(header), detent::Piece(body)};
  detent::Written written = stream->write(answer);  // written.size of them are on their way
  EXPECT_EQ(written.size, 11U);
  EXPECT_EQ(take(pair.far.fd()), "header body");
}

TEST_F(HeadersPageNet, N9_ANetworkListensAndConnects) {
  Network& network = kernel_network();
  const Endpoint endpoint = Endpoint::parse("127.0.0.1:0");
  int streams = 0;
  const auto serve = [&](const std::unique_ptr<Stream>&) { ++streams; };
  const auto on_connected = [&](const std::unique_ptr<Stream>&, std::error_code) { ++streams; };
  auto acceptor = network.listen(
      reactor, endpoint, {}, [&](std::unique_ptr<detent::Stream> stream, std::error_code error) {
        if (!error) serve(std::move(stream));
      });
  detent::Handle attempt = network.connect(reactor, acceptor->local(), {}, on_connected);
  EXPECT_TRUE(run_until(reactor, [&] { return streams == 2; }));
}

TEST_F(HeadersPageNet, N9_AConnectorFindsTheAddressThatAnswers) {
  const Socket listening = Socket::listen(Endpoint::parse("127.0.0.1:0"));
  const std::array endpoints = {Endpoint::parse("unix:/nonexistent/socket"),
                                listening.local_endpoint()};
  std::unique_ptr<Stream> served;
  const auto serve = [&](std::unique_ptr<Stream> stream) { served = std::move(stream); };
  const auto report = [](std::error_code error) { ADD_FAILURE() << error.message(); };
  detent::Connector connector(timers,
                              [&](std::unique_ptr<detent::Stream> stream, std::error_code error) {
                                error ? report(error) : serve(std::move(stream));
                              });
  connector.add(endpoints);  // may be called again, as a resolver finds more
  connector.no_more();
  EXPECT_TRUE(run_until(reactor, [&] { return served != nullptr; }));
  EXPECT_EQ(served->peer(), listening.local_endpoint());
}

TEST(HeadersPage, N1_AnEndpointIsReadAndWritten) {
  testing::internal::CaptureStdout();
  auto web = detent::Endpoint::parse("[::1]:80");
  auto control = detent::Endpoint::parse("unix:/run/control.sock");
  auto all = detent::Endpoint::ipv4("0.0.0.0", 8080);
  std::cout << web.to_string();  // [::1]:80
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "[::1]:80");
  EXPECT_EQ(control.to_string(), "unix:/run/control.sock");
  EXPECT_EQ(all.to_string(), "0.0.0.0:8080");
}

TEST(HeadersPage, N5_LinesAreCutFromAStream) {
  std::vector<std::string> lines;
  bool closed = false;
  const auto handle = [&](std::string_view line) { lines.emplace_back(line); };
  const auto close_connection = [&] { closed = true; };
  const std::string bytes = "one\r\ntwo\nand " + std::string(2000, 'x');
  detent::LineParser parser(1024);
  parser.append(bytes);  // as they arrive
  while (auto line = parser.next()) handle(*line);
  if (parser.too_long()) close_connection();
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two"}));
  EXPECT_TRUE(closed);
}

TEST_F(HeadersPageNet, N5_ALineServerAnswersEachLine) {
  const std::string address = "127.0.0.1:0";
  detent::LineServer server(timers, detent::Endpoint::parse(address),  // "127.0.0.1:1234"
                            [](detent::Connection& client, std::string_view line) {
                              client.write("you said: " + std::string(line) + "\n");
                            });
  const Socket client = Socket::connect(server.endpoint());
  wait_for(client.fd(), POLLOUT);
  put(client.fd(), "hello\n");
  ASSERT_TRUE(run_until(reactor, [&] { return is_readable(client.fd()); }));
  EXPECT_EQ(take(client.fd()), "you said: hello\n");
}

TEST_F(HeadersPageNet, N1_AListenerHandsOutConnections) {
  const std::string address = "127.0.0.1:0";
  int served = 0;
  const auto serve = [&](const Socket&, const Endpoint&) { ++served; };
  detent::Listener listener(
      timers, detent::Endpoint::parse(address),  // "127.0.0.1:1234"
      [&](detent::Socket socket, const detent::Endpoint& peer) { serve(std::move(socket), peer); });
  const Socket client = Socket::connect(listener.endpoint());
  static_cast<void>(reactor.run_once());
  EXPECT_EQ(served, 1);
}

TEST_F(HeadersPageNet, N1_WhatOnAcceptLeavesToTheListener) {
  std::vector<std::unique_ptr<Connection>> clients;
  const auto make_client = [](detent::Socket) -> std::unique_ptr<Connection> {
    throw LimitReached(std::make_error_code(std::errc::no_space_on_device));
  };
  detent::Listener listener(
      timers, detent::Endpoint::parse("127.0.0.1:0"),
      [&](detent::Socket socket, const detent::Endpoint&) {
        clients.push_back(make_client(std::move(socket)));  // may throw LimitReached: leave it
      });
  const Socket client = Socket::connect(listener.endpoint());
  static_cast<void>(reactor.run_once());
  EXPECT_EQ(listener.counters().shed, 1U);
}

TEST(HeadersPage, N1_AnErrorSaysWhichLimitItWas) {
  int asked = 0;
  const auto ask_for_another_server = [&] { ++asked; };
  ListenerOptions options;
  options.on_trouble = [&](std::error_code error) {
    if (error == detent::NetError::too_many_clients) ask_for_another_server();
  };
  options.on_trouble(NetError::too_many_clients);
  options.on_trouble(NetError::too_many_clients_of_address);
  EXPECT_EQ(asked, 1);
}

TEST(HeadersPage, N3_ASocketIsConnectedAndWrittenTo) {
  const Socket listening = Socket::listen(Endpoint::parse("127.0.0.1:0"));
  const std::string address = listening.local_endpoint().to_string();
  const std::span<const std::byte> bytes = std::as_bytes(std::span(std::string_view("hello")));
  const auto report = [](std::error_code error) { ADD_FAILURE() << error.message(); };
  const auto wait_until_writable = [](const Socket& s) { wait_for(s.fd(), POLLOUT); };
  auto socket = detent::Socket::connect(detent::Endpoint::parse(address));
  wait_until_writable(socket);  // with a watch, or poll(2)
  if (std::error_code error = socket.take_error()) report(error);
  detent::Socket::Result result = socket.write(bytes);  // result.size of them are on their way
  EXPECT_EQ(result.size, 5U);
}

}  // namespace
}  // namespace detent
