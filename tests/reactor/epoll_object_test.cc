// SPDX-License-Identifier: BSL-1.0
// What the documentation of Python's select module says of its epoll objects (P1, P2, ...), on each
// poller. What takes an epoll made by hand is in raw_epoll_test.cc.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "detent/poller.h"
#include "detent/reactor.h"
#include "support/conformance.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/poller_fixtures.h"
#include "support/printing.h"
#include "support/reactor_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using testing_support::error_of;
using testing_support::make_socket_pair;
using testing_support::make_tcp_pair;
using testing_support::put;
using testing_support::SocketPair;
using testing_support::take;

constexpr Interest kReadEdge = {.readable = true, .trigger = Trigger::edge};
constexpr Interest kReadOnce = {.readable = true, .trigger = Trigger::one_shot};

class EpollObject : public testing_support::PollerOnEveryPoller {};

DETENT_ON_EVERY_POLLER(EpollObject);

// ---- P1: epoll(sizehint)

TEST_P(EpollObject, P1_MoreThanThereIsRoomForAreAllReportedAndTheRoomMayGrow) {
  constexpr std::size_t kMany = 200;
  std::vector<SocketPair> pairs;
  for (std::uint32_t i = 0; i < kMany; ++i) {
    pairs.push_back(make_socket_pair());
    put(pairs.back().far.fd());
    poller_->add(pairs.back().near.fd(), kRead, {i, 1});
  }
  std::set<std::uint32_t> told;
  for (const std::size_t room : {4U, 16U, 180U}) {
    events_.reserve(room);
    EXPECT_EQ(poll().size(), room);
    for (const Event& event : events_) {
      EXPECT_TRUE(told.insert(event.id.slot).second);
      take(pairs[event.id.slot].near.fd());
    }
  }
  EXPECT_EQ(told.size(), kMany);
  EXPECT_TRUE(poll().empty());
}

// ---- P3..P6: register, modify, unregister

TEST_P(EpollObject, P3_RegisteringASecondTimeIsFileExists) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  EXPECT_EQ(error_of([&] { poller_->add(pair.near.fd(), kRead, kSecond); }),
            std::errc::file_exists);
}

template <class P>
concept AddsWithoutInterest = requires(P& poller) {
  poller.add(0, HandlerId{});
};
template <class R>
concept WatchesWithoutInterest = requires(R& reactor) {
  reactor.watch(0, [](Ready) {});
};
static_assert(!AddsWithoutInterest<Poller> && !WatchesWithoutInterest<Reactor>);

TEST_P(EpollObject, P4_AnInterestMustBeGivenAndTheEmptyOneIsNotEverything) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  poller_->add(pair.near.fd(), {}, kFirst);
  EXPECT_TRUE(poll().empty()) << "readable and writable";
}

TEST_P(EpollObject, P5_ModifyReplacesAndOfAnUnknownIsNoSuchFileOrDirectory) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  EXPECT_EQ(error_of([&] { poller_->modify(pair.near.fd(), kRead, kFirst); }),
            std::errc::no_such_file_or_directory);
  poller_->add(pair.near.fd(), kRead, kFirst);
  poller_->modify(pair.near.fd(), kWrite, kSecond);
  EXPECT_EQ(poll(kSecond), Ready{.writable = true});
  EXPECT_EQ(events_.size(), 1U);
}

TEST_P(EpollObject, P6_UnregisteringForgetsAndOfAnUnknownIsNoSuchFileOrDirectory) {
  SocketPair pair = make_socket_pair();
  const int number = pair.near.fd();
  put(pair.far.fd());
  EXPECT_EQ(error_of([&] { poller_->remove(number); }), std::errc::no_such_file_or_directory);
  poller_->add(number, kRead, kFirst);
  poller_->remove(number);
  EXPECT_TRUE(poll().empty());
  poller_->add(number, kRead, kFirst);
  pair.near.reset();
  EXPECT_FALSE(error_of([&] { poller_->remove(number); })) << "closed too early, and no error";
}

TEST_P(EpollObject, P6_AHandleIsUnregisteredAsOftenAsOneLikes) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  Reactor reactor(testing_support::on_poller(GetParam()));
  Watch watch = reactor.watch(pair.near, kRead, [](Ready) {});
  for (int i = 0; i < 3; ++i) watch.cancel();
  EXPECT_EQ(reactor.dispatch(), 0U);
}

// ---- P7: poll(timeout, maxevents)

TEST_P(EpollObject, P7_ThreeThatAreReadyWithACapOfOneTakeThreePassesEach) {
  std::array<SocketPair, 3> pairs = {make_socket_pair(), make_socket_pair(), make_socket_pair()};
  Reactor reactor(testing_support::on_poller(GetParam(), {.events = 1}));
  std::array<int, 3> calls = {};
  std::vector<Watch> watches;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    put(pairs[i].far.fd());
    watches.push_back(reactor.watch(pairs[i].near, kRead, [&calls, i](Ready) { ++calls[i]; }));
  }
  for (int pass = 0; pass < 6; ++pass) EXPECT_EQ(reactor.dispatch(), 1U);
  EXPECT_EQ(calls, (std::array<int, 3>{2, 2, 2})) << "nobody starves though nobody is served";
}

// ---- P8: what is told

TEST_P(EpollObject, P8_APeerThatHasFinishedWritingIsReadableAndReadClosed) {
  const SocketPair pair = make_tcp_pair();
  poller_->add(pair.near.fd(), kBoth, kFirst);
  ASSERT_EQ(::shutdown(pair.far.fd(), SHUT_WR), 0);
  const Ready ready = poll(kFirst);
  if (can_.read_closed) {
    EXPECT_EQ(ready, (Ready{.readable = true, .writable = true, .read_closed = true}));
  } else {
    EXPECT_DIFFERENCE(ready == (Ready{.readable = true, .writable = true}));
  }
}

TEST_P(EpollObject, P8_APeerThatHasClosedIsHungUp) {
  SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kBoth, kFirst);
  pair.far.reset();
  const Ready ready = poll(kFirst);
  EXPECT_TRUE(ready.readable && ready.writable) << "neither would block";
  if (can_.hangup) {
    EXPECT_TRUE(ready.hangup);
  } else {
    EXPECT_DIFFERENCE(ready.readable && !ready.hangup);
  }
}

TEST_P(EpollObject, P8_APeerThatHasResetIsAnErrorAndHungUp) {
  SocketPair pair = make_tcp_pair();
  poller_->add(pair.near.fd(), kBoth, kFirst);
  const linger none = {.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(pair.far.fd(), SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
  pair.far.reset();
  const Ready ready = poll(kFirst);
  EXPECT_TRUE(ready.readable && ready.writable) << "neither would block";
  if (can_.hangup) {
    EXPECT_TRUE(ready.error && ready.hangup);
  } else {
    EXPECT_DIFFERENCE(ready.writable && !ready.hangup);
  }
  char byte = 0;
  EXPECT_EQ(::recv(pair.near.fd(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

// ---- P9, P10, P13: triggers

TEST_P(EpollObject, P9_ALevelIsReportedUntilItIsDrained) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  poller_->add(pair.near.fd(), kRead, kFirst);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(poll(kFirst), Ready{.readable = true});
  take(pair.near.fd());
  EXPECT_TRUE(poll().empty());
}

TEST_P(EpollObject, P9_AnEdgeIsReportedOnceForEachArrival) {
  const SocketPair pair = make_socket_pair();
  if (!can_.edge) {
    EXPECT_UNSUPPORTED(poller_->add(pair.near.fd(), kReadEdge, kFirst));
    return;
  }
  poller_->add(pair.near.fd(), kReadEdge, kFirst);
  for (int arrival = 0; arrival < 3; ++arrival) {
    put(pair.far.fd());
    EXPECT_EQ(poll(kFirst), Ready{.readable = true});
    EXPECT_TRUE(poll().empty());
  }
}

TEST_P(EpollObject, P10_AOneShotIsSilentAfterOneEventAndStillRegistered) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  poller_->add(pair.near.fd(), kReadOnce, kFirst);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(poll(kFirst), Ready{.readable = true});
    put(pair.far.fd());
    EXPECT_TRUE(poll().empty()) << "though there is more";
    EXPECT_EQ(error_of([&] { poller_->add(pair.near.fd(), kRead, kFirst); }),
              std::errc::file_exists);
    poller_->modify(pair.near.fd(), kReadOnce, kFirst);
  }
}

static_assert(Interest{}.trigger == Trigger::level);

TEST_P(EpollObject, P13_TheTriggerIsALevelUnlessAskedOtherwise) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  poller_->add(pair.near.fd(), {.readable = true}, kFirst);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(poll(kFirst), Ready{.readable = true});
}

// ---- P12: what has come since

TEST_P(EpollObject, P12_AHalfCloseIsSeenWithoutReading) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd(), "unread");
  poller_->add(pair.near.fd(), kRead, kFirst);
  EXPECT_EQ(poll(kFirst), Ready{.readable = true});
  ASSERT_EQ(::shutdown(pair.far.fd(), SHUT_WR), 0);
  const Ready ready = poll(kFirst);
  if (can_.read_closed) {
    EXPECT_EQ(ready, (Ready{.readable = true, .read_closed = true}));
  } else {
    EXPECT_DIFFERENCE(ready == Ready{.readable = true});
  }
}

TEST_P(EpollObject, P12_EveryDescriptorOfItsOwnIsClosedOnExec) {
  const testing_support::DescriptorsBefore before;
  const auto poller = make_poller(GetParam());
  for (const int fd : before.opened_since()) EXPECT_TRUE(testing_support::is_close_on_exec(fd));
}

}  // namespace
}  // namespace detent
