// SPDX-License-Identifier: BSL-1.0
// Descriptors that were closed before their watch was gone.
#include <fcntl.h>

#include "detent/reactor.h"
#include "detent/simulation.h"
#include "detent/unique_fd.h"
#include "support/conformance.h"
#include "support/errors.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

class ClosedOnEveryPoller : public ReactorOnEveryPoller {};

TEST_P(ClosedOnEveryPoller, L6_AClosedDescriptorEndsItsWatchWhichIsToldOnce) {
  WatchedSocket socket;
  WatchedSocket next;
  const auto capture = std::make_shared<int>();
  std::vector<Ready> told;
  Watch watch = reactor_.watch(socket, {.readable = true}, [&told, &watch, capture](Ready ready) {
    told.push_back(ready);
    EXPECT_FALSE(watch.active());
  });
  const int number = socket.fd();
  socket.close();
  watch.set_interest({.writable = true});
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told, (std::vector<Ready>{{.invalid = true}}));
  EXPECT_FALSE(watch.active());
  EXPECT_EQ(capture.use_count(), 1) << "what has ended needs its captures no more";
  EXPECT_EQ(error_of([&] { watch.set_interest({.readable = true}); }),
            std::errc::no_such_file_or_directory);
  EXPECT_EQ(turn(), 0U);

  const UniqueFd reused(::fcntl(next.fd(), F_DUPFD_CLOEXEC, number));
  ASSERT_EQ(reused.fd(), number);
  const Watch fresh = reactor_.watch(reused, {.readable = true}, [](Ready) {});
  next.send();
  EXPECT_EQ(turn(), 1U) << "its number is free";
  watch.cancel();
  EXPECT_EQ(turn(), 1U) << "and not the old watch's to take away";
}

TEST_P(ClosedOnEveryPoller, L6_TheWatchThatEndedMayBeDestroyedInTheCallThatSaysSo) {
  WatchedSocket socket;
  auto watch = std::make_unique<Watch>();
  int calls = 0;
  *watch = reactor_.watch(socket, {.readable = true}, [&](Ready ready) {
    ++calls;
    EXPECT_TRUE(ready.invalid);
    watch.reset();
  });
  socket.close();
  watch->set_interest({.writable = true});
  turn();
  turn();
  EXPECT_EQ(calls, 1);
}

TEST_P(ClosedOnEveryPoller, L6_AnExceptionFromTheCallThatSaysSoEndsTheWatchAllTheSame) {
  WatchedSocket socket;
  const auto capture = std::make_shared<int>();
  Watch watch = reactor_.watch(socket, {.readable = true},
                               [capture](Ready) { throw std::runtime_error("invalid"); });
  socket.close();
  watch.set_interest({.writable = true});
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_FALSE(watch.active());
  EXPECT_EQ(capture.use_count(), 1);
  EXPECT_EQ(turn(), 0U);
}

// The poller has ended the registration when the batch comes back; its owner has not heard yet.
TEST_P(ClosedOnEveryPoller, L6_AnEndedWatchCannotChangeTheNextOneOfItsNumber) {
  std::array<WatchedSocket, 2> sockets;
  std::array<Watch, 2> watches;
  WatchedSocket next;
  UniqueFd reused;
  Watch fresh;
  int calls = 0;
  for (const std::size_t i : {0U, 1U}) {
    watches[i] = reactor_.watch(sockets[i], {.readable = true}, [&, i](Ready) {
      Watch& other = watches[1 - i];
      if (fresh || other.active()) return;
      reused.reset(::fcntl(next.fd(), F_DUPFD_CLOEXEC, other.fd()));
      ASSERT_EQ(reused.fd(), other.fd());
      fresh = reactor_.watch(reused, {.readable = true}, [&](Ready) { ++calls; });
      EXPECT_EQ(error_of([&] { other.set_interest({}); }), std::errc::no_such_file_or_directory);
    });
  }
  for (const std::size_t i : {0U, 1U}) {
    sockets[i].close();
    watches[i].set_interest({.writable = true});
  }
  turn();
  next.send();
  while (turn() > 0 && calls == 0) {
  }
  EXPECT_EQ(calls, 1) << "the fresh watch is as it was";
}

// The poller has ended the registration when the batch comes back; its owner has not heard yet.
TEST_P(ClosedOnEveryPoller, L6_AnEndedWatchMayBeDestroyedBeforeItsOwnerHasHeard) {
  std::array<WatchedSocket, 2> sockets;
  std::array<Watch, 2> watches;
  int calls = 0;
  for (const std::size_t i : {0U, 1U}) {
    watches[i] = reactor_.watch(sockets[i], {.readable = true}, [&, i](Ready ready) {
      ++calls;
      EXPECT_TRUE(ready.invalid);
      watches[1 - i] = Watch();
    });
  }
  for (const std::size_t i : {0U, 1U}) {
    sockets[i].close();
    watches[i].set_interest({.writable = true});
  }
  turn();
  turn();
  EXPECT_EQ(calls, 1);
}

TEST_P(ClosedOnEveryPoller, L6_AnEndedWatchMayBeChangedBeforeItsOwnerHasHeard) {
  WatchedSocket socket;
  std::vector<Ready> told;
  Watch watch =
      reactor_.watch(socket, {.readable = true}, [&](Ready ready) { told.push_back(ready); });
  socket.close();
  watch.set_interest({.writable = true});
  const Handle hook = reactor_.after_wait([&] {
    if (!watch.active()) return;
    try {
      watch.set_interest({.readable = true});
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::no_such_file_or_directory);
    }
  });
  turn();
  EXPECT_EQ(told, (std::vector<Ready>{{.invalid = true}}));
  EXPECT_FALSE(watch.active());
}

// Its number may be the poller's to give again, but what is destroyed is the old watch.
TEST_P(ClosedOnEveryPoller, L6_DestroyingAnEndedWatchLeavesTheNextOwnerOfItsNumberAlone) {
  auto socket = std::make_unique<WatchedSocket>();
  WatchedSocket next;
  UniqueFd reused;
  Watch fresh;
  int fresh_calls = 0;
  Watch ended = reactor_.watch(*socket, {.readable = true}, [](Ready) {});
  const int number = socket->fd();
  socket->close();
  ended.set_interest({.writable = true});
  bool done = false;
  const Handle hook = reactor_.after_wait([&] {
    if (std::exchange(done, true)) return;
    reused.reset(::fcntl(next.fd(), F_DUPFD_CLOEXEC, number));
    ASSERT_EQ(reused.fd(), number);
    const auto watch_next = [&] {
      return reactor_.watch(reused, {.readable = true}, [&](Ready) { ++fresh_calls; });
    };
    try {
      fresh = watch_next();
      ended = Watch();
    } catch (const std::system_error& e) {  // the old watch lives until its owner has heard
      EXPECT_EQ(e.code(), std::errc::file_exists);
      ended = Watch();
      fresh = watch_next();
    }
  });
  turn();
  next.send();
  turn();
  EXPECT_EQ(fresh_calls, 1);
}

TEST_P(ClosedOnEveryPoller, T24_ClosingBeforeRemovingIsDiagnosedAndReachesNobodyElse) {
  WatchedSocket socket;
  WatchedSocket next;
  std::vector<Ready> told;
  Watch watch =
      reactor_.watch(socket, {.readable = true}, [&](Ready ready) { told.push_back(ready); });
  const int number = socket.fd();
  socket.close();  // the wrong order
  const UniqueFd reused(::fcntl(next.fd(), F_DUPFD_CLOEXEC, number));
  ASSERT_EQ(reused.fd(), number);
  next.send();
  turn();
  if (!capabilities_.file_identity) {
    ASSERT_EQ(told.size(), 1U);
    EXPECT_DIFFERENCE(told[0] == Ready{.readable = true});  // the next file, for all it knows
    return;
  }
  for (const Ready& ready : told) EXPECT_TRUE(ready.invalid) << "no ghost of the new file";
  if (watch.active()) watch.set_interest({.readable = true, .writable = true});
  turn();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_TRUE(told[0].invalid);
  EXPECT_FALSE(watch.active());
}

DETENT_ON_EVERY_POLLER(ClosedOnEveryPoller);

// ---- simulated, where the kernel ends a registration at any moment

class ClosedInSimulation : public SimulatedReactor {};

TEST_F(ClosedInSimulation, L6_AWatchEndedByThePollerMayBeDestroyedBeforeItIsDispatched) {
  Watch watch = reactor_->watch(kFirst, {.readable = true}, [](Ready) { FAIL(); });
  const Handle hook = reactor_->after_wait([&] { watch.cancel(); });
  clock_.set_ready(kFirst, {.invalid = true});
  EXPECT_EQ(turn(), 0U);
  EXPECT_FALSE(watch.active());
}

TEST_F(ClosedInSimulation, L6_AnInvalidDescriptorIsToldToAPausedWatchToo) {
  std::vector<Ready> told;
  Watch watch =
      reactor_->watch(kFirst, {.readable = true}, [&](Ready ready) { told.push_back(ready); });
  const Handle hook = reactor_->after_wait([&] {
    if (watch.active()) watch.set_interest({});
  });
  clock_.inject({.id = {.slot = 0, .generation = 1}, .ready = {.invalid = true}});
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told, (std::vector<Ready>{{.invalid = true}}));
}

}  // namespace
}  // namespace detent
