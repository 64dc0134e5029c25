// SPDX-License-Identifier: BSL-1.0
// What the documentation of Python's select module says of select() and of all that it offers,
// statement by statement (S1, S2, ...), on each poller.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "detent/poller.h"
#include "detent/reactor.h"
#include "detent/unique_fd.h"
#include "support/conformance.h"
#include "support/connected_pair.h"
#include "support/errors.h"
#include "support/kernel_double.h"
#include "support/poller_fixtures.h"
#include "support/printing.h"
#include "support/processes.h"
#include "support/reactor_fixtures.h"
#include "support/signal_storm.h"
#include "support/system_calls.h"
#include "support/wait_into.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using testing_support::error_of;
using testing_support::make_pipe;
using testing_support::make_socket_pair;
using testing_support::make_tcp_pair;
using testing_support::message_of;
using testing_support::put;
using testing_support::SocketPair;
using testing_support::wait_into;

constexpr Interest kUrgent = {.priority = true};

class SelectModule : public testing_support::PollerOnEveryPoller {
 protected:
  // That a wait of this length finds nothing, and not before it is over.
  void expect_to_sleep(Duration max_wait) {
    const TimePoint start = kernel_clock().now();
    EXPECT_TRUE(poll(max_wait).empty());
    EXPECT_GE(kernel_clock().now() - start, max_wait);
  }
};

DETENT_ON_EVERY_POLLER(SelectModule);

TEST_P(SelectModule, S1_AnErrorHasTheNumberOfErrnoItsTextAndTheCall) {
  constexpr int kUnknown = 12'345;
  EXPECT_EQ(error_of([&] { poller_->remove(kUnknown); }),
            std::error_code(ENOENT, std::system_category()));
  EXPECT_EQ(message_of<std::system_error>([&] { poller_->remove(kUnknown); }),
            "Poller::remove(12345): " + std::system_category().message(ENOENT));
}

// ---- S2: integers, or objects that have one

struct UsersOwn {
  UniqueFd file;
  [[nodiscard]] int fd() const { return file.fd(); }
};
struct Nameless {
  int number = 0;
};

template <class Source>
concept Watchable = requires(Reactor& reactor, const Source& source) {
  reactor.watch(source, Interest{}, [](Ready) {});
};
static_assert(Watchable<int> && Watchable<UniqueFd> && Watchable<UsersOwn>);
static_assert(!Watchable<Nameless> && !Watchable<std::string>);

TEST_P(SelectModule, S2_ADescriptorIsANumberOrAnythingThatHasOne) {
  SocketPair first = make_socket_pair();
  SocketPair second = make_socket_pair();
  SocketPair third = make_socket_pair();
  const UsersOwn own{std::move(third.near)};
  Reactor reactor(testing_support::on_poller(GetParam()));
  const auto ignore = [](Ready) {};
  const Watch number = reactor.watch(first.near.fd(), kRead, ignore);
  const Watch owner = reactor.watch(second.near, kRead, ignore);
  const Watch users_own = reactor.watch(own, kRead, ignore);
  for (const SocketPair* pair : {&first, &second, &third}) put(pair->far.fd());
  EXPECT_EQ(reactor.dispatch(), 3U);
}

// ---- S3..S6: three lists and a time

TEST_P(SelectModule, S3_EachOfTheThreeInterestsHearsItsOwnReadinessAlone) {
  const SocketPair pipe = make_pipe();
  put(pipe.far.fd());
  poller_->add(pipe.near.fd(), kRead, kFirst);
  poller_->add(pipe.far.fd(), kWrite, kSecond);
  EXPECT_EQ(poll(kFirst), Ready{.readable = true});
  EXPECT_EQ(poll(kSecond), Ready{.writable = true});

  const SocketPair pair = make_tcp_pair();
  if (!can_.priority) {
    EXPECT_UNSUPPORTED(poller_->add(pair.near.fd(), kUrgent, kThird));
    return;
  }
  poller_->add(pair.near.fd(), kUrgent, kThird);
  put(pair.far.fd());
  EXPECT_EQ(poll(kThird), Ready{}) << "readable, and nobody asked";
}

TEST_P(SelectModule, S4_WithNoDescriptorAtAllItSleepsForTheTime) { expect_to_sleep(2ms); }

TEST_P(SelectModule, S5_ATimeThatExpiresYieldsNothingAndIsNeverCutShort) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  for (const Duration max_wait :
       {Duration(-1h), -1ns, 0ns, 1ns, 999ns, 50'000ns, 999'999ns, 1'500'001ns}) {
    expect_to_sleep(max_wait);
  }
}

TEST_P(SelectModule, S5_NoTimeWaitsUntilSomethingIsReady) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  std::thread writer([&, waiting = testing_support::this_thread_number()] {
    testing_support::wait_until_asleep(waiting);
    put(pair.far.fd());
  });
  EXPECT_EQ(poll(std::nullopt).size(), 1U);
  writer.join();
}

TEST_P(SelectModule, S5_WhatIsReadyEndsTheWaitWhateverTheTime) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  put(pair.far.fd());
  using Wait = std::optional<Duration>;
  for (const Wait max_wait : {Wait(), Wait(-1h), Wait(0ns), Wait(1ns), Wait(1h), Wait(24h * 365)}) {
    EXPECT_EQ(poll(max_wait).size(), 1U);
  }
}

TEST_P(SelectModule, S6_UrgentDataIsAnExceptionalCondition) {
  const SocketPair pair = make_tcp_pair();
  if (!can_.priority) {
    EXPECT_UNSUPPORTED(poller_->add(pair.near.fd(), kUrgent, kFirst));
    return;
  }
  poller_->add(pair.near.fd(), kUrgent, kFirst);
  EXPECT_TRUE(poll().empty());
  ASSERT_EQ(::send(pair.far.fd(), "!", 1, MSG_OOB), 1);
  ASSERT_EQ(poll(std::nullopt).size(), 1U);
  EXPECT_EQ(events_[0].ready, Ready{.priority = true});
}

// ioctl_tty(2), TIOCPKT: the master is told what is done to the slave.
TEST_P(SelectModule, S6_SoIsAPseudoTerminalInPacketModeThatWasFlushed) {
  const UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_EQ(::grantpt(master.fd()), 0);
  ASSERT_EQ(::unlockpt(master.fd()), 0);
  const UniqueFd slave(::open(::ptsname(master.fd()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  const int on = 1;
  ASSERT_EQ(::ioctl(master.fd(), TIOCPKT, &on), 0);
  if (!can_.priority) {
    EXPECT_UNSUPPORTED(poller_->add(master.fd(), kUrgent, kFirst));
    return;
  }
  poller_->add(master.fd(), kUrgent, kFirst);
  EXPECT_TRUE(poll().empty());
  ASSERT_EQ(::tcflush(slave.fd(), TCIFLUSH), 0);
  EXPECT_EQ(poll(kFirst), Ready{.priority = true});
}

// ---- S7, S9: files and pipes

TEST_P(SelectModule, S7_ARegularFileIsRefusedAndSoIsADirectory) {
  for (const char* path : {"/proc/self/exe", "/"}) {
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(error_of([&] { poller_->add(file.fd(), kRead, kFirst); }),
              std::error_code(EPERM, std::system_category()));
  }
}

TEST_P(SelectModule, S9_APipeThatIsWritableTakesPipeBufBytesAtOnce) {
  static_assert(PIPE_BUF >= 512, "POSIX promises that");
  const SocketPair pipe = make_pipe();
  std::array<char, PIPE_BUF> bytes = {};
  while (::write(pipe.far.fd(), bytes.data(), bytes.size()) > 0) {
  }
  poller_->add(pipe.far.fd(), kWrite, kFirst);
  EXPECT_TRUE(poll().empty()) << "it is full";
  ASSERT_EQ(::read(pipe.near.fd(), bytes.data(), bytes.size()), PIPE_BUF);
  EXPECT_EQ(poll(kFirst), Ready{.writable = true});
  EXPECT_EQ(::write(pipe.far.fd(), bytes.data(), bytes.size()), PIPE_BUF) << "none, or all";
}

// ---- S10: what it costs

// That many descriptors with adjacent numbers, the last of them ready.
struct Registered {
  int count = 0;
  int lowest = 0;
};

// How many places for a descriptor a call gives the kernel to look at, whatever is ready.
std::uint64_t places_given(const testing_support::EnteredCall& call) {
  if (call.number == SYS_poll || call.number == SYS_ppoll) return call.arguments[1];
  if (call.number == SYS_select || call.number == SYS_pselect6) return call.arguments[0];
  if (call.number == SYS_io_uring_enter) return call.arguments[1];
  return 0;  // the kernel has them: epoll_wait(2)
}

class Waiting {
 public:
  Waiting(std::string_view poller, Registered registered) : poller_(make_poller(poller)) {
    put(ready_.far.fd());
    for (int i = 1; i <= registered.count; ++i) {
      const int file = (i == registered.count ? ready_ : idle_).near.fd();
      fds_.emplace_back(::fcntl(file, F_DUPFD_CLOEXEC, registered.lowest));
      poller_->add(fds_.back().fd(), {.readable = true}, {.slot = 1, .generation = 1});
    }
    wait();  // what was registered has been handed over by then
  }
  void wait() { wait_into(events_, *poller_, std::nullopt); }

 private:
  SocketPair ready_ = make_socket_pair();
  SocketPair idle_ = make_socket_pair();
  std::vector<UniqueFd> fds_;
  std::unique_ptr<Poller> poller_;
  std::vector<Event> events_;
};

// The places that one wait gives the kernel to look at. Nullopt where nobody can tell.
std::optional<std::uint64_t> places_of_a_wait(std::string_view poller, Registered registered) {
  if (poller == "kqueue" && testing_support::kKernelIsADouble) {
    Waiting waiting(poller, registered);
    const auto before = testing_support::kevent_calls();
    waiting.wait();
    return testing_support::kevent_calls()->changes - before->changes;
  }
  std::uint64_t places = 0;
  const auto calls = testing_support::system_calls_of(
      [=]() -> std::function<void()> {
        return [waiting = std::make_shared<Waiting>(poller, registered)] { waiting->wait(); };
      },
      [&](const testing_support::EnteredCall& call) { places += places_given(call); });
  if (!calls) return std::nullopt;
  return places;
}

TEST_P(SelectModule, S10_AWaitCostsWhatIsReadyAndNotWhatIsRegisteredNorItsNumbers) {
  const auto few = places_of_a_wait(GetParam(), {.count = 10, .lowest = 50});
  const auto many = places_of_a_wait(GetParam(), {.count = 100, .lowest = 50});
  const auto high = places_of_a_wait(GetParam(), {.count = 10, .lowest = 900});
  if (!few || !many || !high) GTEST_SKIP() << testing_support::kUntraced;
  if (GetParam() == "poll") {
    EXPECT_DIFFERENCE(few == 10U && many == 100U && high == 10U);
  } else if (GetParam() == "select") {
    EXPECT_DIFFERENCE(few == 60U && many == 150U && high == 910U);
  } else {
    EXPECT_LE(*few, 1U);
    EXPECT_EQ(many, few);
    EXPECT_EQ(high, few);
  }
}

// ---- S11..S13: what select() does not say, and does

TEST_P(SelectModule, S11_ALargeDescriptorNumberWorksOrIsRefusedWhenAdded) {
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  const UniqueFd large(::fcntl(pair.near.fd(), F_DUPFD_CLOEXEC, 2000));
  ASSERT_GE(large.fd(), 2000) << "the limit of descriptors here is " << files.rlim_max;
  const std::error_code error = error_of([&] { poller_->add(large.fd(), kRead, kFirst); });
  if (large.fd() < can_.descriptor_limit) {
    EXPECT_FALSE(error);
    EXPECT_EQ(poll(kFirst), Ready{.readable = true});
  } else {
    EXPECT_DIFFERENCE(error == std::errc::invalid_argument);
    EXPECT_TRUE(poll().empty());
  }
}

TEST_P(SelectModule, S12_AClosedDescriptorIsNamedAndSpoilsNobodyElsesWait) {
  SocketPair closed = make_socket_pair();
  const SocketPair other = make_socket_pair();
  put(other.far.fd());
  poller_->add(closed.near.fd(), kRead, kFirst);
  poller_->add(other.near.fd(), kRead, kSecond);
  EXPECT_EQ(poll().size(), 1U);
  const int number = closed.near.fd();
  closed.near.reset();
  if (can_.native_handle) {  // the kernel keeps the registrations, and drops this one in silence
    const std::vector<Event> told = poll();
    EXPECT_DIFFERENCE(told.size() == 1 && told[0].id == kSecond);
    poller_->modify(number, kBoth, kFirst);
  }
  int named = 0;
  for (int i = 0; i < 2; ++i) {  // a wait that has a failure to tell may tell that alone
    for (const Event& event : poll()) {
      const bool is_closed = event.id == kFirst;
      named += is_closed;
      EXPECT_EQ(event.ready, is_closed ? Ready{.invalid = true} : Ready{.readable = true});
    }
  }
  EXPECT_EQ(named, 1);
  EXPECT_EQ(poll().size(), 1U);
  EXPECT_EQ(events_[0].id, kSecond);
}

TEST_P(SelectModule, S13_InterruptionsNeitherSurfaceNorChangeTheTime) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  const testing_support::SignalStorm storm;
  while (storm.handled() == 0) expect_to_sleep(20ms);
}

}  // namespace
}  // namespace detent
