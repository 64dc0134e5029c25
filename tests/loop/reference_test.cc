// SPDX-License-Identifier: BSL-1.0
// What the documents of docs/reference.md state of descriptors, on each poller, as far as no rule
// of detent's own has a test that shows it.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "detent/poller.h"
#include "detent/unique_fd.h"
#include "support/conformance.h"
#include "support/connected_pair.h"
#include "support/errors.h"
#include "support/kernel_double.h"
#include "support/poller_fixtures.h"
#include "support/printing.h"
#include "support/standard.h"
#include "support/system_calls.h"
#include "support/wait_into.h"

namespace detent {
namespace {

using namespace testing_support;

class ReferenceOnEveryPoller : public PollerOnEveryPoller {};

DETENT_ON_EVERY_POLLER(ReferenceOnEveryPoller);

// ---- what is told

// ioctl_tty(2), TIOCPKT: the master is told what is done to the slave.
TEST_P(ReferenceOnEveryPoller, S6_APseudoTerminalInPacketModeThatWasFlushedIsExceptional) {
  constexpr Interest kUrgent = {.priority = true};
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

TEST_P(ReferenceOnEveryPoller, S9_APipeThatIsWritableTakesPipeBufBytesAtOnce) {
  static_assert(PIPE_BUF >= 512, "POSIX promises that");
  const SocketPair pipe = make_pipe();
  std::array<char, PIPE_BUF> bytes = {};
  fill(pipe.far.fd());
  poller_->add(pipe.far.fd(), kWrite, kFirst);
  EXPECT_TRUE(poll().empty()) << "it is full";
  ASSERT_EQ(::read(pipe.near.fd(), bytes.data(), bytes.size()), PIPE_BUF);
  EXPECT_EQ(poll(kFirst), Ready{.writable = true});
  EXPECT_EQ(::write(pipe.far.fd(), bytes.data(), bytes.size()), PIPE_BUF) << "none, or all";
}

TEST_P(ReferenceOnEveryPoller, P8_APeerThatHasResetIsAnErrorAndHungUp) {
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

// socket(7), SO_RCVLOWAT: TCP's poll honours it since Linux 2.6.28.
TEST_P(ReferenceOnEveryPoller, K20_BelowTheLowWaterMarkOfASocketThereIsNoEvent) {
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

TEST_P(ReferenceOnEveryPoller, S12_K3_AClosedDescriptorIsNamedAndSpoilsNobodyElsesWaitNorChange) {
  std::array<SocketPair, 3> pairs = {make_socket_pair(), make_socket_pair(), make_socket_pair()};
  const std::array ids = {kFirst, kSecond, kThird};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    poller_->add(pairs.at(i).near.fd(), kRead, ids.at(i));
  }
  EXPECT_TRUE(poll().empty());
  const int closed = pairs[1].near.fd();
  pairs[1].near.reset();
  if (can_.native_handle) EXPECT_DIFFERENCE(poll().empty());  // the kernel drops it in silence
  poller_->modify(pairs[0].near.fd(), kWrite, kFirst);
  if (can_.native_handle) poller_->modify(closed, kWrite, kSecond);
  poller_->modify(pairs[2].near.fd(), kWrite, kThird);
  int named = 0;
  for (int i = 0; i < 2; ++i) {  // a wait that has a failure to tell may tell that alone
    for (const Event& event : poll()) {
      const bool is_closed = event.id == kSecond;
      named += is_closed;
      EXPECT_EQ(event.ready, is_closed ? Ready{.invalid = true} : Ready{.writable = true});
    }
  }
  EXPECT_EQ(named, 1);
  EXPECT_EQ(error_of([&] { poller_->remove(closed); }), std::errc::no_such_file_or_directory);
  EXPECT_EQ(poll().size(), 2U);
}

// ---- what a wait costs

// So many descriptors with adjacent numbers; the last is ready, unless none is.
struct Registered {
  int count = 0;
  int lowest = 50;
  bool one_is_ready = true;
};

class Waiting {
 public:
  Waiting(std::string_view poller, Registered registered) : poller_(make_poller(poller)) {
    if (registered.one_is_ready) put(ready_.far.fd());
    for (int i = 1; i <= registered.count; ++i) {
      const int file = (i == registered.count ? ready_ : idle_).near.fd();
      fds_.emplace_back(::fcntl(file, F_DUPFD_CLOEXEC, registered.lowest));
      poller_->add(fds_.back().fd(), {.readable = true}, kId);
    }
    wait_into(events_, *poller_,
              Duration::zero());  // what was registered has been handed over by then
  }
  void wait() { wait_into(events_, *poller_, std::nullopt); }
  void change_all_and_wait() {
    writing_ = !writing_;
    for (const UniqueFd& fd : fds_) {
      poller_->modify(fd.fd(), {.readable = !writing_, .writable = writing_}, kId);
    }
    wait_into(events_, *poller_, Duration::zero());
    if (events_.size() != (writing_ ? fds_.size() : 0)) std::abort();
  }

 private:
  static constexpr HandlerId kId = {.slot = 1, .generation = 1};
  SocketPair ready_ = make_socket_pair();
  SocketPair idle_ = make_socket_pair();
  std::vector<UniqueFd> fds_;
  std::unique_ptr<Poller> poller_;
  std::vector<Event> events_;
  bool writing_ = false;
};

struct Cost {
  int calls = 0;
  std::uint64_t places = 0;  // for descriptors, which calls gave the kernel to look at
};

std::uint64_t places_given(const EnteredCall& call) {
  if (call.number == SYS_poll || call.number == SYS_ppoll) return call.arguments[1];
  if (call.number == SYS_select || call.number == SYS_pselect6) return call.arguments[0];
  if (call.number == SYS_io_uring_enter) return call.arguments[1];
  return 0;  // the kernel has them: epoll_wait(2)
}

// Nullopt where the calls cannot be told.
std::optional<Cost> cost_of(void (*act)(Waiting&), std::string_view poller, Registered registered) {
  if (poller == "kqueue" && kKernelIsADouble) {
    Waiting waiting(poller, registered);
    const auto before = kevent_calls();
    act(waiting);
    const auto after = kevent_calls();
    return Cost{.calls = static_cast<int>(after->made - before->made),
                .places = after->changes - before->changes};
  }
  Cost cost;
  const auto calls = system_calls_of(
      [=]() -> std::function<void()> {
        return [act, waiting = std::make_shared<Waiting>(poller, registered)] { act(*waiting); };
      },
      [&](const EnteredCall& call) { cost.places += places_given(call); });
  if (!calls) return std::nullopt;
  cost.calls = total(*calls);
  return cost;
}

TEST_P(ReferenceOnEveryPoller, S10_AWaitCostsWhatIsReadyAndNotWhatIsRegisteredNorItsNumbers) {
  const auto wait = [](Waiting& waiting) { waiting.wait(); };
  const auto few = cost_of(wait, GetParam(), {.count = 10});
  const auto many = cost_of(wait, GetParam(), {.count = 100});
  const auto high = cost_of(wait, GetParam(), {.count = 10, .lowest = 900});
  if (!few || !many || !high) GTEST_SKIP() << kUntraced;
  if (GetParam() == "poll") {
    EXPECT_DIFFERENCE(few->places == 10 && many->places == 100 && high->places == 10);
  } else if (GetParam() == "select") {
    EXPECT_DIFFERENCE(few->places == 60 && many->places == 150 && high->places == 910);
  } else {
    EXPECT_LE(few->places, 1U);
    EXPECT_EQ(many->places, few->places);
    EXPECT_EQ(high->places, few->places);
  }
}

TEST_P(ReferenceOnEveryPoller, K2_AllChangesAndTheWaitAreOneCallAPass) {
  constexpr int kPasses = 6;
  const auto cost = cost_of(
      [](Waiting& waiting) {
        for (int i = 0; i < kPasses; ++i) waiting.change_all_and_wait();
      },
      GetParam(), {.count = 10, .one_is_ready = false});
  if (!cost) GTEST_SKIP() << kUntraced;
  if (GetParam() == "epoll") {
    EXPECT_DIFFERENCE(cost->calls == 6 + 6 * 10);
  } else {
    EXPECT_EQ(cost->calls, kPasses);
  }
}

}  // namespace
}  // namespace detent
