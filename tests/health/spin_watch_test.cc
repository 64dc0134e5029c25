// SPDX-License-Identifier: BSL-1.0
// Callbacks that are called for ever and change nothing.
#include "detent/spin_watch.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "detent/reactor.h"
#include "detent/timer_service.h"
#include "detent/unique_fd.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace testing_support;

class SpinWatchOnEveryPoller : public ReactorOnEveryPoller {
 protected:
  std::uint64_t spins_after(int turns) {
    for (int i = 0; i < turns; ++i) turn();
    return spins_.spins();
  }

  std::optional<Spin> last_;
  SpinWatch spins_{reactor_, [this](const Spin& spin) { last_ = spin; }};
};

TEST_P(SpinWatchOnEveryPoller,
       D4_ACallbackThatIgnoresItsInputIsCountedAndNamedAfterAThousandTurns) {
  WatchedSocket socket;
  socket.send();
  const Watch watch = reactor_.watch(
      socket, {.readable = true}, [](Ready) {}, "ignores its input");
  const int line = __LINE__ - 1;
  EXPECT_EQ(spins_after(980), 0U);
  EXPECT_EQ(spins_after(40), 1U);
  ASSERT_TRUE(last_);
  EXPECT_EQ(last_->fd, socket.fd());
  EXPECT_STREQ(last_->name.text, "ignores its input");
  EXPECT_EQ(std::filesystem::path(last_->name.file).filename(), "spin_watch_test.cc");
  EXPECT_NEAR(last_->name.line, line, 1);
  EXPECT_EQ(spins_after(2'000), 3U) << "and again after each further thousand";
}

TEST_P(SpinWatchOnEveryPoller, D4_AHangUpThatARequestedBitRepeatsIsASpin) {
  WatchedSocket socket;
  socket.close_peer();
  const Watch watch = reactor_.watch(socket, {.readable = true},
                                     [&](Ready) { static_cast<void>(socket.receive()); });
  EXPECT_EQ(spins_after(1'100), 1U) << "end of file was read, and changed nothing";
}

TEST_P(SpinWatchOnEveryPoller, D4_ACallbackThatIsNotCalledInEveryTurnDoesNotSpin) {
  WatchedSocket socket;
  socket.send();
  Watch watch = reactor_.watch(socket, {.readable = true}, [](Ready) {});
  for (int i = 0; i < 10; ++i) {
    for (int turns = 0; turns < 500; ++turns) turn();
    watch.pause();
    turn();
    watch.resume();
  }
  EXPECT_EQ(spins_.spins(), 0U);
}

TEST_P(SpinWatchOnEveryPoller, D4_AnHonestReaderOfAStreamDoesNotSpin) {
  WatchedSocket socket;
  const Watch watch = reactor_.watch(socket, {.readable = true}, [&](Ready) {
    char byte = 0;
    EXPECT_EQ(::read(socket.fd(), &byte, 1), 1);
  });
  socket.send(std::string(5'000, 'x'));
  EXPECT_EQ(spins_after(4'500), 0U);
}

TEST_P(SpinWatchOnEveryPoller, D4_AnHonestWriterDoesNotSpin) {
  WatchedSocket socket;
  const Watch watch = reactor_.watch(socket, {.writable = true}, [&](Ready) {
    EXPECT_EQ(::send(socket.fd(), "x", 1, MSG_NOSIGNAL), 1);
  });
  std::array<char, 64> buffer = {};
  for (int i = 0; i < 3'000; ++i) {
    turn();
    if (i % 64 == 63) {
      EXPECT_EQ(::read(socket.peer(), buffer.data(), buffer.size()), 64);
    }
  }
  EXPECT_EQ(spins_.spins(), 0U);
}

TEST_P(SpinWatchOnEveryPoller, D4_AnHonestReaderOfEqualDatagramsDoesNotSpin) {
  WatchedSocket socket(SOCK_DGRAM);
  const Watch watch = reactor_.watch(socket, {.readable = true}, [&](Ready) {
    char byte = 0;
    EXPECT_EQ(::read(socket.fd(), &byte, 1), 1);
  });
  for (int i = 0; i < 4; ++i) socket.send();
  for (int i = 0; i < 3'000; ++i) {
    turn();
    socket.send();
  }
  EXPECT_EQ(spins_.spins(), 0U);
}

TEST_P(SpinWatchOnEveryPoller, D4_AnHonestReaderOfAnEventCountDoesNotSpin) {
  const UniqueFd event(::eventfd(10'000, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE));
  const Watch watch = reactor_.watch(event, {.readable = true}, [&](Ready) {
    std::uint64_t one = 0;
    EXPECT_EQ(::read(event.fd(), &one, sizeof one), 8);
  });
  EXPECT_EQ(spins_after(3'000), 0U);
}

TEST_P(SpinWatchOnEveryPoller, D4_AnHonestAcceptorDoesNotSpin) {
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sa_family_t autobind = AF_UNIX;
  ASSERT_EQ(0,
            ::bind(listener.fd(), reinterpret_cast<const sockaddr*>(&autobind), sizeof autobind));
  sockaddr_storage address = {};
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  ASSERT_EQ(0, ::getsockname(listener.fd(), generic, &size));
  ASSERT_EQ(0, ::listen(listener.fd(), 16));
  const auto connect = [&] {
    const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ASSERT_EQ(0, ::connect(client.fd(), generic, size));
  };
  const Watch watch = reactor_.watch(listener, {.readable = true}, [&](Ready) {
    EXPECT_TRUE(UniqueFd(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC)));
  });
  for (int i = 0; i < 4; ++i) connect();
  for (int i = 0; i < 3'000; ++i) {
    turn();
    connect();
  }
  EXPECT_EQ(spins_.spins(), 0U);
}

TEST_P(SpinWatchOnEveryPoller, D4_ASpinningCallbackMayEndItselfAtAnyTurn) {
  for (int last = 990; last <= 1'003; ++last) {
    WatchedSocket socket;
    socket.send();
    Watch watch;
    int calls = 0;
    watch = reactor_.watch(socket, {.readable = true}, [&](Ready) {
      if (++calls == last) watch.cancel();
    });
    for (int i = 0; i <= last; ++i) turn();
    EXPECT_EQ(calls, last);
  }
}

TEST_P(SpinWatchOnEveryPoller, D4_LookingAtACallbackLetsItsExceptionsPass) {
  WatchedSocket socket;
  socket.send();
  const Watch watch =
      reactor_.watch(socket, {.readable = true}, [](Ready) { throw std::runtime_error("always"); });
  int thrown = 0;
  for (int i = 0; i < 1'100; ++i) {
    try {
      turn();
    } catch (const std::runtime_error&) {
      ++thrown;
    }
  }
  EXPECT_EQ(thrown, 1'100);
}

TEST_P(SpinWatchOnEveryPoller, M5_ItsCallbackMayDestroyItOrThrow) {
  WatchedSocket socket;
  socket.send();
  std::unique_ptr<SpinWatch> owned;
  owned =
      std::make_unique<SpinWatch>(reactor_, [&owned, text = std::string(100, 'x')](const Spin&) {
        owned.reset();
        throw std::runtime_error(text);
      });
  const Watch watch = reactor_.watch(socket, {.readable = true}, [](Ready) {});
  EXPECT_THROW(spins_after(1'000), std::runtime_error);
  EXPECT_EQ(nullptr, owned);
  EXPECT_EQ(spins_after(1'000), 2U) << "the other one goes on";
}

TEST_P(SpinWatchOnEveryPoller, M5_AnotherWatchOfTheSameNumberBeginsAnew) {
  WatchedSocket socket;
  socket.send();
  Watch watch = reactor_.watch(
      socket, {.readable = true}, [](Ready) {}, "one");
  spins_after(900);
  watch.cancel();
  watch = reactor_.watch(
      socket, {.readable = true}, [](Ready) {}, "another");
  EXPECT_EQ(spins_after(900), 0U);
}

TEST_P(SpinWatchOnEveryPoller, D4_ATimerThatIsDueInEveryTurnDoesNotSpin) {
  TimerService timers(reactor_);
  int calls = 0;
  Timer timer = timers.make([&] {
    if (++calls < 3'000) timer.rearm(Duration::zero());
  });
  timer.rearm(Duration::zero());
  while (calls < 3'000) reactor_.run_once();
  EXPECT_EQ(spins_.spins(), 0U);
}

DETENT_ON_EVERY_POLLER(SpinWatchOnEveryPoller);

}  // namespace
}  // namespace detent
