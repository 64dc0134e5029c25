// SPDX-License-Identifier: BSL-1.0
// End of file, hang-up, error: told as often as it helps, and never in a loop of their own.
#include <fcntl.h>
#include <sys/socket.h>

#include "detent/reactor.h"
#include "detent/unique_fd.h"
#include "support/conformance.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

constexpr Interest kUrgent = {.priority = true};

class HangUpOnEveryPoller : public ReactorOnEveryPoller {
 protected:
  // Whether a hang-up comes to whoever waits for something else. Where not, it says what does.
  bool hang_ups_come_unasked() {
    WatchedSocket socket;
    if (!capabilities_.priority) {
      EXPECT_UNSUPPORTED(reactor_.watch(socket, kUrgent, [](Ready) {}));
      return false;
    }
    if (capabilities_.hangup) return true;
    const Watch watch = reactor_.watch(socket, kUrgent, [](Ready) {});
    socket.close_peer();
    const std::size_t calls = turn();
    EXPECT_DIFFERENCE(calls == 0);
    return false;
  }
};

TEST_P(HangUpOnEveryPoller, D2_AHalfClosedPeerIsReadableAndReadClosed) {
  WatchedSocket socket;
  std::vector<Ready> told;
  const Watch watch =
      reactor_.watch(socket, {.readable = true}, [&](Ready ready) { told.push_back(ready); });
  ASSERT_EQ(0, ::shutdown(socket.peer(), SHUT_WR));
  turn();
  ASSERT_EQ(told.size(), 1U);
  if (capabilities_.read_closed) {
    EXPECT_EQ(told[0], (Ready{.readable = true, .read_closed = true}));
  } else {
    EXPECT_DIFFERENCE(told[0] == Ready{.readable = true});
  }
}

TEST_P(HangUpOnEveryPoller, T23_AfterEndOfFileTheWatchEndsInItsOwnCallback) {
  auto socket = std::make_unique<WatchedSocket>();
  WatchedSocket next;
  Watch watch;
  int calls = 0;
  const int number = socket->fd();
  watch = reactor_.watch(*socket, {.readable = true}, [&](Ready) {
    ++calls;
    if (!socket->receive().empty()) return;
    watch.cancel();
    socket.reset();
  });
  socket->send();
  turn();
  socket->close_peer();
  turn();
  turn();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(socket, nullptr);
  const UniqueFd reused(::fcntl(next.fd(), F_DUPFD_CLOEXEC, number));
  ASSERT_EQ(reused.fd(), number);
  const Watch again = reactor_.watch(reused, {.readable = true}, [](Ready) {});
  next.send();
  EXPECT_EQ(turn(), 1U) << "the number can be used at once";
}

TEST_P(HangUpOnEveryPoller, D1_AHangUpDuringAPauseIsNotToldAndDoesNotSpin) {
  for (const bool by_interest : {false, true}) {
    SCOPED_TRACE(by_interest ? "empty interest" : "pause");
    WatchedSocket socket;
    Watch watch = reactor_.watch(socket, {.readable = true}, [](Ready) {});
    if (by_interest) {
      watch.set_interest({});
    } else {
      watch.pause();
    }
    socket.close_peer();
    EXPECT_LT(turns_in(20ms), kFewTurns);
    by_interest ? watch.set_interest({.readable = true}) : watch.resume();
    EXPECT_EQ(turn(), 1U);
  }
}

TEST_P(HangUpOnEveryPoller, D2_AWriterHearsThatItsPeerHasGone) {
  WatchedSocket socket;
  socket.fill();
  std::vector<Ready> told;
  Watch watch =
      reactor_.watch(socket, {.writable = true}, [&](Ready ready) { told.push_back(ready); });
  EXPECT_EQ(turn(), 0U);
  socket.close_peer();
  EXPECT_EQ(turn(), 1U);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_TRUE(told[0].writable || told[0].error || told[0].hangup);
  EXPECT_FALSE(told[0].readable) << "nobody asked for that";
  EXPECT_EQ(::send(socket.fd(), "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_TRUE(errno == EPIPE || errno == ECONNRESET);
}

TEST_P(HangUpOnEveryPoller, D4_AHangUpThatNobodyAskedForIsToldOnceUntilTheWatchIsSetAgain) {
  if (!hang_ups_come_unasked()) return;
  WatchedSocket socket;
  std::vector<Ready> told;
  Watch watch = reactor_.watch(socket, kUrgent, [&](Ready ready) { told.push_back(ready); });
  socket.close_peer();
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told, (std::vector<Ready>{{.hangup = true}}));
  EXPECT_LT(turns_in(20ms), kFewTurns) << "it is out of the kernel";
  EXPECT_TRUE(watch.active());
  watch.resume();
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(turn(), 0U);
  watch.set_interest(kUrgent);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(turn(), 0U);
  watch.pause();
  watch.resume();
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told, std::vector<Ready>(4, Ready{.hangup = true}));
}

TEST_P(HangUpOnEveryPoller, D4_AnErrorThatNobodyAskedForIsToldOnce) {
  WatchedPipe pipe;
  std::vector<Ready> told;
  // A pipe's writing end is never readable.
  Watch watch =
      reactor_.watch(pipe.peer(), {.readable = true}, [&](Ready ready) { told.push_back(ready); });
  pipe.close();
  if (!capabilities_.hangup) {
    turn();
    ASSERT_EQ(told.size(), 1U);
    EXPECT_DIFFERENCE(told[0].readable);
    return;
  }
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(told, (std::vector<Ready>{{.error = true}}));
  EXPECT_LT(turns_in(20ms), kFewTurns);
}

TEST_P(HangUpOnEveryPoller, D4_AWatchThatIsSetAgainInThatCallbackSpeaksOn) {
  if (!hang_ups_come_unasked()) return;
  WatchedSocket socket;
  Watch watch;
  std::vector<Ready> told;
  watch = reactor_.watch(socket, kUrgent, [&](Ready ready) {
    told.push_back(ready);
    watch.set_interest({.readable = true});
  });
  socket.close_peer();
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(turn(), 1U);
  EXPECT_TRUE(told.back().readable);
}

TEST_P(HangUpOnEveryPoller, D4_AWatchThatThrewInThatCallbackIsSilentToo) {
  if (!hang_ups_come_unasked()) return;
  WatchedSocket socket;
  const Watch watch =
      reactor_.watch(socket, kUrgent, [](Ready) { throw std::runtime_error("hang-up"); });
  socket.close_peer();
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_LT(turns_in(20ms), kFewTurns);
}

DETENT_ON_EVERY_POLLER(HangUpOnEveryPoller);

}  // namespace
}  // namespace detent
