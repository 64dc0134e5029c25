// SPDX-License-Identifier: BSL-1.0
#include "detent/listener.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <deque>

#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/listener_fixture.h"
#include "support/net_fixtures.h"
#include "support/processes.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace {

// What accept4(2) answers in this program: the next of `errors`, then `always`; 0 asks the kernel.
struct AcceptFaults {
  std::deque<int> errors = {};
  int always = 0;
  int calls = 0;
};
AcceptFaults faults;

}  // namespace

// Stands before the C library's in the order of symbols, so the library under test gets this one.
extern "C" int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  ++faults.calls;
  int error = faults.always;
  if (!faults.errors.empty()) {
    error = faults.errors.front();
    faults.errors.pop_front();
  }
  if (error == 0) return static_cast<int>(::syscall(SYS_accept4, fd, address, size, flags));
  errno = error;
  return -1;
}

namespace detent {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

// No descriptor is left to this process, though the limit allows for those that it closes.
class AllDescriptorsTaken {
 public:
  AllDescriptorsTaken() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit low = before_;
    low.rlim_cur = static_cast<rlim_t>(*open_descriptors().rbegin()) + 1;
    ::setrlimit(RLIMIT_NOFILE, &low);
    for (;;) {
      UniqueFd filler(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
      if (!filler) return;
      fillers_.push_back(std::move(filler));
    }
  }
  AllDescriptorsTaken(const AllDescriptorsTaken&) = delete;
  AllDescriptorsTaken& operator=(const AllDescriptorsTaken&) = delete;
  ~AllDescriptorsTaken() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_ = {};
  std::vector<UniqueFd> fillers_;
};

class ListenerOnEveryPoller : public ListenerFixture {
 protected:
  ListenerOnEveryPoller() { faults = {}; }
  ~ListenerOnEveryPoller() override { faults = {}; }
};
DETENT_ON_EVERY_POLLER(ListenerOnEveryPoller);

// ---- accepting

TEST_P(ListenerOnEveryPoller, N1_EveryConnectionIsHandedOverWithItsPeer) {
  for (const char* where : {"127.0.0.1:0", "[::1]:0"}) {
    SCOPED_TRACE(where);
    std::vector<Endpoint> peers;
    std::vector<Socket> sockets;
    const Listener listener(timers_, Endpoint::parse(where),
                            [&](Socket socket, const Endpoint& peer) {
                              sockets.push_back(std::move(socket));
                              peers.push_back(peer);
                            });
    EXPECT_NE(listener.endpoint().port(), 0);
    const Socket first = Socket::connect(listener.endpoint());
    EXPECT_TRUE(run_until([&] { return peers.size() == 1; }));
    const Socket second = Socket::connect(listener.endpoint());
    EXPECT_TRUE(run_until([&] { return peers.size() == 2; }));
    EXPECT_EQ(peers[0], first.local_endpoint());
    EXPECT_EQ(peers[1], second.local_endpoint());
    EXPECT_EQ(listener.counters().accepted, 2U);
  }
}

TEST_P(ListenerOnEveryPoller, N1_AnEndpointInUseIsAnErrorThatNamesItAndTheListener) {
  listen(Endpoint::parse("127.0.0.1:0"));
  const std::string message = message_of<std::system_error>([&] {
    const Listener second(
        timers_, listener_->endpoint(), [](Socket, const Endpoint&) {}, "web");
  });
  EXPECT_TRUE(message.starts_with("Listener \"web\" of ")) << message;
  EXPECT_NE(message.find("bind " + listener_->endpoint().to_string()), std::string::npos)
      << message;
}

TEST_P(ListenerOnEveryPoller, AnEmptyOnAcceptAndABudgetOf0AreInvalidArguments) {
  const DescriptorsBefore before;
  EXPECT_THROW(listener_ = std::make_unique<Listener>(timers_, unused_name(), nullptr),
               std::invalid_argument);
  EXPECT_THROW(listener_ = std::make_unique<Listener>(timers_, unused_name(),
                                                      ListenerOptions{.accepts_per_turn = 0},
                                                      [](Socket, const Endpoint&) {}),
               std::invalid_argument);
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_P(ListenerOnEveryPoller, N1_ASocketThatNobodyKeepsIsClosed) {
  const Listener listener(timers_, unused_name(), [](Socket, const Endpoint&) {});
  clients_.push_back(Socket::connect(listener.endpoint()));
  EXPECT_EQ(turn(), 1U);
  EXPECT_TRUE(was_turned_away(0));
}

TEST_P(ListenerOnEveryPoller, N1_AnIdleListenerCostsNoTurns) {
  listen();
  connect_clients();
  EXPECT_EQ(turn(), 1U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(turn(), 0U);
}

TEST_P(ListenerOnEveryPoller, O2_AFloodIsAcceptedInPortionsAndOthersAreServedBetween) {
  listen(unused_name(), {.accepts_per_turn = 8});
  connect_clients(100);
  const WatchedSocket other;
  other.send();
  int others = 0;
  const Watch watch = reactor_.watch(other.fd(), {.readable = true}, [&](Ready) { ++others; });
  for (std::size_t i = 1; i <= 12; ++i) {
    turn();
    EXPECT_EQ(accepted_.size(), 8 * i);
    EXPECT_EQ(static_cast<std::size_t>(others), i);
  }
  turn();
  EXPECT_EQ(accepted_.size(), 100U);
}

// ---- at the limit

TEST_P(ListenerOnEveryPoller, N1_AtTheLimitOneIsTurnedAwayOneIsToldAndTheListenerRests) {
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    SCOPED_TRACE(error);
    listen();
    clients_.clear();
    troubles_.clear();
    accepted_.clear();
    connect_clients(3);
    faults = {.errors = {error}};
    EXPECT_EQ(turn(), 1U);
    EXPECT_EQ(troubles_, std::vector{error});
    EXPECT_EQ(listener_->counters().shed, 1U);
    EXPECT_EQ(listener_->counters().episodes, 1U);
    EXPECT_TRUE(was_turned_away(0));
    EXPECT_FALSE(was_turned_away(1));
    const int calls = faults.calls;
    for (int i = 0; i < 100; ++i) EXPECT_EQ(turn(), 0U);
    EXPECT_EQ(faults.calls, calls);

    clock_.advance(10ms - 1ns);
    EXPECT_EQ(faults.calls, calls);
    clock_.advance(1ns);
    EXPECT_EQ(accepted_.size(), 2U) << "it did not recover";
    EXPECT_EQ(troubles_.size(), 1U);
  }
}

TEST_P(ListenerOnEveryPoller, N1_TheRestDoublesFrom10MillisecondsTo1Second) {
  listen();
  connect_clients();
  faults.always = EMFILE;  // for the shedding too, as with ENFILE
  EXPECT_EQ(turn(), 1U);
  for (const Duration rest :
       std::vector<Duration>{10ms, 20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1s, 1s, 1s}) {
    SCOPED_TRACE(rest.count());
    const int calls = faults.calls;
    clock_.advance(rest - 1ns);
    EXPECT_EQ(faults.calls, calls);
    clock_.advance(1ns);
    EXPECT_EQ(faults.calls, calls + 2) << "one try, and one to turn a client away";
  }
  EXPECT_EQ(troubles_, std::vector{EMFILE}) << "told more than once an episode";
  EXPECT_EQ(listener_->counters().episodes, 1U);
  EXPECT_EQ(listener_->counters().shed, 0U);

  faults.always = 0;
  clock_.advance(1s);
  EXPECT_EQ(accepted_.size(), 1U);
  EXPECT_EQ(listener_->counters().accepted, 1U);
}

TEST_P(ListenerOnEveryPoller, N1_AfterAConnectionTheNextEpisodeIsToldAndBeginsSmall) {
  listen();
  connect_clients();
  faults.always = EMFILE;
  turn();
  clock_.advance(100ms);
  faults.always = 0;
  clock_.advance(1s);
  ASSERT_EQ(accepted_.size(), 1U);

  faults.always = ENFILE;
  connect_clients();
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(troubles_, (std::vector{EMFILE, ENFILE}));
  const int calls = faults.calls;
  clock_.advance(10ms - 1ns);
  EXPECT_EQ(faults.calls, calls);
  clock_.advance(1ns);
  EXPECT_GT(faults.calls, calls);
}

TEST_P(ListenerOnEveryPoller, N1_OthersAreServedWhileItRests) {
  listen();
  const WatchedSocket other;
  std::string heard;
  const Watch watch =
      reactor_.watch(other.fd(), {.readable = true}, [&](Ready) { heard += other.receive(); });
  connect_clients(5);
  faults.always = EMFILE;
  turn();
  for (int i = 0; i < 10; ++i) {
    other.send("x");
    EXPECT_EQ(turn(), 1U);
  }
  EXPECT_EQ(heard, "xxxxxxxxxx");
}

TEST_P(ListenerOnEveryPoller, N1_WithAllDescriptorsTakenItTurnsAwayAndLaterServesAgain) {
  listen();
  connect_clients(4);
  {
    const AllDescriptorsTaken none_left;
    ASSERT_EQ(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0), -1);
    EXPECT_EQ(turn(), 1U);
    EXPECT_EQ(troubles_, std::vector{EMFILE});
    EXPECT_TRUE(was_turned_away(0));
    EXPECT_FALSE(was_turned_away(1));
    for (int i = 0; i < 100; ++i) EXPECT_EQ(turn(), 0U);
    clock_.advance(10ms);
    EXPECT_TRUE(was_turned_away(1)) << "the spare descriptor was not renewed";
    EXPECT_FALSE(was_turned_away(2));
    EXPECT_TRUE(accepted_.empty());
  }
  clock_.advance(1s);
  EXPECT_EQ(accepted_.size(), 2U);
  EXPECT_EQ(listener_->counters().shed, 2U);
  EXPECT_EQ(troubles_.size(), 1U);
}

TEST_P(ListenerOnEveryPoller, N1_ASpareThatAnotherTookIsFoundAgain) {
  listen();
  connect_clients(3);
  {
    const NoFreeDescriptor none(4);  // not even the one that was given up
    EXPECT_EQ(turn(), 1U);
    EXPECT_EQ(listener_->counters().shed, 0U);
  }
  faults.errors = {EMFILE};
  clock_.advance(10ms);  // finds its spare again
  faults.errors = {EMFILE};
  clock_.advance(20ms);
  EXPECT_GE(listener_->counters().shed, 1U);
}

TEST_P(ListenerOnEveryPoller, N1_WithoutADescriptorAndWithoutAClientThereIsNoTrouble) {
  listen();
  connect_clients();
  std::optional<AllDescriptorsTaken> none_left;
  then_ = [&] { none_left.emplace(); };
  EXPECT_EQ(turn(), 1U);
  then_ = {};
  EXPECT_TRUE(troubles_.empty());
  EXPECT_EQ(listener_->counters().shed, 0U);
  none_left.reset();
  connect_clients();
  EXPECT_EQ(turn(), 1U) << "it rests";
}

TEST(Accept, N1_WithoutADescriptorTellsTheLimitEvenIfNobodyWaits) {
  Socket listening = Socket::listen(unused_name());
  EXPECT_FALSE(listening.accept().error);
  const AllDescriptorsTaken none_left;
  EXPECT_EQ(listening.accept().error, std::errc::too_many_files_open);
}

// ---- other errors

TEST_P(ListenerOnEveryPoller, N1_AnErrorOfOneConnectionIsNoErrorOfTheListener) {
  listen();
  connect_clients();
  faults.errors = {ECONNABORTED, EPROTO, EINTR, EPERM, ENETDOWN, EHOSTUNREACH};
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(accepted_.size(), 1U) << "it did not go on to the next connection at once";
  EXPECT_TRUE(troubles_.empty());
  EXPECT_EQ(listener_->counters().aborted, 5U) << "EINTR loses nobody";
  EXPECT_EQ(listener_->counters().episodes, 0U);
}

TEST_P(ListenerOnEveryPoller, N1_AnErrorThatNobodyExpectsDoesNotSpin) {
  for (const int error : {EINVAL, EACCES, ENOTSOCK, EIO, ENOSYS}) {
    SCOPED_TRACE(error);
    faults = {};
    listen();
    troubles_.clear();
    accepted_.clear();
    connect_clients();
    faults = {.always = error};
    EXPECT_TRUE(comes_to_rest(reactor_, 3));
    for (int i = 0; i < 100; ++i) turn();
    EXPECT_LE(faults.calls, 4);
    EXPECT_EQ(troubles_, std::vector{error});
    faults = {};
    clock_.advance(1s);
    EXPECT_EQ(accepted_.size(), 1U);
  }
}

TEST_P(ListenerOnEveryPoller, N1_ARefusalThatStaysDoesNotSpin) {
  // A security module or a seccomp filter answers before a connection leaves the backlog.
  listen();
  connect_clients();
  faults = {.always = EPERM};
  EXPECT_TRUE(comes_to_rest(reactor_, 20));
  const int calls = faults.calls;
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_LE(faults.calls, calls + 100);
  faults = {};
  clock_.advance(1s);
  EXPECT_EQ(accepted_.size(), 1U);
}

// ---- callbacks that throw

TEST_P(ListenerOnEveryPoller, O6_AnExceptionFromOnAcceptLosesNoOtherConnection) {
  then_ = [] { throw std::runtime_error("from on_accept"); };
  listen();
  connect_clients(5);
  for (std::size_t i = 1; i <= 5; ++i) {
    EXPECT_THROW(turn(), std::runtime_error);
    EXPECT_EQ(accepted_.size(), i);
  }
  EXPECT_EQ(turn(), 0U);
  then_ = {};
  connect_clients();
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(accepted_.size(), 6U);
}

TEST_P(ListenerOnEveryPoller, O6_AnExceptionFromOnTroubleDoesNotEndTheRest) {
  then_ = [] { throw std::runtime_error("from on_trouble"); };
  listen();
  connect_clients(2);
  faults.errors = {EMFILE};
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_EQ(turn(), 0U);
  then_ = {};
  clock_.advance(10ms);
  EXPECT_EQ(accepted_.size(), 1U);
}

// ---- lifetimes

TEST_P(ListenerOnEveryPoller, L2_OnTroubleMayDestroyTheListener) {
  then_ = [&] { listener_.reset(); };
  listen();
  connect_clients(5);
  faults.always = EMFILE;
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(troubles_.size(), 1U);
  clock_.advance(10s);
  EXPECT_EQ(troubles_.size(), 1U);
}

TEST_P(ListenerOnEveryPoller, L1_AListenerThatIsDestroyedWhileItRestsNeverWakes) {
  listen();
  connect_clients();
  faults.always = EMFILE;
  turn();
  listener_.reset();
  const int calls = faults.calls;
  clock_.advance(10s);
  EXPECT_EQ(faults.calls, calls);
}

TEST_P(ListenerOnEveryPoller, L2_OnAcceptMayDestroyTheListenerAndItsTimerService) {
  auto timers = std::make_unique<TimerService>(reactor_);
  int calls = 0;
  listener_ = std::make_unique<Listener>(*timers, unused_name(), [&](Socket, const Endpoint&) {
    ++calls;
    listener_.reset();
    timers.reset();
  });
  connect_clients(3);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(turn(), 0U);
  EXPECT_EQ(calls, 1);
}

TEST_P(ListenerOnEveryPoller, O8_AChildThatDestroysItLeavesTheParentsAlone) {
  listen(Endpoint::parse("127.0.0.1:0"));
  EXPECT_TRUE(holds_in_a_forked_child([&] { listener_.reset(); }));
  connect_clients();
  EXPECT_TRUE(run_until([&] { return accepted_.size() == 1; }));
}

TEST_P(ListenerOnEveryPoller, L5_NothingStaysOpenAfterAListener) {
  const DescriptorsBefore before;
  listen();
  connect_clients(3);
  faults.errors = {EMFILE};
  turn();
  listener_.reset();
  clients_.clear();
  EXPECT_TRUE(before.opened_since().empty());
}

}  // namespace
}  // namespace detent
