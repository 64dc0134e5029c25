// SPDX-License-Identifier: BSL-1.0
// What the documentation of Python's select module says of its kqueue and kevent objects (K1, K2,
// ...), on each poller. What takes a kqueue made by hand is in raw_kqueue_test.cc, and the timer
// filter in tests/timers.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <vector>

#include "detent/poller.h"
#include "detent/reactor.h"
#include "detent/unique_fd.h"
#include "support/conformance.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/kernel_double.h"
#include "support/kernel_view.h"
#include "support/poller_fixtures.h"
#include "support/printing.h"
#include "support/processes.h"
#include "support/reactor_fixtures.h"
#include "support/system_calls.h"
#include "support/wait_into.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using testing_support::DescriptorsBefore;
using testing_support::error_of;
using testing_support::make_pipe;
using testing_support::make_socket_pair;
using testing_support::make_tcp_pair;
using testing_support::make_tcp_socket;
using testing_support::put;
using testing_support::SocketPair;
using testing_support::take;
using testing_support::wait_into;

constexpr Interest kReadEdge = {.readable = true, .trigger = Trigger::edge};
constexpr Interest kReadOnce = {.readable = true, .trigger = Trigger::one_shot};

class KqueueObject : public testing_support::PollerOnEveryPoller {};

DETENT_ON_EVERY_POLLER(KqueueObject);

// ---- K1..K3: the object, and control()

TEST_P(KqueueObject, K1_ItsOwnDescriptorStandsForAllThatItWatchesInEveryOtherLoop) {
  if (!can_.native_handle) {
    EXPECT_UNSUPPORTED(poller_->native_handle());
    return;
  }
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  for (const std::string_view name : poller_names()) {
    SCOPED_TRACE(name);
    const auto outer = make_poller(name);
    outer->add(poller_->native_handle(), kRead, kSecond);
    wait_into(events_, *outer, Duration::zero());
    EXPECT_TRUE(events_.empty());
    put(pair.far.fd());
    wait_into(events_, *outer, Duration::zero());
    EXPECT_EQ(events_.size(), 1U);
    take(pair.near.fd());
    EXPECT_TRUE(poll().empty());
  }
}

TEST_P(KqueueObject, K2_AllChangesAreAppliedBeforeTheWait) {
  std::vector<SocketPair> pairs;
  for (std::uint32_t i = 0; i < 10; ++i) {
    pairs.push_back(make_socket_pair());
    put(pairs[i].far.fd());
    poller_->add(pairs[i].near.fd(), i % 2 == 0 ? kRead : Interest{}, {i, 1});
  }
  for (std::uint32_t i = 0; i < 10; ++i) {
    poller_->modify(pairs[i].near.fd(), i % 2 == 0 ? Interest{} : kWrite, {i, 2});
  }
  EXPECT_EQ(poll().size(), 5U);
  for (const Event& event : events_) {
    EXPECT_EQ(event.id.slot % 2, 1U);
    EXPECT_EQ(event.id.generation, 2U);
    EXPECT_EQ(event.ready, Ready{.writable = true});
  }
}

// Ten descriptors whose interest changes before each wait.
class Changing {
 public:
  explicit Changing(std::string_view poller) : poller_(make_poller(poller)) {
    for (SocketPair& pair : pairs_) {
      pair = make_socket_pair();
      poller_->add(pair.near.fd(), {.readable = true}, kId);
    }
    pass();
  }
  void pass() {
    writing_ = !writing_;
    for (const SocketPair& pair : pairs_) {
      poller_->modify(pair.near.fd(), {.readable = !writing_, .writable = writing_}, kId);
    }
    wait_into(events_, *poller_, Duration::zero());
    if (events_.size() != (writing_ ? pairs_.size() : 0)) std::abort();
  }

 private:
  static constexpr HandlerId kId = {.slot = 1, .generation = 1};
  std::array<SocketPair, 10> pairs_ = {};
  std::unique_ptr<Poller> poller_;
  std::vector<Event> events_;
  bool writing_ = false;
};

// How many system calls so many passes make. Nullopt where nobody can tell.
std::optional<int> calls_of_passes(std::string_view poller, int passes) {
  if (poller == "kqueue" && testing_support::kKernelIsADouble) {
    Changing changing(poller);
    const auto before = testing_support::kevent_calls();
    for (int i = 0; i < passes; ++i) changing.pass();
    return static_cast<int>(testing_support::kevent_calls()->made - before->made);
  }
  const auto calls = testing_support::system_calls_of([=]() -> std::function<void()> {
    return [passes, changing = std::make_shared<Changing>(poller)] {
      for (int i = 0; i < passes; ++i) changing->pass();
    };
  });
  if (!calls) return std::nullopt;
  return testing_support::total(*calls);
}

TEST_P(KqueueObject, K2_AllChangesAndTheWaitAreOneCallAPass) {
  const std::optional<int> calls = calls_of_passes(GetParam(), 6);
  if (!calls) GTEST_SKIP() << testing_support::kUntraced;
  if (GetParam() == "epoll") {
    EXPECT_DIFFERENCE(calls == 6 + 6 * 10);
  } else {
    EXPECT_EQ(calls, 6);
  }
}

TEST_P(KqueueObject, K3_AChangeThatFailsIsReportedAndHindersNeitherTheOthersNorTheWait) {
  std::array<SocketPair, 3> pairs = {make_socket_pair(), make_socket_pair(), make_socket_pair()};
  const std::array ids = {kFirst, kSecond, kThird};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    poller_->add(pairs.at(i).near.fd(), kRead, ids.at(i));
  }
  const int closed = pairs[1].near.fd();
  pairs[1].near.reset();
  for (const int fd : {pairs[0].near.fd(), closed, pairs[2].near.fd()}) {
    poller_->modify(fd, kWrite,
                    fd == closed               ? kSecond
                    : fd == pairs[0].near.fd() ? kFirst
                                               : kThird);
  }
  int failures = 0;
  for (int i = 0; i < 2; ++i) {  // a wait that has a failure to tell may tell that alone
    for (const Event& event : poll()) {
      const bool failed = event.id == kSecond;
      failures += failed;
      EXPECT_EQ(event.ready, failed ? Ready{.invalid = true} : Ready{.writable = true});
    }
  }
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(error_of([&] { poller_->remove(closed); }), std::errc::no_such_file_or_directory);
  EXPECT_EQ(poll().size(), 2U);
}

// ---- K6, K7: EVFILT_READ and EVFILT_WRITE

TEST_P(KqueueObject, K6_AListenerIsReadableWhileConnectionsWait) {
  const UniqueFd listener = make_tcp_socket(SOCK_NONBLOCK);
  const sockaddr_in address = testing_support::bind_to_loopback(listener.fd());
  ASSERT_EQ(::listen(listener.fd(), 8), 0);
  poller_->add(listener.fd(), kRead, kFirst);
  EXPECT_TRUE(poll().empty());
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(make_tcp_socket());
    ASSERT_EQ(testing_support::connect_to(clients.back().fd(), address), 0);
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(poll(std::nullopt).front().ready, Ready{.readable = true});
    EXPECT_TRUE(UniqueFd(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  EXPECT_TRUE(poll().empty());
}

TEST_P(KqueueObject, K6_AnEndOfFileIsReadableAndAHangUp) {
  SocketPair pipe = make_pipe();
  poller_->add(pipe.near.fd(), kRead, kFirst);
  pipe.far.reset();
  const Ready ready = poll(kFirst);
  EXPECT_TRUE(ready.readable);
  if (can_.hangup) {
    EXPECT_TRUE(ready.hangup);
  } else {
    EXPECT_DIFFERENCE(ready.readable && !ready.hangup);
  }
}

TEST_P(KqueueObject, K7_AWriterHearsThatItsReaderHasClosed) {
  SocketPair pipe = make_pipe();
  std::array<char, 4096> bytes = {};
  while (::write(pipe.far.fd(), bytes.data(), bytes.size()) > 0) {
  }
  poller_->add(pipe.far.fd(), kWrite, kFirst);
  EXPECT_TRUE(poll().empty()) << "it is full";
  pipe.near.reset();
  const Ready ready = poll(kFirst);
  if (can_.hangup) {
    EXPECT_EQ(ready, Ready{.error = true});
  } else {
    EXPECT_DIFFERENCE(ready.writable && !ready.hangup);
  }
}

// ---- K14: EVFILT_USER

TEST_P(KqueueObject, K14_AnotherThreadEndsTheWaitAndNoPipeIsSpentOnThat) {
  const DescriptorsBefore before;
  Reactor reactor(testing_support::on_poller(GetParam()));
  for (const int fd : before.opened_since()) {
    EXPECT_FALSE(testing_support::kind_of_descriptor(fd).starts_with("pipe:"));
  }
  std::thread waker([&, waiting = testing_support::this_thread_number()] {
    testing_support::wait_until_asleep(waiting);
    reactor.wake();
  });
  EXPECT_EQ(reactor.run_once(), 0U);
  waker.join();
}

// ---- K15..K17: EV_ENABLE, EV_DISABLE, EV_ONESHOT, EV_CLEAR

TEST_P(KqueueObject, K15_PausingAThousandTimesKeepsTheRegistrationAndLeaksNothing) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  Reactor reactor(testing_support::on_poller(GetParam()));
  Watch watch = reactor.watch(pair.near, kRead, [](Ready) {});
  const DescriptorsBefore before;
  for (int i = 0; i < 1000; ++i) {
    watch.pause();
    EXPECT_EQ(reactor.dispatch(), 0U);
    watch.resume();
    EXPECT_EQ(reactor.dispatch(), 1U);
  }
  EXPECT_TRUE(before.opened_since().empty());
  EXPECT_EQ(error_of([&] { static_cast<void>(reactor.watch(pair.near, kRead, [](Ready) {})); }),
            std::errc::file_exists);
}

TEST_P(KqueueObject, K16_AOneShotIsDisabledAfterItsEventAndNotRemoved) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  poller_->add(pair.near.fd(), kReadOnce, kFirst);
  EXPECT_EQ(poll(kFirst), Ready{.readable = true});
  EXPECT_TRUE(poll().empty());
  poller_->modify(pair.near.fd(), kReadOnce, kFirst);
  EXPECT_EQ(poll(kFirst), Ready{.readable = true});
  poller_->remove(pair.near.fd());
}

TEST_P(KqueueObject, K17_AnEventThatIsClearedOnceToldIsAnEdge) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  if (!can_.edge) {
    EXPECT_UNSUPPORTED(poller_->add(pair.near.fd(), kReadEdge, kFirst));
    return;
  }
  poller_->add(pair.near.fd(), kReadEdge, kFirst);
  EXPECT_EQ(poll(kFirst), Ready{.readable = true});
  EXPECT_TRUE(poll().empty());
  poller_->modify(pair.near.fd(), kReadEdge, kFirst);
  EXPECT_EQ(poll(kFirst), Ready{.readable = true}) << "armed anew, it tells what is there";
}

// ---- K19..K22: what an event has beside its filter

TEST_P(KqueueObject, K19_ARefusedConnectionIsReadyAndItsErrnoIsTheSockets) {
  const UniqueFd nobody = make_tcp_socket();  // bound, and does not listen
  const sockaddr_in address = testing_support::bind_to_loopback(nobody.fd());
  const UniqueFd socket = make_tcp_socket(SOCK_NONBLOCK);
  ASSERT_EQ(testing_support::connect_to(socket.fd(), address), -1);
  poller_->add(socket.fd(), kWrite, kFirst);
  const Ready ready = poll(std::nullopt).front().ready;
  EXPECT_TRUE(ready.writable);
  if (can_.hangup) {
    EXPECT_TRUE(ready.error && ready.hangup);
  } else {
    EXPECT_DIFFERENCE(ready.writable && !ready.hangup);
  }
  int error = 0;
  socklen_t size = sizeof error;
  ASSERT_EQ(::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size), 0);
  EXPECT_EQ(error, ECONNREFUSED);
}

// socket(7), SO_RCVLOWAT: TCP's poll honours it since Linux 2.6.28.
TEST_P(KqueueObject, K20_BelowTheLowWaterMarkOfASocketThereIsNoEvent) {
  const SocketPair pair = make_tcp_pair();
  const int low_water = 4;
  ASSERT_EQ(::setsockopt(pair.near.fd(), SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof low_water), 0);
  poller_->add(pair.near.fd(), kRead, kFirst);
  put(pair.far.fd(), "123");
  for (int arrived = 0; arrived < 3;) ASSERT_EQ(::ioctl(pair.near.fd(), FIONREAD, &arrived), 0);
  EXPECT_TRUE(poll().empty());
  put(pair.far.fd(), "4");
  EXPECT_EQ(poll(std::nullopt).front().ready, Ready{.readable = true});
  EXPECT_EQ(take(pair.near.fd()), "1234");
}

static_assert(!std::is_convertible_v<double, Duration> && !std::is_convertible_v<int, Duration>);

TEST_P(KqueueObject, K22_ATimeIsADurationAndKeepsItsNanoseconds) {
  const TimePoint start = kernel_clock().now();
  poll(1'000'001ns);
  EXPECT_GE(kernel_clock().now() - start, 1'000'001ns);
}

}  // namespace
}  // namespace detent
