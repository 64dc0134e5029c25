// SPDX-License-Identifier: BSL-1.0
// What ends the sleep of a loop, on each poller, and what becomes of it when other code closes one
// of its descriptors.
#include "loop_wakeup.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/conformance.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/kernel_view.h"
#include "support/poller_fixtures.h"
#include "support/processes.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "wakeup.h"

namespace detent {
namespace {

using namespace testing_support;

class LoopWakeupOnEveryPoller : public PollerOnEveryPoller {
 protected:
  void SetUp() override {
    wakeup_.watch(*poller_, kFirst);
    EXPECT_TRUE(poll().empty());
  }
  // Hears what a wait finds; the message of the error that comes of it.
  std::string hear(std::optional<Duration> max_wait = Duration::zero()) {
    return message_of<std::logic_error>([&] {
      for (const Event& event : poll(max_wait)) {
        if (event.id == kFirst) wakeup_.heard(*poller_, event.id, event.ready);
      }
    });
  }
  // The same, for as many waits as the poller takes to find out.
  std::string hear_of_it() {
    for (int i = 0; i < 10; ++i) {
      const std::string message = hear();
      if (!message.empty()) return message;
    }
    return {};
  }
  void expect_to_work() {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(hear_of_it(), "") << "what is left of the signals before";
      EXPECT_TRUE(poll().empty());
      wakeup_.signal();
      EXPECT_EQ(hear(std::nullopt), "");
      const auto was_heard = [](const Event& event) { return event.id == kFirst; };
      EXPECT_EQ(std::count_if(events_.begin(), events_.end(), was_heard), 1);
    }
    EXPECT_TRUE(poll().empty());
  }
  static std::string closed(int lost, int other) {
    return "Reactor: descriptor " + std::to_string(lost) +
           ", which ends the loop's sleep, was closed by other code; the loop goes on with " +
           std::to_string(other);
  }
  // As other code does that has the number for its own.
  void close_watched() { ::close(wakeup_.fd()); }
  UniqueFd close_and_reuse_watched(const UniqueFd& file) {
    return UniqueFd(::dup3(file.fd(), wakeup_.fd(), O_CLOEXEC));
  }

  LoopWakeup wakeup_;
};

DETENT_ON_EVERY_POLLER(LoopWakeupOnEveryPoller);

TEST_P(LoopWakeupOnEveryPoller, W1_EachSignalIsHeardUntilItIsTakenBack) { expect_to_work(); }

TEST_P(LoopWakeupOnEveryPoller, W1_ManySignalsAreTakenBackAtOnce) {
  for (int i = 0; i < 1'000; ++i) wakeup_.signal();
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(events_.size(), 1U);
  EXPECT_TRUE(poll().empty());
}

TEST_P(LoopWakeupOnEveryPoller, W1_ASignalThatFindsTheCounterFullIsNoLoss) {
  const std::uint64_t full = UINT64_MAX - 1;
  if (::write(wakeup_.spare(), &full, sizeof full) == -1) GTEST_SKIP() << "nothing counts here";
  wakeup_.signal();
  EXPECT_EQ(hear_of_it(), "");
  EXPECT_TRUE(poll().empty());
}

TEST_P(LoopWakeupOnEveryPoller, W1_KeepsErrno) {
  errno = ENOTTY;
  wakeup_.signal();
  EXPECT_EQ(errno, ENOTTY);
  close_watched();
  wakeup_.signal();
  EXPECT_EQ(errno, ENOTTY);
}

TEST(Wakeup, ClearingWithoutASignalDoesNotBlockAndKeepsErrno) {
  const Wakeup wakeup;
  errno = ENOTTY;
  wakeup.clear();
  EXPECT_EQ(errno, ENOTTY);
  wakeup.signal();
  EXPECT_TRUE(is_readable(wakeup.fd()));
}

TEST_P(LoopWakeupOnEveryPoller, L6_ClosedItIsToldOnceWithBothNumbersAndGoesOn) {
  const std::string expected = closed(wakeup_.fd(), wakeup_.spare());
  close_watched();
  wakeup_.signal();
  EXPECT_EQ(hear_of_it(), expected);
  expect_to_work();
}

TEST_P(LoopWakeupOnEveryPoller, L6_ALossThatTwoEventsOfOneWaitShowIsToldOnce) {
  wakeup_.signal();
  EXPECT_EQ(hear(), "") << "a poller that goes round begins with the spare in the next wait";
  const std::string expected = closed(wakeup_.fd(), wakeup_.spare());
  close_watched();
  wakeup_.signal();
  std::vector<std::string> told;
  for (int i = 0; i < 10 && told.empty(); ++i) {
    const std::span<const Event> found = poll();
    for (const Event& event : std::vector<Event>(found.begin(), found.end())) {
      told.push_back(
          message_of<std::logic_error>([&] { wakeup_.heard(*poller_, event.id, event.ready); }));
    }
    std::erase(told, "");
  }
  EXPECT_EQ(told, std::vector{expected});
  expect_to_work();
}

TEST_P(LoopWakeupOnEveryPoller, L6_ClosedDuringASleepItStillEndsIt) {
  const std::string expected = closed(wakeup_.fd(), wakeup_.spare());
  std::jthread other = when_asleep([this, number = wakeup_.fd()] {
    ::close(number);
    wakeup_.signal();
  });
  std::string message = hear(std::nullopt);
  other.join();
  if (message.empty()) message = hear_of_it();
  EXPECT_EQ(message, expected);
  expect_to_work();
}

TEST_P(LoopWakeupOnEveryPoller, L6_TheSameFromThreadToThreadWhileSignalsComeAllTheTime) {
  std::jthread other([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) wakeup_.signal();
  });
  EXPECT_EQ(hear(std::nullopt), "");
  const std::string expected = closed(wakeup_.fd(), wakeup_.spare());
  close_watched();
  std::string message;
  while (message.empty()) message = hear(std::nullopt);
  EXPECT_EQ(message, expected);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(hear(std::nullopt), "");
  other.request_stop();
  other.join();
  expect_to_work();
}

TEST_P(LoopWakeupOnEveryPoller, L6_TheFileThatReusedItsNumberIsNeitherWrittenToNorRead) {
  const std::string expected = closed(wakeup_.fd(), wakeup_.spare());
  const SocketPair pair = make_socket_pair();
  const UniqueFd reused = close_and_reuse_watched(pair.near);
  wakeup_.signal();
  std::string message = hear_of_it();
  EXPECT_EQ(take(pair.far.fd()), "") << "a signal went into other code's file";
  if (message.empty()) {
    EXPECT_DIFFERENCE(!can_.file_identity);  // the poller waits for the other file
    put(pair.far.fd(), "eight bytes and more");
    message = hear_of_it();
    EXPECT_EQ(take(pair.near.fd()), "eight bytes and more") << "they were other code's to read";
  }
  EXPECT_EQ(message, expected);
  expect_to_work();
}

TEST_P(LoopWakeupOnEveryPoller, L6_ItsNumberMayBeWatchedByItsNextOwnerOnceItWasTold) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  const UniqueFd reused = close_and_reuse_watched(pair.near);
  EXPECT_EQ(error_of([&] { poller_->add(reused.fd(), kRead, kSecond); }), std::errc::file_exists);
  wakeup_.signal();
  EXPECT_NE(hear_of_it(), "");
  poller_->add(reused.fd(), kRead, kSecond);
  EXPECT_TRUE(poll(kSecond).readable);
}

TEST_P(LoopWakeupOnEveryPoller, L6_TheLossOfTheSpareOneIsNoHarmEither) {
  const int spare = wakeup_.spare();
  const std::string expected = closed(spare, wakeup_.fd());
  ::close(spare);
  wakeup_.signal();
  const std::string message = hear_of_it();
  // A system that watches both uses the second only when the first is lost.
  EXPECT_TRUE(message == expected || message.empty()) << message;
  expect_to_work();
}

TEST_P(LoopWakeupOnEveryPoller, L6_AfterTheLossOfBothItSaysThatNoneIsLeft) {
  close_watched();
  wakeup_.signal();
  EXPECT_NE(hear_of_it(), "");
  const int last = wakeup_.fd();
  ::close(last);
  poller_->modify(last, {}, kFirst);
  poller_->modify(last, kRead, kFirst);
  poll();
  const std::string message =
      message_of<std::logic_error>([&] { wakeup_.heard(*poller_, kFirst, {.invalid = true}); });
  EXPECT_EQ(message, "Reactor: descriptor " + std::to_string(last) +
                         ", which ends the loop's sleep, was closed by other code, and none is "
                         "left");
}

TEST_P(LoopWakeupOnEveryPoller, O8_K14_ItsDescriptorsAreNoPipeAndClosedOnExecAndGoWithIt) {
  const DescriptorsBefore before;
  {
    const LoopWakeup wakeup;
    EXPECT_EQ(before.opened_since(), (std::set{wakeup.fd(), wakeup.spare()}));
    for (const int fd : {wakeup.fd(), wakeup.spare()}) {
      EXPECT_TRUE(is_close_on_exec(fd));
      EXPECT_FALSE(kind_of_descriptor(fd).starts_with("pipe:"));
    }
  }
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_P(LoopWakeupOnEveryPoller, L6_WhatWasLostIsNotClosedAgain) {
  const SocketPair pair = make_socket_pair();
  UniqueFd reused;
  {
    LoopWakeup wakeup;
    wakeup.watch(*poller_, kSecond);
    EXPECT_TRUE(poll().empty());
    ::close(wakeup.fd());
    wakeup.signal();
    std::string message;
    for (int i = 0; i < 10 && message.empty(); ++i) {
      message = message_of<std::logic_error>([&] {
        for (const Event& event : poll()) wakeup.heard(*poller_, event.id, event.ready);
      });
    }
    EXPECT_NE(message, "");
    reused = UniqueFd(::fcntl(pair.near.fd(), F_DUPFD_CLOEXEC, 0));
  }
  EXPECT_TRUE(is_open(reused.fd()));
}

TEST(LoopWakeup, TakesALowNumberWhereTheLimitIsLow) {
  rlimit before = {};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit low = before;
  low.rlim_cur = 90;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_NO_THROW(const LoopWakeup wakeup);
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST(LoopWakeup, ThrowsSystemErrorAtTheDescriptorLimit) {
  const auto error = error_of([] {
    const NoFreeDescriptor limit;
    const LoopWakeup wakeup;
  });
  EXPECT_EQ(error, std::errc::too_many_files_open);
}

}  // namespace
}  // namespace detent
