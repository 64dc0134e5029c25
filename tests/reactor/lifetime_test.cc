// SPDX-License-Identifier: BSL-1.0
// The table of lifetimes: every kind of handle x where it ends x how it ends. All three kinds are
// made to be called in every turn, so that a call too many or too few shows at once.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "detent/reactor.h"
#include "detent/simulation.h"
#include "detent/unique_fd.h"
#include "support/keep.h"
#include "support/reactor_fixtures.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using testing_support::on_poller;
using testing_support::ReactorOnEveryPoller;
using testing_support::SimulatedReactor;
using testing_support::WatchedSocket;

enum class Kind { watch, before_wait, after_wait };
enum class Way { destroy, cancel, move, reassign };

const char* text_of(Kind kind) {
  constexpr std::array kTexts = {"Watch", "BeforeWait", "AfterWait"};
  return kTexts[static_cast<std::size_t>(kind)];
}
const char* text_of(Way way) {
  constexpr std::array kTexts = {"Destroy", "Cancel", "Move", "Reassign"};
  return kTexts[static_cast<std::size_t>(way)];
}

// A registration and what became of it. A Watch has no state beyond Handle's.
struct Registration {
  std::unique_ptr<Handle> handle;
  int calls = 0;
  std::weak_ptr<int> captures;

  [[nodiscard]] bool captures_live() const { return !captures.expired(); }
};

using Parameter = std::tuple<std::string_view, Kind, Way>;

class Lifetime : public testing::TestWithParam<Parameter> {
 protected:
  static std::string_view poller() { return std::get<0>(GetParam()); }
  static Kind kind() { return std::get<1>(GetParam()); }
  static Way way() { return std::get<2>(GetParam()); }
  // After a move the registration goes on under another handle; all other ways end it.
  static bool goes_on() { return way() == Way::move; }

  Handle make(Reactor& reactor, Callback<void()> body) {
    switch (kind()) {
      case Kind::before_wait:
        return reactor.before_wait(std::move(body));
      case Kind::after_wait:
        return reactor.after_wait(std::move(body));
      case Kind::watch:
        break;
    }
    WatchedSocket& pair = pairs_.emplace_back();
    pair.send();
    return reactor.watch(pair, {.readable = true},
                         [body = std::move(body)](Ready) mutable { body(); });
  }

  /// Registers `body`, which is called in every turn.
  void start(
      Registration& r, Callback<void()> body = [] {}) {
    auto capture = std::make_shared<int>();
    r.captures = capture;
    r.handle = std::make_unique<Handle>(
        make(*reactor_, [&r, capture = std::move(capture), body = std::move(body)]() mutable {
          ++r.calls;
          body();
        }));
  }

  /// What the table's last dimension does.
  void end(Registration& r) {
    end(r, [this] { return replacement(*reactor_); });
  }

  template <class MakeReplacement>
  void end(Registration& r, MakeReplacement make_replacement) {
    switch (way()) {
      case Way::destroy:
        r.handle.reset();
        break;
      case Way::cancel:
        r.handle->cancel();
        EXPECT_FALSE(r.handle->active());
        r.handle->cancel();
        break;
      case Way::move: {
        auto moved = std::make_unique<Handle>(std::move(*r.handle));
        EXPECT_FALSE(r.handle->active());  // NOLINT(bugprone-use-after-move)
        r.handle = std::move(moved);
        break;
      }
      case Way::reassign:
        *r.handle = make_replacement();
        break;
    }
  }

  Handle replacement(Reactor& reactor) {
    return make(reactor, [this] { ++replacement_calls_; });
  }

  /// The state of things some turns after `r` ended in the way of this test.
  void expect_ended(Registration& r) {
    const int before = r.calls;
    replacement_calls_ = 0;
    turn();
    turn();
    if (goes_on()) {
      EXPECT_EQ(r.calls, before + 2);
      EXPECT_TRUE(r.captures_live());
      EXPECT_TRUE(r.handle->active());
      r.handle.reset();
      turn();
      EXPECT_EQ(r.calls, before + 2);
    } else {
      EXPECT_EQ(r.calls, before);
      EXPECT_EQ(replacement_calls_, way() == Way::reassign ? 2 : 0);
    }
    EXPECT_FALSE(r.captures_live());
  }

  void turn() { reactor_->dispatch(); }

  std::vector<WatchedSocket> pairs_;
  int replacement_calls_ = 0;
  std::optional<Reactor> reactor_{std::in_place, on_poller(poller())};
};

TEST_P(Lifetime, L1_EndedBeforeTheWait) {
  Registration r;
  start(r);
  EXPECT_TRUE(r.handle->active());
  end(r);
  EXPECT_EQ(r.captures_live(), goes_on());
  expect_ended(r);
}

TEST_P(Lifetime, L2_EndedInItsOwnCallback) {
  Registration r;
  start(r, [&] {
    if (r.calls > 1) return;
    end(r);
    EXPECT_TRUE(r.captures_live()) << "a callback that is running keeps its captures";
  });
  turn();
  EXPECT_EQ(r.calls, 1);
  EXPECT_EQ(replacement_calls_, 0) << "what a phase adds for itself is called in the next turn";
  EXPECT_EQ(r.captures_live(), goes_on());
  expect_ended(r);
}

// One of the two ends the other, whichever is called first: both orders of registering, and
// whatever order the poller has.
TEST_P(Lifetime, L1_EndedInASiblingsCallbackOfTheSameTurn) {
  Registration first;
  Registration second;
  const auto end_other = [&](Registration& other, Registration& self) {
    if (self.calls + other.calls == 1) end(other);
  };
  start(first, [&] { end_other(second, first); });
  start(second, [&] { end_other(first, second); });
  turn();
  EXPECT_EQ(first.calls + second.calls, goes_on() ? 2 : 1);
  EXPECT_EQ(replacement_calls_, 0);
  expect_ended(first.calls == 1 && !goes_on() ? second : first);
}

TEST_P(Lifetime, L1_EndedByASiblingThatWasRegisteredLater) {
  Registration victim;
  Registration ender;
  int calls_at_the_end = -1;
  start(victim);
  start(ender, [&] {
    if (ender.calls > 1) return;
    end(victim);
    calls_at_the_end = victim.calls;
  });
  turn();
  EXPECT_TRUE(goes_on() || victim.calls == calls_at_the_end);
  EXPECT_EQ(victim.captures_live(), goes_on());
  expect_ended(victim);
}

TEST_P(Lifetime, L1_EndedInThePhasesAroundItsOwn) {
  for (const std::string phase : {"before_wait", "after_wait", "posted", "deferred"}) {
    SCOPED_TRACE(phase);
    Registration r;
    const auto end_once = [&, done = false]() mutable {
      if (!std::exchange(done, true)) end(r);
    };
    Handle hook;
    if (phase == "before_wait") hook = reactor_->before_wait(end_once);
    if (phase == "after_wait") hook = reactor_->after_wait(end_once);
    if (phase == "posted") reactor_->post(end_once);
    if (phase == "deferred") testing_support::keep(reactor_->defer(end_once));
    start(r);
    turn();
    expect_ended(r);
  }
}

// The callback owns the object that owns the handle.
TEST_P(Lifetime, L3_EndedThroughItsOwnCaptures) {
  struct Owner {
    Registration r;
  };
  auto owner = std::make_shared<Owner>();
  const std::weak_ptr<Owner> watched = owner;
  int calls = 0;
  start(owner->r, [this, owner, &calls] {
    if (++calls == 1) end(owner->r);
  });
  owner.reset();
  EXPECT_FALSE(watched.expired());
  turn();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(!watched.expired(), goes_on());
  turn();
  EXPECT_EQ(calls, goes_on() ? 2 : 1);
  EXPECT_EQ(replacement_calls_, 0) << "the replacement went with the captures that owned it";
  reactor_.reset();
  EXPECT_TRUE(watched.expired()) << "the loop's end breaks the circle";
}

// The captures of one own the handle of another: ending the first ends both.
TEST_P(Lifetime, L3_EndedByTheCapturesThatOwnIt) {
  if (goes_on()) GTEST_SKIP() << "a handle that was moved keeps the captures";
  Registration outer;
  auto inner = std::make_shared<Registration>();
  int inner_calls = 0;
  start(*inner);
  start(outer, [inner, &inner_calls] { inner_calls = inner->calls; });
  const std::weak_ptr<Registration> watched = inner;
  inner.reset();
  turn();
  turn();
  EXPECT_GT(inner_calls, 0);
  end(outer);
  EXPECT_TRUE(watched.expired());
  expect_ended(outer);
}

TEST_P(Lifetime, O6_EndedAfterItThrew) {
  Registration r;
  start(r, [&] {
    if (r.calls == 1) throw std::runtime_error("first call");
  });
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_TRUE(r.captures_live());
  end(r);
  expect_ended(r);
}

TEST_P(Lifetime, O6_EndedInItsOwnCallbackThatThenThrows) {
  Registration r;
  start(r, [&] {
    if (r.calls > 1) return;
    end(r);
    EXPECT_TRUE(r.captures_live());
    throw std::runtime_error("first call");
  });
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_EQ(r.captures_live(), goes_on());
  expect_ended(r);
}

// The rest of the turn is carried over by the throw; what ends meanwhile is not in it any more.
TEST_P(Lifetime, O6_EndedWhileItsCallIsCarriedOver) {
  Registration first;
  Registration second;
  const auto throw_once = [&] {
    if (first.calls + second.calls == 1) throw std::runtime_error("first call");
  };
  start(first, throw_once);
  start(second, throw_once);
  EXPECT_THROW(turn(), std::runtime_error);
  Registration& thrower = first.calls == 1 ? first : second;
  Registration& waiting = first.calls == 1 ? second : first;
  thrower.handle.reset();
  end(waiting);
  turn();
  // The turn that was cut short is completed, and the next one follows: a level is told again.
  const int calls_of_one_that_goes_on = kind() == Kind::watch ? 2 : 1;
  EXPECT_EQ(waiting.calls, goes_on() ? calls_of_one_that_goes_on : 0);
  expect_ended(waiting);
}

TEST_P(Lifetime, L5_EndedAfterTheLoop) {
  Registration r;
  start(r);
  turn();
  reactor_.reset();
  EXPECT_FALSE(r.captures_live());
  EXPECT_FALSE(r.handle->active());
  reactor_.emplace(on_poller(poller()));
  end(r);
  turn();
  EXPECT_EQ(r.calls, 1);
  EXPECT_EQ(replacement_calls_, way() == Way::reassign ? 1 : 0);
}

TEST_P(Lifetime, L5_EndedAfterTheLoopOnAnotherThread) {
  Registration r;
  start(r);
  turn();
  reactor_.reset();
  std::thread([&] {
    Reactor here(on_poller(poller()));
    end(r, [&] { return replacement(here); });
    here.dispatch();
    r.handle.reset();
  }).join();
  EXPECT_EQ(r.calls, 1);
  EXPECT_EQ(replacement_calls_, way() == Way::reassign ? 1 : 0);
}

TEST_P(Lifetime, EX_03_TheLoopEndsAfterTheHandle) {
  Registration r;
  start(r);
  turn();
  end(r);
  const int calls = r.calls;
  r.handle.reset();
  reactor_.reset();
  EXPECT_EQ(r.calls, calls);
  EXPECT_FALSE(r.captures_live());
}

// With live handles left over, in either order of their destruction.
TEST_P(Lifetime, EX_03_TheLoopEndsWithHandlesInItsOwnCaptures) {
  Registration first;
  Registration second;
  auto owner = std::make_shared<Registration>();
  start(*owner);
  start(first, [owner] {});
  start(second, [owner, handle = std::make_shared<Handle>(std::move(*first.handle))] {});
  const std::weak_ptr<Registration> watched = owner;
  owner.reset();
  reactor_.reset();
  EXPECT_TRUE(watched.expired());
}

INSTANTIATE_TEST_SUITE_P(
    OnEveryPoller, Lifetime,
    testing::Combine(testing::ValuesIn(poller_names()),
                     testing::Values(Kind::watch, Kind::before_wait, Kind::after_wait),
                     testing::Values(Way::destroy, Way::cancel, Way::move, Way::reassign)),
    [](const auto& param) {
      return std::string(std::get<0>(param.param)) + "_" + text_of(std::get<1>(param.param)) + "_" +
             text_of(std::get<2>(param.param));
    });

// ---- the number of a descriptor, which only watches have

class LifetimeOfNumbers : public ReactorOnEveryPoller {
 protected:
  // What has been in the batch for the number that `old` had; then the number is another file's.
  static void reuse_number(WatchedSocket& old, WatchedSocket& fresh, UniqueFd& taken) {
    const int number = old.fd();
    old.close();
    taken.reset(::fcntl(fresh.fd(), F_DUPFD_CLOEXEC, number));
    ASSERT_EQ(taken.fd(), number);
  }
};

TEST_P(LifetimeOfNumbers, L4_AnEventForANumberThatWasReusedInTheSameBatchReachesNobody) {
  std::array<WatchedSocket, 2> old;
  WatchedSocket fresh;
  UniqueFd taken;
  std::array<Watch, 2> watches;
  Watch new_watch;
  int old_calls = 0;
  int new_calls = 0;
  const auto on_old = [&](std::size_t self) {
    if (++old_calls > 1) return;
    const std::size_t other = 1 - self;
    watches[other].cancel();
    reuse_number(old[other], fresh, taken);
    new_watch = reactor_.watch(taken, {.readable = true}, [&](Ready) { ++new_calls; });
  };
  for (const std::size_t i : {0U, 1U}) {
    old[i].send();
    watches[i] = reactor_.watch(old[i], {.readable = true}, [&on_old, i](Ready) { on_old(i); });
  }
  turn();
  EXPECT_EQ(old_calls, 1);
  EXPECT_EQ(new_calls, 0) << "the event was its predecessor's";
  turn();
  EXPECT_EQ(new_calls, 0);
  EXPECT_EQ(old_calls, 2);
  fresh.send();
  turn();
  EXPECT_EQ(new_calls, 1);
}

// As before, but the successor is ready too, so a poller must not mix up the two of one number.
TEST_P(LifetimeOfNumbers, L4_TheNewOwnerOfANumberGetsItsOwnEventsOnly) {
  WatchedSocket old;
  WatchedSocket fresh;
  UniqueFd taken;
  Watch watch;
  std::vector<std::string> calls;
  fresh.send("fresh");
  watch = reactor_.watch(old, {.readable = true}, [&](Ready) {
    calls.emplace_back("old");
    watch = Watch();
    reuse_number(old, fresh, taken);
    watch = reactor_.watch(taken, {.readable = true}, [&](Ready) {
      calls.emplace_back("fresh");
      watch = Watch();
    });
  });
  old.send("old");
  turn();
  EXPECT_EQ(calls, std::vector<std::string>{"old"}) << "CB-08: a later turn";
  turn();
  turn();
  EXPECT_EQ(calls, (std::vector<std::string>{"old", "fresh"}));
}

TEST_P(LifetimeOfNumbers, REG_11_ANumberClosedBehindALiveWatchIsTakenUntilTheWatchGoes) {
  WatchedSocket old;
  WatchedSocket fresh;
  UniqueFd taken;
  int old_calls = 0;
  int new_calls = 0;
  Watch old_watch = reactor_.watch(old, {.readable = true}, [&](Ready) { ++old_calls; });
  reuse_number(old, fresh, taken);
  const auto watch_new = [&] {
    return reactor_.watch(taken, {.readable = true}, [&](Ready) { ++new_calls; });
  };
  try {
    static_cast<void>(watch_new());
    ADD_FAILURE() << "the old watch lives";
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::file_exists);
  }
  old_watch.cancel();
  const Watch new_watch = watch_new();
  fresh.send();
  turn();
  EXPECT_EQ(old_calls, 0);
  EXPECT_EQ(new_calls, 1);
}

TEST_P(LifetimeOfNumbers, L4_ReusedNumbersAreToldApartOverManyGenerations) {
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

DETENT_ON_EVERY_POLLER(LifetimeOfNumbers);

// ---- both orders in a batch, where the order is ours

class LifetimeInEitherOrder : public SimulatedReactor {};

TEST_F(LifetimeInEitherOrder, CB_03_WhicheverOfTwoReadyWatchesIsCalledFirstMayEndTheOther) {
  int first_called_first = 0;
  constexpr int kSeeds = 64;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    make({}, seed);
    std::array<Watch, 2> watches;
    std::vector<std::size_t> called;
    for (const std::size_t i : {0U, 1U}) {
      const int fd = kFirst + static_cast<int>(i);
      poller_->set_ready(fd, {.readable = true});
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

// ---- objects

class LifetimeOfOwners : public ReactorOnEveryPoller {};

TEST_P(LifetimeOfOwners, CB_02_ACallbackMayDestroyTheObjectThatOwnsItsWatch) {
  struct Session {
    WatchedSocket socket;
    Watch watch;
    std::string received;
  };
  auto session = std::make_unique<Session>();
  int calls = 0;
  session->socket.send("bye");
  session->watch = reactor_.watch(session->socket, {.readable = true}, [&](Ready) {
    ++calls;
    session->received = session->socket.receive();
    session.reset();
  });
  turn();
  turn();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(session, nullptr);
}

TEST_P(LifetimeOfOwners, EX_08_ACallbackMayHoldTheLastReferenceToItsOwnObject) {
  struct Session : std::enable_shared_from_this<Session> {
    explicit Session(bool& when_gone) : gone(when_gone) {}
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() { gone = true; }
    void start(Reactor& reactor) {
      watch = reactor.watch(socket, {.readable = true}, [self = shared_from_this()](Ready ready) {
        EXPECT_FALSE(self->gone);
        if (ready.readable && self->socket.receive() == "bye") self->watch.cancel();
        EXPECT_FALSE(self->gone) << "the running callback still holds it";
      });
    }
    WatchedSocket socket;
    Watch watch;
    bool& gone;
  };
  bool gone = false;
  auto session = std::make_shared<Session>(gone);
  session->start(reactor_);
  session->socket.send("hello");
  const std::weak_ptr<Session> seen = session;
  session.reset();
  turn();
  ASSERT_FALSE(gone);
  seen.lock()->socket.send("bye");
  turn();
  EXPECT_TRUE(gone);
}

// The captures' destructors close descriptors, so the poller has to be told first.
TEST_P(LifetimeOfOwners, L3_ADescriptorInTheCapturesIsRemovedBeforeItIsClosed) {
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

TEST_P(LifetimeOfOwners, CB_12_ACallbackMayMoveItsOwnWatchAndTheRegistrationFollows) {
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

TEST_P(LifetimeOfOwners, L2_AMoveOntoALiveWatchEndsThatOne) {
  WatchedSocket kept;
  WatchedSocket replaced;
  kept.send();
  replaced.send();
  int kept_calls = 0;
  int replaced_calls = 0;
  Watch a = reactor_.watch(kept, {.readable = true}, [&](Ready) { ++kept_calls; });
  Watch b = reactor_.watch(replaced, {.readable = true}, [&](Ready) { ++replaced_calls; });
  b = std::move(a);
  turn();
  EXPECT_EQ(kept_calls, 1);
  EXPECT_EQ(replaced_calls, 0);
  Watch& same = b;
  b = std::move(same);
  turn();
  EXPECT_EQ(kept_calls, 2) << "a move onto itself changes nothing";
}

TEST_P(LifetimeOfOwners, L3_TheEndOfTheLoopDestroysTheCapturesOfAllThatIsLeft) {
  const auto capture = std::make_shared<int>();
  WatchedSocket socket;
  std::optional<Reactor> reactor(std::in_place, on_poller(GetParam()));
  const Watch watch = reactor->watch(socket, {.readable = true}, [capture](Ready) {});
  const Handle before = reactor->before_wait([capture] {});
  const Handle after = reactor->after_wait([capture] {});
  reactor->post([capture] {});
  testing_support::keep(reactor->defer([capture] {}));
  EXPECT_EQ(capture.use_count(), 6);
  reactor.reset();
  EXPECT_EQ(capture.use_count(), 1);
}

TEST_P(LifetimeOfOwners, L5_AWatchThatOutlivedItsLoopIgnoresChanges) {
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

DETENT_ON_EVERY_POLLER(LifetimeOfOwners);

}  // namespace
}  // namespace detent
