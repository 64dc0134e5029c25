// SPDX-License-Identifier: BSL-1.0
// How many clients a listener has at a time, in all and of one address.
#include <sys/socket.h>

#include "client_book.h"
#include "detent/limit_reached.h"
#include "detent/line_server.h"
#include "detent/listener.h"
#include "detent/net_error.h"
#include "support/allocations.h"
#include "support/at_the_end.h"
#include "support/connected_pair.h"
#include "support/listener_fixture.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

constexpr int kTooMany = static_cast<int>(NetError::too_many_clients);
constexpr int kTooManyOfAddress = static_cast<int>(NetError::too_many_clients_of_address);

class ClientLimitsOnEveryPoller : public ListenerFixture {
 protected:
  ClientLimitsOnEveryPoller() {
    troubles_.reserve(100);
    admit();
  }
  // Each client that is handed over is kept.
  void admit() {
    then_ = [this] {
      if (Admission admission = listener_->take_admission()) {
        admissions_.push_back(std::move(admission));
      }
    };
  }
  void listen_anywhere(ListenerOptions options) {
    listen(Endpoint::ipv4("0.0.0.0", 0), std::move(options));
  }
  // A client that has this address of the machine.
  void connect_from(const char* address) {
    UniqueFd fd = make_tcp_socket();
    const Endpoint from = Endpoint::ipv4(address, 0);
    checked(::bind(fd.fd(), reinterpret_cast<const sockaddr*>(from.native().data()),
                   static_cast<socklen_t>(from.native().size())),
            "bind");
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(listener_->endpoint().port());
    checked(connect_to(fd.fd(), to), "connect");
    clients_.push_back(Socket::adopt(std::move(fd)));
  }
  [[nodiscard]] const Listener::Counters& counters() const { return listener_->counters(); }
  [[nodiscard]] bool run_until_shed(std::uint64_t count) {
    return run_until([&] { return counters().shed == count; });
  }
  [[nodiscard]] bool run_until_admitted(std::size_t count) {
    return run_until([&] { return admissions_.size() == count; });
  }

  std::vector<Admission> admissions_;
};
DETENT_ON_EVERY_POLLER(ClientLimitsOnEveryPoller);

// ---- in all

TEST_P(ClientLimitsOnEveryPoller, N1_AtMaxClientsOneIsTurnedAwayOneIsToldAndTheListenerRests) {
  listen(unused_name(), {.max_clients = 2});
  connect_clients(5);
  EXPECT_EQ(turn(), 3U);
  EXPECT_EQ(accepted_.size(), 2U);
  EXPECT_TRUE(was_turned_away(2));
  EXPECT_FALSE(was_turned_away(3));
  EXPECT_EQ(troubles_, std::vector{kTooMany});
  EXPECT_EQ(counters().accepted, 2U);
  EXPECT_EQ(counters().shed, 1U);
  EXPECT_EQ(counters().episodes, 1U);
  EXPECT_TRUE(is_quiet()) << "it does not rest";
}

TEST_P(ClientLimitsOnEveryPoller, N1_AtMaxClientsTheRestGrowsAndIsToldOnce) {
  listen(unused_name(), {.max_clients = 1});
  connect_clients(12);
  turn();
  std::uint64_t shed = 1;
  for (const Duration rest :
       std::vector<Duration>{10ms, 20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1s, 1s}) {
    SCOPED_TRACE(rest.count());
    clock_.advance(rest - 1ns);
    EXPECT_EQ(counters().shed, shed);
    clock_.advance(1ns);
    EXPECT_EQ(counters().shed, ++shed);
  }
  EXPECT_EQ(troubles_.size(), 1U);
}

TEST_P(ClientLimitsOnEveryPoller, N1_WhenAClientGoesTheNextIsAcceptedAtOnce) {
  listen(unused_name(), {.max_clients = 2});
  connect_clients(4);
  turn();
  admissions_.pop_back();
  turn();
  EXPECT_EQ(accepted_.size(), 3U);
  EXPECT_FALSE(was_turned_away(3));
  EXPECT_TRUE(is_quiet());
}

TEST_P(ClientLimitsOnEveryPoller, N1_WhileEachPlaceIsTakenAtOnceItIsOneEpisode) {
  listen(unused_name(), {.max_clients = 2});
  connect_clients(2);
  for (int i = 0; i < 10; ++i) {
    connect_clients(2);
    turn();
    EXPECT_EQ(admissions_.size(), 2U);
    admissions_.pop_back();
  }
  EXPECT_EQ(counters().shed, 10U);
  EXPECT_EQ(troubles_.size(), 1U);

  admissions_.clear();
  connect_clients(1);
  turn();
  connect_clients(2);
  turn();
  EXPECT_EQ(troubles_.size(), 2U) << "there was room for two";
}

TEST_P(ClientLimitsOnEveryPoller, N6_APlaceThatBecomesFreeDoesNotResumeAPausedListener) {
  listen(unused_name(), {.max_clients = 1});
  connect_clients(3);
  turn();
  listener_->pause();
  admissions_.clear();
  clock_.advance(10s);
  EXPECT_TRUE(costs_no_turns(reactor_));
  listener_->resume();
  turn();
  EXPECT_EQ(accepted_.size(), 2U);
}

TEST_P(ClientLimitsOnEveryPoller, N1_APlaceThatBecomesFreeEndsNoOtherRest) {
  listen(unused_name(), {.max_clients = 2});
  connect_clients(1);
  turn();
  then_ = [&] {
    if (!troubles_.empty()) return;
    admissions_.push_back(listener_->take_admission());
    throw LimitReached(std::make_error_code(std::errc::not_enough_memory));
  };
  connect_clients(2);
  turn();
  EXPECT_EQ(admissions_.size(), 2U);
  admissions_.clear();
  EXPECT_TRUE(costs_no_turns(reactor_));
  admit();
  clock_.advance(10ms);
  EXPECT_EQ(admissions_.size(), 1U);
}

// ---- who counts

TEST_P(ClientLimitsOnEveryPoller, N1_AClientWhoseAdmissionWasNotTakenDoesNotCount) {
  listen(unused_name(), {.max_clients = 1});
  then_ = {};
  connect_clients(10);
  EXPECT_EQ(turn(), 10U);
  EXPECT_EQ(counters().accepted, 10U);
  EXPECT_FALSE(listener_->take_admission());
}

TEST_P(ClientLimitsOnEveryPoller, N1_AClientWhoseOnAcceptThrewDoesNotCount) {
  listen(unused_name(), {.max_clients = 1});
  then_ = [] { throw std::runtime_error("from on_accept"); };
  for (int i = 0; i < 5; ++i) {
    connect_clients();
    EXPECT_THROW(turn(), std::runtime_error);
  }
  then_ = [&] {
    if (troubles_.empty()) throw LimitReached(std::make_error_code(std::errc::not_enough_memory));
  };
  connect_clients();
  turn();
  admit();
  connect_clients();
  clock_.advance(10ms);
  EXPECT_EQ(admissions_.size(), 1U);
}

TEST_P(ClientLimitsOnEveryPoller, N1_AnAdmissionIsTakenOnceAndOnlyWhereThereAreLimits) {
  listen(unused_name(), {.max_clients = 5});
  then_ = [&] {
    EXPECT_TRUE(listener_->take_admission());
    EXPECT_FALSE(listener_->take_admission());
  };
  connect_clients();
  EXPECT_EQ(turn(), 1U);
  listen();
  then_ = [&] { EXPECT_FALSE(listener_->take_admission()); };
  connect_clients();
  EXPECT_EQ(turn(), 1U);
}

TEST_P(ClientLimitsOnEveryPoller, N1_ALineServerCountsItsClients) {
  LineServerOptions options;
  options.listener.max_clients = 2;
  LineServer server(timers_, unused_name(), std::move(options),
                    [](Connection&, std::string_view) {});
  std::vector<Socket> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(Socket::connect(server.endpoint()));
  turn();
  EXPECT_EQ(server.connections(), 2U);
  EXPECT_EQ(server.listener().counters().shed, 1U);
  clients.front() = Socket();
  EXPECT_TRUE(run_until([&] { return server.listener().counters().accepted == 3; }));
  EXPECT_EQ(server.connections(), 2U);
}

// ---- of one address

TEST_P(ClientLimitsOnEveryPoller, N1_AnAddressWithTooManyClientsIsToldAndOthersAreAccepted) {
  listen_anywhere({.clients_per_address = 2});
  for (int i = 0; i < 5; ++i) connect_from("127.0.0.1");
  connect_from("127.0.0.2");
  EXPECT_TRUE(run_until_admitted(3));
  EXPECT_EQ(counters().shed, 3U);
  EXPECT_EQ(counters().shed_by_address, 3U);
  EXPECT_EQ(counters().accepted, 3U);
  EXPECT_EQ(troubles_, std::vector{kTooManyOfAddress}) << "told once, and without a rest";
  for (const std::size_t client : {2U, 3U, 4U}) EXPECT_TRUE(was_turned_away(client));
  EXPECT_EQ(peers_.back().with_port(0), Endpoint::ipv4("127.0.0.2", 0));
}

TEST_P(ClientLimitsOnEveryPoller, N1_AnAddressIsToldAgainOnceItWasBelowItsLimit) {
  listen_anywhere({.clients_per_address = 2});
  connect_from("127.0.0.1");
  for (std::size_t episode = 1; episode <= 3; ++episode) {
    connect_from("127.0.0.1");
    EXPECT_TRUE(run_until_admitted(2));
    for (int i = 0; i < 3; ++i) connect_from("127.0.0.1");
    EXPECT_TRUE(run_until_shed(3 * episode));
    EXPECT_EQ(troubles_.size(), episode);
    EXPECT_EQ(counters().episodes, episode);
    admissions_.pop_back();
  }
}

TEST_P(ClientLimitsOnEveryPoller, N1_BothLimitsHoldTogether) {
  listen_anywhere({.max_clients = 3, .clients_per_address = 2});
  for (int i = 0; i < 3; ++i) connect_from("127.0.0.1");
  for (int i = 0; i < 2; ++i) connect_from("127.0.0.2");
  EXPECT_TRUE(run_until_shed(2));
  EXPECT_EQ(admissions_.size(), 3U);
  EXPECT_EQ(troubles_, (std::vector{kTooManyOfAddress, kTooMany}));
}

// All of them would have the same first 64 bits.
TEST_P(ClientLimitsOnEveryPoller, N1_IPv4ClientsOfADualStackListenerCountByTheirAddress) {
  listen(Endpoint::ipv6("::", 0), {.socket = {.ipv6_only = false}, .clients_per_address = 1});
  connect_from("127.0.0.1");
  connect_from("127.0.0.2");
  connect_from("127.0.0.1");
  EXPECT_TRUE(run_until_shed(1));
  EXPECT_EQ(admissions_.size(), 2U);
  EXPECT_TRUE(was_turned_away(2));
}

TEST_P(ClientLimitsOnEveryPoller, N1_ClientsOfAUnixSocketHaveNoAddress) {
  listen(unused_name(), {.clients_per_address = 1});
  connect_clients(10);
  EXPECT_EQ(turn(), 10U);
  EXPECT_EQ(admissions_.size(), 10U);
}

TEST_P(ClientLimitsOnEveryPoller, N1_AFloodOfOneAddressIsTurnedAwayInPortions) {
  listen_anywhere({.accepts_per_turn = 4, .clients_per_address = 1});
  for (int i = 0; i < 40; ++i) connect_from("127.0.0.1");
  const std::uint64_t before = counters().shed;
  turn();
  EXPECT_LE(counters().shed - before, 4U);
  EXPECT_TRUE(run_until_shed(39));
}

// ---- what it costs

TEST_P(ClientLimitsOnEveryPoller, N1_OnlyTheFirstClientOfAnAddressAllocates) {
  accepted_.reserve(10);
  peers_.reserve(10);
  admissions_.reserve(10);
  listen_anywhere({.clients_per_address = 5});
  connect_from("127.0.0.1");
  EXPECT_TRUE(run_until_admitted(1));
  for (int i = 0; i < 3; ++i) {
    connect_from("127.0.0.1");
    EXPECT_EQ(allocations_in([&] { EXPECT_TRUE(run_until_admitted(2)); }), 0U);
    admissions_.pop_back();
  }
}

TEST_P(ClientLimitsOnEveryPoller, N1_AnAddressForWhichThereIsNoMemoryIsTurnedAway) {
  listen_anywhere({.clients_per_address = 5});
  then_ = [&] {  // a rest before, for which the loop and the timer get their memory
    if (troubles_.empty()) throw LimitReached(NetError::too_many_clients);
  };
  connect_from("127.0.0.1");
  EXPECT_TRUE(run_until_shed(1));
  clock_.advance(10ms);
  connect_from("127.0.0.1");
  EXPECT_TRUE(run_until([&] { return counters().accepted == 1; }));
  admit();

  connect_from("127.0.0.1");
  {
    const OutOfMemory none;
    EXPECT_TRUE(run_until_shed(2));
  }
  EXPECT_EQ(troubles_.back(), ENOMEM);
  connect_from("127.0.0.1");
  clock_.advance(10ms);
  EXPECT_TRUE(run_until_admitted(1));
}

// ---- lifetimes

TEST_P(ClientLimitsOnEveryPoller, L5_AnAdmissionMayOutliveItsListener) {
  listen(unused_name(), {.max_clients = 2});
  connect_clients(3);
  turn();
  admissions_.pop_back();
  listener_.reset();
  EXPECT_FALSE(admissions_.front());
  admissions_.clear();
}

TEST_P(ClientLimitsOnEveryPoller, L2_AClientMayGoWhileItsListenerIsClosed) {
  listen(unused_name(), {.max_clients = 1});
  connect_clients(2);
  turn();
  listener_->close();
  admissions_.clear();
  clock_.advance(10s);
  EXPECT_TRUE(is_quiet());
}

TEST_P(ClientLimitsOnEveryPoller, L2_OnTroubleMayDestroyTheListenerAtEachLimit) {
  for (const bool by_address : {false, true}) {
    troubles_.clear();
    admissions_.clear();
    admit();
    listen_anywhere(by_address ? ListenerOptions{.clients_per_address = 1}
                               : ListenerOptions{.max_clients = 1});
    connect_from("127.0.0.1");
    EXPECT_TRUE(run_until_admitted(1));
    then_ = [&] { listener_.reset(); };
    connect_from("127.0.0.1");
    EXPECT_TRUE(run_until([&] { return listener_ == nullptr; }));
    EXPECT_EQ(troubles_.size(), 1U);
  }
}

TEST_P(ClientLimitsOnEveryPoller, L2_OnAcceptMayTakeTheAdmissionAndDestroyTheListener) {
  listen(unused_name(), {.max_clients = 5});
  then_ = [&] {
    admissions_.push_back(listener_->take_admission());
    listener_.reset();
  };
  connect_clients(2);
  EXPECT_EQ(turn(), 1U);
  EXPECT_FALSE(admissions_.front());
}

TEST_P(ClientLimitsOnEveryPoller, L2_OnAcceptMayEndTheOnlyOtherClient) {
  listen(unused_name(), {.max_clients = 2});
  then_ = [&] {
    admissions_.clear();
    admissions_.push_back(listener_->take_admission());
  };
  connect_clients(10);
  EXPECT_EQ(turn(), 10U);
  EXPECT_EQ(counters().shed, 0U);
}

TEST_P(ClientLimitsOnEveryPoller, L7_ACaptureMayEndAClientWhileTheListenerGoes) {
  std::vector<Admission> admissions;
  std::unique_ptr<Listener> listener;
  listener = std::make_unique<Listener>(
      timers_, unused_name(), ListenerOptions{.max_clients = 1},
      [&, ends = at_the_end([&] { admissions.clear(); })](const Socket&, const Endpoint&) {
        admissions.push_back(listener->take_admission());
      });
  clients_.push_back(Socket::connect(listener->endpoint()));
  clients_.push_back(Socket::connect(listener->endpoint()));
  turn();
  EXPECT_EQ(admissions.size(), 1U);
  listener.reset();
  EXPECT_TRUE(admissions.empty());
}

TEST_P(ClientLimitsOnEveryPoller, AnOptionOutOfItsRangeIsAnInvalidArgument) {
  EXPECT_THROW(listen(unused_name(), {.max_clients = 0}), std::invalid_argument);
  EXPECT_THROW(listen(unused_name(), {.clients_per_address = 0}), std::invalid_argument);
  for (const unsigned prefix : {0U, 129U}) {
    EXPECT_THROW(listen(unused_name(), {.ipv6_prefix = prefix}), std::invalid_argument);
  }
}

// ---- which addresses are one

bool is_one(std::string_view left, std::string_view right, unsigned prefix = 64) {
  const auto counted = [&](std::string_view text) {
    return counted_address(
        text.find('.') < text.find(':') ? Endpoint::ipv4(text, 1) : Endpoint::ipv6(text, 2),
        prefix);
  };
  return counted(left) == counted(right);
}

TEST(CountedAddress, N1_OfIPv6TheFirst64BitsCount) {
  EXPECT_TRUE(is_one("2001:db8:1:2::1", "2001:db8:1:2:ffff::"));
  EXPECT_FALSE(is_one("2001:db8:1:2::1", "2001:db8:1:3::1"));
}

TEST(CountedAddress, N1_OrSoManyAsTheOptionSays) {
  EXPECT_FALSE(is_one("2001:db8::1", "2001:db8::2", 128));
  EXPECT_TRUE(is_one("2001:db8::2", "2001:db8::3", 127));
  EXPECT_FALSE(is_one("2001:db8::2", "2001:db8::4", 126));
  EXPECT_TRUE(is_one("2001:db8:1::", "2001:db8:2::", 32));
  EXPECT_TRUE(is_one("8000::", "ffff::", 1));
  EXPECT_FALSE(is_one("8000::", "7fff::", 1));
}

TEST(CountedAddress, N1_OfIPv4TheWholeAddressCountsAndAMappedOneIsTheSame) {
  for (const unsigned prefix : {1U, 64U, 128U}) {
    EXPECT_FALSE(is_one("10.0.0.1", "10.0.0.2", prefix));
    EXPECT_TRUE(is_one("10.0.0.1", "::ffff:10.0.0.1", prefix));
    EXPECT_FALSE(is_one("::ffff:10.0.0.1", "::ffff:10.0.0.2", prefix));
  }
}

TEST(CountedAddress, N1_NeighboursOnALinkAreNotOne) {
  EXPECT_FALSE(is_one("fe80::1%1", "fe80::2%1"));
  EXPECT_FALSE(is_one("fe80::1%1", "fe80::1%2"));
  EXPECT_TRUE(is_one("fe80::1%1", "fe80::1%1"));
}

TEST(CountedAddress, N1_AUnixSocketHasNone) {
  EXPECT_FALSE(counted_address(Endpoint::parse("unix:/run/a"), 64));
  EXPECT_FALSE(counted_address(Endpoint(), 64));
}

// ---- the codes

TEST(NetErrors, N1_SayWhichLimitItWas) {
  const std::error_code error = NetError::too_many_clients;
  EXPECT_EQ(error, NetError::too_many_clients);
  EXPECT_NE(error, NetError::too_many_clients_of_address);
  EXPECT_EQ(error.message(), "too many clients");
  EXPECT_EQ(make_error_code(NetError::too_many_clients_of_address).message(),
            "too many clients of one address");
  EXPECT_STREQ(net_category().name(), "detent.net");
  EXPECT_EQ(net_category().message(99), "unknown error 99");
}

}  // namespace
}  // namespace detent
