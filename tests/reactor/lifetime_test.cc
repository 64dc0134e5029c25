// SPDX-License-Identifier: BSL-1.0
// The rows of the table of lifetimes that a reactor has, and what only a watch has: numbers.
#include <fcntl.h>
#include <unistd.h>

#include "detent/reactor.h"
#include "detent/simulation.h"
#include "detent/unique_fd.h"
#include "support/lifetime_table.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace testing_support;

// ---- the actors

// A socket that is readable all the time.
class HeldWatch final : public Held {
 public:
  HeldWatch() { socket_.send(); }
  void take_number(int number) {
    under_number_.reset(::fcntl(socket_.fd(), F_DUPFD_CLOEXEC, number));
    EXPECT_EQ(fd(), number);
  }
  [[nodiscard]] int fd() const { return under_number_ ? under_number_.fd() : socket_.fd(); }
  [[nodiscard]] bool active() const override { return watch.active(); }
  void cancel() override { watch.cancel(); }
  void silence() override { watch.pause(); }
  void speak() override { watch.resume(); }

 private:
  WatchedSocket socket_;
  UniqueFd under_number_;

 public:
  Watch watch;  // goes first
};

class WatchActor : public Actor {
 public:
  static constexpr const char* kName = "Watch";
  static constexpr std::array kWays = {Way::destroyed, Way::cancelled, Way::silenced};
  using Actor::Actor;

  std::unique_ptr<Held> add(Callback<void()> call) override {
    return watched(std::make_unique<HeldWatch>(), std::move(call));
  }
  std::unique_ptr<Held> add_in_place_of(std::unique_ptr<Held> old, Callback<void()> call) override {
    const int number = static_cast<const HeldWatch&>(*old).fd();
    auto held = std::make_unique<HeldWatch>();
    old.reset();
    held->take_number(number);
    return watched(std::move(held), std::move(call));
  }

 protected:
  virtual Watch watch(int fd, Callback<void()> call) {
    return reactor().watch(fd, {.readable = true},
                           [call = std::move(call)](Ready) mutable { call(); });
  }

 private:
  std::unique_ptr<Held> watched(std::unique_ptr<HeldWatch> held, Callback<void()> call) {
    held->watch = watch(held->fd(), std::move(call));
    return held;
  }
};

class SourceActor final : public WatchActor {
 public:
  static constexpr const char* kName = "Source";
  using WatchActor::WatchActor;

 private:
  Watch watch(int fd, Callback<void()> call) override {
    return reactor().watch_source(fd, [this, call = std::move(call)](Ready) mutable {
      reactor().observed([] { return Observer::Call{}; }, call);
      return std::size_t{1};
    });
  }
};

struct BeforeWaitActor final : Actor {
  static constexpr const char* kName = "BeforeWait";
  using Actor::Actor;
  std::unique_ptr<Held> add(Callback<void()> call) override {
    return hold(reactor().before_wait(std::move(call)));
  }
};

struct AfterWaitActor final : Actor {
  static constexpr const char* kName = "AfterWait";
  using Actor::Actor;
  std::unique_ptr<Held> add(Callback<void()> call) override {
    return hold(reactor().after_wait(std::move(call)));
  }
};

struct NextTurnActor final : Actor {
  static constexpr const char* kName = "NextTurn";
  using Actor::Actor;
  std::unique_ptr<Held> add(Callback<void()> call) override {
    return hold(reactor().next_turn(std::move(call)));
  }
};

struct DeferActor final : Actor {
  static constexpr const char* kName = "Defer";
  using Actor::Actor;
  std::unique_ptr<Held> add(Callback<void()> call) override {
    return hold(reactor().defer(std::move(call)));
  }
};

// An observer is its user's, and outlives its handle.
class ObserveActor final : public Actor {
 public:
  static constexpr const char* kName = "Observe";
  static constexpr bool kCaptures = false;
  using Actor::Actor;

  std::unique_ptr<Held> add(Callback<void()> call) override {
    observers_.push_back(std::make_unique<Hearer>(std::move(call)));
    return hold(reactor().observe(*observers_.back()));
  }
  void make_due() override {
    reactor().post([] {});
  }

 private:
  struct Hearer final : Observer {
    explicit Hearer(Callback<void()> heard) : on_call(std::move(heard)) {}
    void before(const Call& /*call*/) noexcept override { on_call(); }
    void after(const Call& /*call*/) noexcept override {}
    void turn(Duration /*waited*/, Duration /*worked*/) noexcept override {}
    Callback<void()> on_call;
  };
  std::vector<std::unique_ptr<Hearer>> observers_;
};

// A posted function has no handle; this tells whether the loop took it.
struct HeldPost final : Held {
  explicit HeldPost(bool was_taken) : taken(was_taken) {}
  [[nodiscard]] bool active() const override { return taken; }
  const bool taken;
};

struct PostActor final : Actor {
  static constexpr const char* kName = "Post";
  using Actor::Actor;
  std::unique_ptr<Held> add(Callback<void()> call) override {
    reactor().post(std::move(call));
    return std::make_unique<HeldPost>(false);
  }
};

class PosterActor final : public Actor {
 public:
  static constexpr const char* kName = "Poster";
  using Actor::Actor;
  std::unique_ptr<Held> add(Callback<void()> call) override {
    return std::make_unique<HeldPost>(poster_.post(std::move(call)));
  }

 private:
  Poster poster_ = reactor().poster();
};

using WithHandles = testing::Types<WatchActor, SourceActor, BeforeWaitActor, AfterWaitActor,
                                   NextTurnActor, DeferActor, ObserveActor>;
using WithCaptures = testing::Types<WatchActor, SourceActor, BeforeWaitActor, AfterWaitActor,
                                    NextTurnActor, DeferActor>;
using WithOwner = testing::Types<WatchActor, SourceActor, BeforeWaitActor, AfterWaitActor,
                                 NextTurnActor, DeferActor, PostActor, PosterActor>;
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, Lifetimes, WithHandles, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfCaptures, WithCaptures, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfOwners, WithOwner, ActorNames);

// ---- what only watches have

class LifetimeOfWatches : public ReactorOnEveryPoller {};

TEST_P(LifetimeOfWatches, L4_ReusedNumbersAreToldApartOverManyGenerations) {
  WatchedSocket fresh;
  int wrong = 0;
  for (int round = 0; round < 300; ++round) {
    WatchedSocket pair;
    pair.send();
    int calls = 0;
    Watch watch = reactor_.watch(pair, {.readable = true}, [&](Ready) { ++calls; });
    turn();
    if (calls != 1) ++wrong;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(reactor_.counters().stale_events, 0U);
}

// The captures' destructors close descriptors, so the poller has to be told first.
TEST_P(LifetimeOfWatches, L3_ADescriptorInTheCapturesIsRemovedBeforeItIsClosed) {
  auto socket = std::make_unique<WatchedSocket>();
  WatchedSocket& seen = *socket;
  const UniqueFd duplicate(::fcntl(seen.fd(), F_DUPFD_CLOEXEC, 0));
  const UniqueFd peer(::fcntl(seen.peer(), F_DUPFD_CLOEXEC, 0));
  int calls = 0;
  const int fd = seen.fd();
  Watch watch = reactor_.watch(fd, {.readable = true},
                               [&calls, socket = std::move(socket)](Ready) { ++calls; });
  watch.cancel();
  ASSERT_EQ(1, ::write(peer.fd(), "x", 1));
  // Had it been closed first, the duplicate would keep it alive in the kernel's set, out of reach.
  EXPECT_EQ(turn(), 0U);
  turn();
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(reactor_.counters().stale_events, 0U);
}

TEST_P(LifetimeOfWatches, L2_ACallbackMayMoveItsOwnWatchAndTheRegistrationFollows) {
  WatchedSocket socket;
  socket.send();
  Watch first;
  Watch second;
  int calls = 0;
  first = reactor_.watch(socket, {.readable = true}, [&](Ready) {
    if (++calls == 1) second = std::move(first);
  });
  turn();
  EXPECT_FALSE(first.active());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(first.fd(), -1);
  EXPECT_TRUE(second.active());
  EXPECT_EQ(second.fd(), socket.fd());
  first = Watch();
  turn();
  EXPECT_EQ(calls, 2);
  second.set_interest({});
  turn();
  EXPECT_EQ(calls, 2) << "the moved handle steers the registration";
}

TEST_P(LifetimeOfWatches, L5_AWatchThatOutlivedItsLoopIgnoresChanges) {
  WatchedSocket socket;
  Watch watch;
  {
    Reactor reactor(on_poller(GetParam()));
    watch = reactor.watch(socket, {.readable = true}, [](Ready) {});
  }
  EXPECT_NO_THROW(watch.set_interest({.writable = true}));
  EXPECT_NO_THROW(watch.pause());
  EXPECT_NO_THROW(watch.resume());
  EXPECT_EQ(watch.fd(), -1);
  EXPECT_EQ(watch.interest(), Interest{});
}

DETENT_ON_EVERY_POLLER(LifetimeOfWatches);

// ---- both orders in a batch, where the order is ours

class LifetimeInEitherOrder : public SimulatedReactor {};

TEST_F(LifetimeInEitherOrder, L1_WhicheverOfTwoReadyWatchesIsCalledFirstMayEndTheOther) {
  int first_called_first = 0;
  constexpr int kSeeds = 64;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    make({}, seed);
    std::array<Watch, 2> watches;
    std::vector<std::size_t> called;
    for (const std::size_t i : {0U, 1U}) {
      const int fd = kFirst + static_cast<int>(i);
      clock_.set_ready(fd, {.readable = true});
      watches[i] = reactor_->watch(fd, {.readable = true}, [&, i](Ready) {
        called.push_back(i);
        watches[1 - i] = Watch();
      });
    }
    turn();
    ASSERT_EQ(called.size(), 1U);
    ASSERT_EQ(reactor_->counters().stale_events, 1U);
    if (called.front() == 0) ++first_called_first;
  }
  EXPECT_GT(first_called_first, 0);
  EXPECT_LT(first_called_first, kSeeds);
}

}  // namespace
}  // namespace detent
