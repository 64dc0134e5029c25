// SPDX-License-Identifier: BSL-1.0
// Watches: registration, interest, and whom an event concerns.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "detent/reactor.h"
#include "detent/simulation.h"
#include "detent/unique_fd.h"
#include "support/conformance.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace testing_support;

// ---- registration

class WatchOnEveryPoller : public ReactorOnEveryPoller {};

TEST_P(WatchOnEveryPoller, D3_AReadableDescriptorIsCalledOnceATurnWhileItIsUnread) {
  WatchedSocket socket;
  std::vector<Ready> told;
  const Watch watch =
      reactor_.watch(socket, {.readable = true}, [&](Ready ready) { told.push_back(ready); });
  EXPECT_EQ(turn(), 0U);
  socket.send();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told, std::vector<Ready>(3, Ready{.readable = true}));
  static_cast<void>(socket.receive());
  EXPECT_EQ(turn(), 0U);
}

TEST_P(WatchOnEveryPoller, L4_OneEventIsOneCallWithAllItsBits) {
  WatchedSocket socket;
  socket.send();
  std::vector<Ready> told;
  const Watch watch = reactor_.watch(socket, {.readable = true, .writable = true},
                                     [&](Ready ready) { told.push_back(ready); });
  turn();
  EXPECT_EQ(told, (std::vector<Ready>{{.readable = true, .writable = true}}));
}

TEST_P(WatchOnEveryPoller, D1_ASecondWatchOfANumberIsRefusedAndTheFirstIsIntact) {
  WatchedSocket socket;
  socket.send();
  int calls = 0;
  const auto capture = std::make_shared<int>();
  const Watch first = reactor_.watch(socket, {.readable = true}, [&](Ready) { ++calls; });
  EXPECT_EQ(error_of([&] {
              static_cast<void>(reactor_.watch(socket, {.writable = true}, [capture](Ready) {}));
            }),
            std::errc::file_exists);
  EXPECT_EQ(capture.use_count(), 1) << "what was refused leaves nothing behind";
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(calls, 1);
}

TEST_P(WatchOnEveryPoller, D1_WhatCannotBeWatchedIsRefusedAtOnceAndLeavesNothing) {
  const auto capture = std::make_shared<int>();
  const auto refusal = [&](int fd) {
    return error_of(
        [&] { static_cast<void>(reactor_.watch(fd, {.readable = true}, [capture](Ready) {})); });
  };
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const UniqueFd directory(::open("/", O_RDONLY | O_CLOEXEC));
  int closed = -1;
  {
    const WatchedSocket socket;
    closed = socket.fd();
  }
  EXPECT_EQ(refusal(-1), std::errc::bad_file_descriptor);
  EXPECT_EQ(refusal(closed), std::errc::bad_file_descriptor);
  EXPECT_EQ(refusal(file.fd()), std::errc::operation_not_permitted);
  EXPECT_EQ(refusal(directory.fd()), std::errc::operation_not_permitted);
  EXPECT_EQ(capture.use_count(), 1);
  EXPECT_EQ(turn(), 0U);
}

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
template <class R>
concept WatchesWithoutInterest = requires(R& reactor) {
  reactor.watch(0, [](Ready) {});
};
static_assert(!WatchesWithoutInterest<Reactor>);

TEST_P(WatchOnEveryPoller, S2_ANumberOrAnythingWithAnFdCanBeWatched) {
  const UniqueFd event(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  const UsersOwn own = {.file = UniqueFd(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK))};
  const WatchedSocket socket;
  const Watch watch = reactor_.watch(event, {.readable = true}, [](Ready) {});
  const Watch users_own = reactor_.watch(own, {.readable = true}, [](Ready) {});
  const Watch number = reactor_.watch(socket.fd(), {.readable = true}, [](Ready) {});
  EXPECT_EQ(watch.fd(), event.fd());
  EXPECT_EQ(watch.interest(), Interest{.readable = true});
  socket.send();
  EXPECT_EQ(turn(), 3U);
}

TEST_P(WatchOnEveryPoller, L1_AnEmptyWatchHasNothingToTell) {
  Watch watch;
  EXPECT_FALSE(watch.active());
  EXPECT_FALSE(static_cast<bool>(watch));
  EXPECT_EQ(watch.fd(), -1);
  EXPECT_EQ(watch.interest(), Interest{});
  EXPECT_STREQ(watch.name().text, "");
  watch.cancel();
  EXPECT_THROW(watch.set_interest({.readable = true}), std::logic_error);
  EXPECT_THROW(watch.pause(), std::logic_error);
  EXPECT_THROW(watch.resume(), std::logic_error);
}

TEST_P(WatchOnEveryPoller, L1_ACancelledWatchCannotBeChanged) {
  const WatchedSocket socket;
  Watch watch = reactor_.watch(socket, {.readable = true}, [](Ready) {});
  watch.cancel();
  EXPECT_THROW(watch.set_interest({.readable = true}), std::logic_error);
  EXPECT_EQ(watch.fd(), -1);
}

TEST_P(WatchOnEveryPoller, T27_NoDescriptorIsLeftOverWhenTheLoopIsGone) {
  const DescriptorsBefore before;
  {
    Reactor reactor(on_poller(GetParam()));
    const Poster poster = reactor.poster();
    const std::unique_ptr<Alarm> alarm = kernel_clock().make_alarm(ClockId::steady);
    WatchedSocket socket;
    const Watch socket_watch = reactor.watch(socket, {.readable = true}, [](Ready) {});
    const Watch alarm_watch = reactor.watch(*alarm, {.readable = true}, [](Ready) {});
    reactor.post([] {});
    reactor.dispatch();
    EXPECT_FALSE(before.opened_since().empty());
  }
  EXPECT_TRUE(before.opened_since().empty());
}

// ---- interest

TEST_P(WatchOnEveryPoller, D1_APausedWatchIsSilentUntilItIsResumed) {
  WatchedSocket socket;
  socket.send();
  Watch watch = reactor_.watch(socket, {.readable = true}, [](Ready) {});
  watch.pause();
  EXPECT_EQ(turn(), 0U);
  EXPECT_TRUE(watch.active());
  EXPECT_EQ(watch.interest(), Interest{.readable = true}) << "what was set, paused or not";
  watch.pause();
  EXPECT_EQ(turn(), 0U);
  watch.resume();
  EXPECT_EQ(turn(), 1U);
}

TEST_P(WatchOnEveryPoller, D1_AnInterestSetDuringAPauseHoldsAfterIt) {
  WatchedSocket socket;
  std::vector<Ready> told;
  Watch watch =
      reactor_.watch(socket, {.readable = true}, [&](Ready ready) { told.push_back(ready); });
  watch.pause();
  watch.set_interest({.writable = true});
  EXPECT_EQ(turn(), 0U);
  EXPECT_EQ(watch.interest(), Interest{.writable = true});
  watch.resume();
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told, (std::vector<Ready>{{.writable = true}}));
}

TEST_P(WatchOnEveryPoller, D1_TheLastOfManyChangesBeforeAWaitCounts) {
  WatchedSocket socket;
  socket.send();
  std::vector<Ready> told;
  Watch watch =
      reactor_.watch(socket, {.readable = true}, [&](Ready ready) { told.push_back(ready); });
  for (int i = 0; i < 1'000; ++i) {
    watch.set_interest({.writable = true});
    watch.pause();
    watch.set_interest({});
    watch.resume();
    watch.set_interest({.readable = true});
  }
  turn();
  EXPECT_EQ(told, (std::vector<Ready>{{.readable = true}}));
}

TEST_P(WatchOnEveryPoller, D3_OneShotIsSilentAfterOneCallUntilItIsSetAgain) {
  WatchedSocket socket;
  socket.send();
  constexpr Interest kOnce = {.readable = true, .trigger = Trigger::one_shot};
  Watch watch = reactor_.watch(socket, kOnce, [](Ready) {});
  EXPECT_EQ(turn(), 1U);
  socket.send();
  EXPECT_EQ(turn(), 0U);
  EXPECT_TRUE(watch.active());
  EXPECT_EQ(error_of([&] { static_cast<void>(reactor_.watch(socket, kOnce, [](Ready) {})); }),
            std::errc::file_exists)
      << "it is still registered";
  watch.set_interest(kOnce);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(turn(), 0U);
  watch.resume();
  EXPECT_EQ(turn(), 1U) << "resume acts as set_interest(interest())";
  EXPECT_EQ(turn(), 0U);
}

TEST_P(WatchOnEveryPoller, D3_OneShotMayBeSetAgainInItsOwnCallback) {
  WatchedSocket socket;
  socket.send();
  Watch watch;
  watch = reactor_.watch(socket, {.readable = true, .trigger = Trigger::one_shot},
                         [&](Ready) { watch.set_interest(watch.interest()); });
  for (int i = 0; i < 3; ++i) EXPECT_EQ(turn(), 1U);
}

TEST_P(WatchOnEveryPoller, D2_UrgentDataIsAPriorityWhereThePollerCan) {
  constexpr Interest kUrgent = {.priority = true};
  if (!capabilities_.priority) {
    EXPECT_UNSUPPORTED(reactor_.watch(WatchedSocket(), kUrgent, [](Ready) {}));
    return;
  }
  const SocketPair pair = make_tcp_pair();
  std::vector<Ready> told;
  const Watch watch =
      reactor_.watch(pair.near, kUrgent, [&](Ready ready) { told.push_back(ready); });
  ASSERT_EQ(1, ::send(pair.far.fd(), "!", 1, MSG_OOB));
  EXPECT_EQ(reactor_.run_once(), 1U);
  EXPECT_EQ(told, (std::vector<Ready>{{.priority = true}}));
}

// ---- what is told is what is wanted when it is told

class InterestInForce : public SimulatedReactor {
 protected:
  // Two watches, both ready for all. Whichever is called first does `change` to the other.
  template <class Change>
  std::vector<Ready> told_to_the_second(Change change) {
    constexpr Ready kAll = {.readable = true, .writable = true};
    std::array<Watch, 2> watches;
    std::vector<Ready> told;
    int calls = 0;
    for (const std::size_t i : {0U, 1U}) {
      const int fd = kFirst + static_cast<int>(i);
      clock_.set_ready(fd, kAll);
      watches[i] = reactor_->watch(fd, {.readable = true, .writable = true}, [&, i](Ready ready) {
        if (++calls == 1) return change(watches[1 - i]);
        told.push_back(ready);
      });
    }
    turn();
    return told;
  }
};

TEST_F(InterestInForce, L4_AnInterestThatASiblingDroppedIsNotTold) {
  EXPECT_EQ(told_to_the_second([](Watch& other) { other.set_interest({.readable = true}); }),
            (std::vector<Ready>{{.readable = true}}));
}

TEST_F(InterestInForce, L4_NothingLeftOfAnEventMeansNoCall) {
  EXPECT_EQ(told_to_the_second([](Watch& other) { other.set_interest({}); }), std::vector<Ready>{});
  EXPECT_EQ(told_to_the_second([](Watch& other) { other.set_interest({.priority = true}); }),
            std::vector<Ready>{});
}

TEST_F(InterestInForce, L4_ASiblingThatWasPausedIsNotCalled) {
  EXPECT_EQ(told_to_the_second([](Watch& other) { other.pause(); }), std::vector<Ready>{});
}

TEST_F(InterestInForce, L4_AnEventIsOfTheInterestThatWasWaitedForNotOfALaterOne) {
  clock_.set_ready(kFirst, {.readable = true, .writable = true});
  std::vector<Ready> told;
  Watch watch =
      reactor_->watch(kFirst, {.readable = true}, [&](Ready ready) { told.push_back(ready); });
  const Handle hook =
      reactor_->after_wait([&] { watch.set_interest({.readable = true, .writable = true}); });
  turn();
  EXPECT_EQ(told, (std::vector<Ready>{{.readable = true}}));
}

TEST_F(InterestInForce, L1_AfterAWatchEndedInItsCallbackTheRestOfItsEventIsDropped) {
  clock_.set_ready(kFirst, {.readable = true, .writable = true});
  int calls = 0;
  Watch watch;
  watch = reactor_->watch(kFirst, {.readable = true, .writable = true}, [&](Ready) {
    ++calls;
    watch.cancel();
  });
  turn();
  turn();
  EXPECT_EQ(calls, 1);
}

TEST_F(InterestInForce, L4_ASpuriousReadinessThatNobodyAskedForIsNotTold) {
  int calls = 0;
  const Watch watch = reactor_->watch(kFirst, {.writable = true}, [&](Ready) { ++calls; });
  // The first registration of a loop.
  clock_.inject({.id = {.slot = 0, .generation = 1}, .ready = {.readable = true}});
  turn();
  EXPECT_EQ(calls, 0);
  clock_.inject({.id = {.slot = 0, .generation = 1}, .ready = {.writable = true}});
  turn();
  EXPECT_EQ(calls, 1) << "the number is right";
}

TEST_F(InterestInForce, T25_AStaleEventReachesNobodyAndIsCounted) {
  int calls = 0;
  Watch watch = reactor_->watch(kFirst, {.readable = true}, [&](Ready) { ++calls; });
  EXPECT_EQ(reactor_->counters().stale_events, 0U);
  watch.cancel();
  clock_.inject({.id = {.slot = 0, .generation = 1}, .ready = {.readable = true}});
  EXPECT_EQ(turn(), 0U);
  EXPECT_EQ(reactor_->counters().stale_events, 1U);

  // Its slot has a new tenant now, whom the old number must not reach.
  const Watch next = reactor_->watch(kFirst, {.readable = true}, [&](Ready) { ++calls; });
  clock_.inject({.id = {.slot = 0, .generation = 1}, .ready = {.readable = true}});
  EXPECT_EQ(turn(), 0U);
  EXPECT_EQ(reactor_->counters().stale_events, 2U);
  for (const HandlerId unknown : {HandlerId{}, HandlerId{.slot = 9'999, .generation = 1}}) {
    clock_.inject({.id = unknown, .ready = {.readable = true}});
  }
  EXPECT_EQ(turn(), 0U);
  EXPECT_EQ(reactor_->counters().stale_events, 4U);
  EXPECT_EQ(calls, 0);
}

TEST_F(InterestInForce, T31_AnotherReadyDescriptorRemovedInACallbackIsNotCalled) {
  constexpr int kMany = 20;
  std::vector<Watch> watches(kMany);
  int calls = 0;
  for (int i = 0; i < kMany; ++i) {
    clock_.set_ready(kFirst + i, {.readable = true});
    watches[static_cast<std::size_t>(i)] =
        reactor_->watch(kFirst + i, {.readable = true}, [&, i](Ready) {
          ++calls;
          for (int other = 0; other < kMany; ++other) {
            if (other != i) watches[static_cast<std::size_t>(other)] = Watch();
          }
        });
  }
  turn();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(reactor_->counters().stale_events, static_cast<std::uint64_t>(kMany - 1));
}

// ---- the caller's own poller

// As a poller that cannot tell edges.
class EdgelessPoller final : public Poller {
 public:
  explicit EdgelessPoller(std::unique_ptr<Poller> poller) : poller_(std::move(poller)) {}
  void add(int fd, Interest interest, HandlerId id) override {
    refuse_edges(interest);
    poller_->add(fd, interest, id);
  }
  void modify(int fd, Interest interest, HandlerId id) override {
    refuse_edges(interest);
    poller_->modify(fd, interest, id);
  }
  void remove(int fd) override { poller_->remove(fd); }
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override {
    return poller_->wait(room, max_wait);
  }
  [[nodiscard]] Capabilities capabilities() const noexcept override { return {}; }
  [[nodiscard]] std::string_view name() const noexcept override { return "edgeless"; }
  [[nodiscard]] int native_handle() override { return poller_->native_handle(); }

 private:
  static void refuse_edges(Interest interest) {
    if (interest.trigger == Trigger::edge) {
      throw std::system_error(ENOTSUP, std::system_category(), "EdgelessPoller");
    }
  }

  std::unique_ptr<Poller> poller_;
};

TEST(WatchOnARefusingPoller, D3_AnInterestThatIsRefusedLeavesTheOldOneInForce) {
  Simulation clock;
  clock.set_ready(1'000'000, {.readable = true, .writable = true});
  Reactor reactor(
      {.poller = std::make_unique<EdgelessPoller>(clock.make_poller()), .clock = &clock});
  std::vector<Ready> told;
  Watch watch =
      reactor.watch(1'000'000, {.readable = true}, [&](Ready ready) { told.push_back(ready); });
  EXPECT_EQ(error_of([&] { watch.set_interest({.writable = true, .trigger = Trigger::edge}); }),
            std::errc::not_supported);
  EXPECT_EQ(watch.interest(), Interest{.readable = true});
  reactor.dispatch();
  EXPECT_EQ(told, (std::vector<Ready>{{.readable = true}}));
}

DETENT_ON_EVERY_POLLER(WatchOnEveryPoller);

}  // namespace
}  // namespace detent
