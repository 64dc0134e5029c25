// SPDX-License-Identifier: BSL-1.0
// A listener that is paused and closed, and the sockets that it listens with.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "detent/limit_reached.h"
#include "detent/line_server.h"
#include "detent/listener.h"
#include "support/at_the_end.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/in_phase.h"
#include "support/listener_fixture.h"
#include "support/processes.h"
#include "support/standard.h"
#include "support/temporary_folder.h"

namespace detent {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

// How a connect ends, once it has.
std::error_code result_of(Socket socket) {
  wait_for(socket.fd(), POLLOUT);
  return socket.take_error();
}

std::error_code result_of_connecting(const Endpoint& endpoint) {
  return result_of(Socket::connect(endpoint));
}

class ListenerStateOnEveryPoller : public ListenerFixture {
 protected:
  void make_it_rest() {
    then_ = [&] {
      if (!troubles_.empty()) return;
      throw LimitReached(std::make_error_code(std::errc::not_enough_memory));
    };
    connect_clients();
    EXPECT_EQ(turn(), 2U);
    then_ = {};
    accepted_.clear();
  }

  const Endpoint any_port_ = Endpoint::ipv4("127.0.0.1", 0);
  const TemporaryFolder folder_;
  const Endpoint path_ = Endpoint::parse("unix:" + folder_ / "socket");
};
DETENT_ON_EVERY_POLLER(ListenerStateOnEveryPoller);

// ---- paused

TEST_P(ListenerStateOnEveryPoller, N6_WhileItIsPausedClientsWaitInTheBacklog) {
  for (const Endpoint& endpoint : {unused_name(), any_port_}) {
    SCOPED_TRACE(endpoint.to_string());
    accepted_.clear();
    listen(endpoint);
    listener_->pause();
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(result_of_connecting(listener_->endpoint()));
    EXPECT_TRUE(is_quiet());
    listener_->resume();
    EXPECT_TRUE(run_until([&] { return accepted_.size() == 3; }));
  }
}

TEST_P(ListenerStateOnEveryPoller, N6_PausedInOnAcceptItAcceptsNoMoreInThisTurn) {
  then_ = [&] { listener_->pause(); };
  listen();
  connect_clients(3);
  for (std::size_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(turn(), 1U);
    EXPECT_EQ(accepted_.size(), i);
    EXPECT_TRUE(is_quiet());
    listener_->resume();
  }
}

TEST_P(ListenerStateOnEveryPoller, N6_PausedInOnAcceptThatThrowsItIsNotServedAgain) {
  then_ = [&] {
    listener_->pause();
    throw std::runtime_error("from on_accept");
  };
  listen();
  connect_clients(2);
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_TRUE(is_quiet());
  then_ = {};
  listener_->resume();
  EXPECT_EQ(turn(), 1U);
}

TEST_P(ListenerStateOnEveryPoller, N6_PausedInAnyPhaseOfATurnItAcceptsNoMore) {
  for (const int phase : InPhase::kAll) {
    SCOPED_TRACE(phase);
    accepted_.clear();
    listen();
    connect_clients();
    std::size_t before = 0;
    std::optional<InPhase> pauser(std::in_place, reactor_, phase, [&] {
      listener_->pause();
      before = accepted_.size();
    });
    turn();
    pauser.reset();
    EXPECT_TRUE(is_quiet());
    EXPECT_EQ(accepted_.size(), before);
    listener_->resume();
    turn();
    EXPECT_EQ(accepted_.size(), 1U);
  }
}

TEST_P(ListenerStateOnEveryPoller, N6_PausingAndResumingTwiceIsAsOnce) {
  listen();
  connect_clients();
  listener_->resume();
  listener_->pause();
  listener_->pause();
  EXPECT_TRUE(is_quiet());
  listener_->resume();
  listener_->resume();
  EXPECT_EQ(turn(), 1U);
}

TEST_P(ListenerStateOnEveryPoller, N6_ARestThatEndsDoesNotResumeAPausedListener) {
  listen();
  make_it_rest();
  connect_clients();
  listener_->pause();
  clock_.advance(10s);
  EXPECT_TRUE(costs_no_turns(reactor_));
  EXPECT_TRUE(accepted_.empty());
  listener_->resume();
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(accepted_.size(), 1U);
}

TEST_P(ListenerStateOnEveryPoller, N6_ResumingDoesNotEndARest) {
  listen();
  make_it_rest();
  connect_clients();
  listener_->pause();
  listener_->resume();
  EXPECT_TRUE(costs_no_turns(reactor_));
  clock_.advance(10ms - 1ns);
  EXPECT_TRUE(accepted_.empty());
  clock_.advance(1ns);
  EXPECT_EQ(accepted_.size(), 1U);
}

TEST_P(ListenerStateOnEveryPoller, O7_AnotherThreadMayNeitherPauseNorResumeIt) {
  listen();
  std::thread([&] {
    EXPECT_THROW(listener_->pause(), std::logic_error);
    EXPECT_THROW(listener_->resume(), std::logic_error);
  }).join();
  connect_clients();
  EXPECT_EQ(turn(), 1U);
}

// ---- closed

TEST_P(ListenerStateOnEveryPoller, N6_AClosedListenerTurnsAwayWhoWaitsAndWhoComes) {
  for (const Endpoint& at : {unused_name(), path_, any_port_}) {
    SCOPED_TRACE(at.to_string());
    const DescriptorsBefore before;
    listen(at);
    const Endpoint endpoint = listener_->endpoint();
    connect_clients();
    wait_for(clients_.back().fd(), POLLOUT);
    listener_->close();
    EXPECT_FALSE(listener_->is_open());
    wait_for(clients_.back().fd(), POLLIN);
    char byte = 0;
    EXPECT_LE(::recv(clients_.back().fd(), &byte, 1, MSG_DONTWAIT), 0);
    EXPECT_TRUE(result_of_connecting(endpoint));
    EXPECT_EQ(listener_->endpoint(), endpoint);

    listener_->close();
    listener_->pause();
    listener_->resume();
    clock_.advance(10s);
    EXPECT_TRUE(is_quiet());
    clients_.clear();
    EXPECT_TRUE(before.opened_since().empty());
  }
  EXPECT_TRUE(accepted_.empty());
}

TEST_P(ListenerStateOnEveryPoller, N6_OnAcceptMayCloseIt) {
  then_ = [&] { listener_->close(); };
  listen();
  connect_clients(5);
  EXPECT_EQ(turn(), 1U);
  EXPECT_TRUE(is_quiet());
  EXPECT_EQ(accepted_.size(), 1U);
  EXPECT_FALSE(was_turned_away(0)) << "closing ends no connection";
  EXPECT_EQ(listener_->counters().accepted, 1U);
}

TEST_P(ListenerStateOnEveryPoller, N6_OnTroubleMayCloseIt) {
  listen();
  bool closed = false;
  then_ = [&] {
    if (troubles_.empty()) throw LimitReached(std::make_error_code(std::errc::not_enough_memory));
    listener_->close();
    closed = true;
  };
  connect_clients(5);
  EXPECT_EQ(turn(), 2U);
  EXPECT_TRUE(closed);
  clock_.advance(10s);
  EXPECT_EQ(accepted_.size(), 1U);
}

TEST_P(ListenerStateOnEveryPoller, N6_OnAcceptMayCloseItAndThenReachALimit) {
  then_ = [&] {
    listener_->close();
    throw LimitReached(std::make_error_code(std::errc::not_enough_memory));
  };
  listen();
  connect_clients(2);
  EXPECT_EQ(turn(), 1U);
  clock_.advance(10s);
  EXPECT_TRUE(is_quiet());
  EXPECT_TRUE(troubles_.empty());
}

TEST_P(ListenerStateOnEveryPoller, N6_ClosingARestingListenerEndsTheRest) {
  listen();
  make_it_rest();
  listener_->close();
  clock_.advance(10s);
  EXPECT_TRUE(is_quiet());
}

// On every poller: one that keeps a file open until its next wait would keep the endpoint.
TEST_P(ListenerStateOnEveryPoller, N6_TheNextMayListenThereInTheCallbackThatClosed) {
  for (const Endpoint& at : {unused_name(), path_, any_port_}) {
    SCOPED_TRACE(at.to_string());
    accepted_.clear();
    std::unique_ptr<Listener> next;
    listen(at);
    then_ = [&] {
      if (next) return;
      listener_->close();
      next = std::make_unique<Listener>(timers_, listener_->endpoint(), on_accept());
    };
    connect_clients();
    EXPECT_TRUE(run_until([&] { return next != nullptr; }));
    connect_clients();
    EXPECT_TRUE(run_until([&] { return accepted_.size() == 2; }));
  }
}

TEST_P(ListenerStateOnEveryPoller, L3_CapturesGoWhenItIsClosedAndMayDestroyIt) {
  std::unique_ptr<Listener> listener;
  auto ends = at_the_end([&] { listener.reset(); });
  listener = std::make_unique<Listener>(
      timers_, unused_name(), [ends = std::move(ends)](const Socket&, const Endpoint&) {});
  listener->close();
  EXPECT_EQ(listener, nullptr);
}

// ---- a socket that listened already

// As a service manager passes it on: blocking, and open across an exec.
UniqueFd listening_descriptor(const Endpoint& endpoint) {
  const int family = endpoint.family() == Endpoint::Family::ipv6   ? AF_INET6
                     : endpoint.family() == Endpoint::Family::ipv4 ? AF_INET
                                                                   : AF_UNIX;
  UniqueFd fd(checked(::socket(family, SOCK_STREAM, 0), "socket"));
  checked(::bind(fd.fd(), reinterpret_cast<const sockaddr*>(endpoint.native().data()),
                 static_cast<socklen_t>(endpoint.native().size())),
          "bind");
  checked(::listen(fd.fd(), 16), "listen");
  return fd;
}

TEST_P(ListenerStateOnEveryPoller, N6_AdoptsASocketThatListens) {
  for (const Endpoint& at : {any_port_, Endpoint::ipv6("::1", 0), unused_name(), path_}) {
    SCOPED_TRACE(at.to_string());
    accepted_.clear();
    UniqueFd fd = listening_descriptor(at);
    const int number = fd.fd();
    listen(Socket::adopt(std::move(fd)));
    EXPECT_TRUE(is_close_on_exec(number));
    EXPECT_NE(::fcntl(number, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(listener_->endpoint().family(), at.family());
    const Socket client = Socket::connect(listener_->endpoint());
    EXPECT_TRUE(run_until([&] { return accepted_.size() == 1; }));
    EXPECT_EQ(accepted_.front().peer_endpoint(), client.local_endpoint());
  }
  listener_->close();
  EXPECT_TRUE(std::filesystem::exists(path_.path())) << "whoever made the path may need it";
}

TEST_P(ListenerStateOnEveryPoller, N6_ASocketThatDoesNotListenIsRefusedAndClosed) {
  const DescriptorsBefore before;
  SocketPair pair = make_socket_pair();
  const int number = pair.near.fd();
  EXPECT_EQ(message_of<std::invalid_argument>([&] { listen(Socket::adopt(std::move(pair.near))); }),
            "Listener: descriptor " + std::to_string(number) + " is no socket that listens");
  UniqueFd unbound(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_THROW(listen(Socket::adopt(std::move(unbound))), std::invalid_argument);
  EXPECT_THROW(listen(Socket()), std::invalid_argument);
  pair.far.reset();
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_P(ListenerStateOnEveryPoller, N6_TwoMayShareOneListeningSocket) {
  Socket same = Socket::adopt(listening_descriptor(unused_name()));
  UniqueFd copy(::fcntl(same.fd(), F_DUPFD_CLOEXEC, 0));
  int others = 0;
  listen(std::move(same), {.accepts_per_turn = 1});
  const Listener other(timers_, Socket::adopt(std::move(copy)), {.accepts_per_turn = 1},
                       [&](const Socket&, const Endpoint&) { ++others; });
  connect_clients(10);
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(accepted_.size() + static_cast<std::size_t>(others), 10U);
  EXPECT_GT(others, 0);
  EXPECT_FALSE(accepted_.empty());
}

// ---- options of the socket

TEST_P(ListenerStateOnEveryPoller, N1_ADualStackListenerAcceptsBothFamilies) {
  listen(Endpoint::ipv6("::", 0), {.socket = {.ipv6_only = false}});
  const std::uint16_t port = listener_->endpoint().port();
  const Socket ipv4 = Socket::connect(Endpoint::ipv4("127.0.0.1", port));
  EXPECT_TRUE(run_until([&] { return accepted_.size() == 1; }));
  const Socket ipv6 = Socket::connect(Endpoint::ipv6("::1", port));
  EXPECT_TRUE(run_until([&] { return accepted_.size() == 2; }));
  EXPECT_EQ(peers_[0], Endpoint::ipv6("::ffff:127.0.0.1", ipv4.local_endpoint().port()));
  EXPECT_EQ(peers_[1], ipv6.local_endpoint());
  EXPECT_EQ(accepted_[0].peer_endpoint(), peers_[0]);
  EXPECT_EQ(error_of([&] { listen(Endpoint::ipv4("0.0.0.0", port)); }), std::errc::address_in_use);
}

TEST_P(ListenerStateOnEveryPoller, N1_TwoListenersServeBothFamiliesAtOnePort) {
  int others = 0;
  std::optional<Listener> ipv4;
  while (!ipv4) {  // another program may have the port that is free for IPv6
    listen(Endpoint::ipv6("::", 0));
    const std::error_code error = error_of([&] {
      ipv4.emplace(timers_, Endpoint::ipv4("0.0.0.0", listener_->endpoint().port()),
                   [&](const Socket&, const Endpoint&) { ++others; });
    });
    ASSERT_TRUE(!error || error == std::errc::address_in_use) << error.message();
  }
  EXPECT_FALSE(result_of_connecting(ipv4->endpoint()));
  EXPECT_FALSE(result_of_connecting(listener_->endpoint()));
  EXPECT_TRUE(run_until([&] { return others == 1 && accepted_.size() == 1; }));
}

// The kernel chooses by the client's port. So that one gets none of 64 is out of the question.
TEST_P(ListenerStateOnEveryPoller, N1_ListenersThatShareAPortShareItsClients) {
  listen(any_port_, {.socket = {.reuse_port = true}});
  Reactor reactor(on_poller(GetParam()));
  TimerService timers(reactor);
  std::size_t others = 0;
  const Listener other(timers, listener_->endpoint(), {.socket = {.reuse_port = true}},
                       [&](const Socket&, const Endpoint&) { ++others; });
  EXPECT_EQ(error_of([&] { const Listener third(timers, other.endpoint(), on_accept()); }),
            std::errc::address_in_use);
  connect_clients(64);
  EXPECT_TRUE(run_until([&] {
    reactor.dispatch();
    return accepted_.size() + others == 64;
  }));
  EXPECT_GT(others, 0U);
  EXPECT_FALSE(accepted_.empty());
}

TEST_P(ListenerStateOnEveryPoller, N1_AFullBacklogIsForTheClientToSeeAndEmptiesAgain) {
  listen(unused_name(), {.socket = {.backlog = 3}});
  std::error_code error;
  while (!error) {
    connect_clients();
    error = clients_.back().take_error();
  }
  EXPECT_EQ(error, std::errc::resource_unavailable_try_again);
  EXPECT_EQ(clients_.size(), 5U) << "the kernel lets in one more than the backlog";
  EXPECT_EQ(turn(), 4U);
  EXPECT_FALSE(result_of_connecting(listener_->endpoint()));
}

TEST_P(ListenerStateOnEveryPoller, N1_AServerMayRestartWhileItsOldConnectionsLinger) {
  listen(any_port_);
  connect_clients();
  EXPECT_TRUE(run_until([&] { return accepted_.size() == 1; }));
  accepted_.clear();  // this end closes first, so TIME_WAIT is here
  wait_for(clients_.back().fd(), POLLIN);
  clients_.clear();
  const Endpoint endpoint = listener_->endpoint();
  listener_->close();
  EXPECT_EQ(error_of([&] { listen(endpoint, {.socket = {.reuse_address = false}}); }),
            std::errc::address_in_use);
  listen(endpoint);
  EXPECT_FALSE(result_of_connecting(endpoint));
}

// ---- the path of a unix socket

TEST_P(ListenerStateOnEveryPoller, N8_AListenerRemovesItsPathWhenItClosesOrIsDestroyed) {
  listen(path_);
  listener_->close();
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  listen(path_);
  listener_.reset();
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_P(ListenerStateOnEveryPoller, N8_AListenerLeavesItsPathWhereTheOptionSaysSo) {
  listen(path_, {.socket = {.remove_dead_path = false}});
  listener_.reset();
  EXPECT_TRUE(std::filesystem::is_socket(path_.path()));
}

TEST_P(ListenerStateOnEveryPoller, N8_AListenerLeavesAPathAtWhichAnotherListens) {
  listen(path_);
  std::filesystem::remove(path_.path());
  const Socket other = Socket::listen(path_);
  listener_->close();
  EXPECT_FALSE(result_of_connecting(path_));
}

TEST_P(ListenerStateOnEveryPoller, N8_AListenerLeavesAFileThatIsNoSocket) {
  listen(path_);
  std::filesystem::remove(path_.path());
  std::ofstream(path_.path()) << "precious";
  listener_->close();
  EXPECT_EQ(std::filesystem::file_size(path_.path()), 8U);
}

// As when a successor was given the socket, or workers share it.
TEST_P(ListenerStateOnEveryPoller, N8_AListenerLeavesItsPathToWhoeverHasACopyOfItsSocket) {
  Socket copy;
  const DescriptorsBefore before;
  listen(path_);
  for (const int fd : before.opened_since()) {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0) {
      copy = Socket::adopt(UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)));
    }
  }
  listener_->close();
  EXPECT_FALSE(result_of_connecting(path_));
  EXPECT_TRUE(copy.accept().socket) << "the listener's look";
  EXPECT_TRUE(copy.accept().socket);
}

TEST_P(ListenerStateOnEveryPoller, O8_AChildThatClosesItLeavesTheParentsPath) {
  listen(path_);
  EXPECT_TRUE(holds_in_a_forked_child([&] { listener_->close(); }));
  EXPECT_TRUE(holds_in_a_forked_child([&] { listener_.reset(); }));
  EXPECT_TRUE(is_quiet()) << "not even a look";
  connect_clients();
  EXPECT_EQ(turn(), 1U);
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    EXPECT_THROW(listener_->pause(), std::logic_error);
    EXPECT_THROW(listener_->resume(), std::logic_error);
  }));
}

TEST_P(ListenerStateOnEveryPoller, N8_ALineServerRemovesItsPath) {
  {
    const LineServer server(timers_, path_, [](Connection&, std::string_view) {});
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

}  // namespace
}  // namespace detent
