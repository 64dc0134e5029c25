// SPDX-License-Identifier: BSL-1.0
// What a call does with its changes, and when it waits.
#include <pthread.h>
#include <signal.h>

#include <limits>

#include "kqueue_double.h"
#include "support/processes.h"
#include "support/standard.h"
#include "test_queue.h"

namespace kqueue_double {
namespace {

constexpr timespec kHour = {.tv_sec = 3600, .tv_nsec = 0};

TEST_F(KqueueDouble, ChangesAreAppliedInOrderBeforeAnyWaiting) {
  const std::vector<Event> changes = {
      change(1, EVFILT_USER, EV_ADD), change(1, EVFILT_USER, EV_DELETE),
      change(1, EVFILT_USER, EV_ADD, {.data = 7}),
      change(1, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER, .data = 8})};
  EXPECT_EQ(only(queue_.call(changes, 4, nullptr)).data, 8);
}

// Not a rule of the kernels: what tests of costs ask for.
TEST_F(KqueueDouble, CallsAndTheirChangesAreCounted) {
  const std::vector<Event> changes = {change(1, EVFILT_USER, EV_ADD),
                                      change(2, EVFILT_USER, EV_ADD)};
  const Calls before = calls();
  EXPECT_TRUE(queue_.call(changes, 0, nullptr).empty());
  EXPECT_TRUE(queue_.collect().empty());
  EXPECT_EQ(calls().made - before.made, 2U);
  EXPECT_EQ(calls().changes - before.changes, 2U);
}

TEST_F(KqueueDouble, AFailedChangeTakesAPlaceInTheEventListWithItsErrno) {
  int tag = 0;
  const std::vector<Event> changes = {
      change(1, EVFILT_USER, EV_ADD), change(2, EVFILT_USER, EV_DELETE, {.udata = &tag}),
      change(9999, EVFILT_READ, EV_ADD), change(3, EVFILT_USER, EV_ADD)};
  const Events events = queue_.call(changes, 4, nullptr);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_TRUE(has(events[0], EV_ERROR));
  EXPECT_EQ(events[0].ident, 2U);
  EXPECT_EQ(events[0].filter, EVFILT_USER);
  EXPECT_EQ(events[0].data, ENOENT);
  EXPECT_EQ(events[0].udata, &tag);
  EXPECT_TRUE(has(events[1], EV_ERROR));
  EXPECT_EQ(events[1].data, EBADF);
  EXPECT_EQ(queue_.trigger(3), 0) << "it was not applied";
}

TEST_F(KqueueDouble, AReceiptIsAnEntryWithZeroAndThereIsOneForEachChange) {
  const std::vector<Event> changes = {change(1, EVFILT_USER, EV_ADD | EV_RECEIPT),
                                      change(2, EVFILT_USER, EV_DELETE | EV_RECEIPT)};
  const Events events = queue_.call(changes, 4, nullptr);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_TRUE(has(events[0], EV_ERROR));
  EXPECT_EQ(events[0].data, 0);
  EXPECT_EQ(events[1].data, ENOENT);
}

TEST_F(KqueueDouble, TheChangesAndTheEventsMayBeOneArray) {
  std::array list = {change(1, EVFILT_USER, EV_ADD), change(2, EVFILT_USER, EV_DELETE),
                     change(3, EVFILT_USER, EV_ADD | EV_RECEIPT)};
  EXPECT_EQ(::kevent(queue_.fd(), list.data(), 3, list.data(), 3, nullptr), 2);
  EXPECT_EQ(list[0].data, ENOENT);
  EXPECT_EQ(list[1].ident, 3U);
}

TEST_F(KqueueDouble, ACallThatWroteAnEntryNeitherWaitsNorAddsOrdinaryEvents) {
  ASSERT_EQ(queue_.add(1, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER}), 0);
  const std::vector<Event> receipt = {change(2, EVFILT_USER, EV_ADD | EV_RECEIPT)};
  EXPECT_EQ(only(queue_.call(receipt, 4, nullptr)).ident, 2U);

  const TestQueue quiet;
  EXPECT_EQ(quiet.call(receipt, 4, nullptr).size(), 1U) << "and not for ever";
}

TEST_F(KqueueDouble, WithoutRoomTheFirstFailingChangeEndsTheCall) {
  const std::array changes = {change(1, EVFILT_USER, EV_ADD), change(2, EVFILT_USER, EV_DELETE),
                              change(3, EVFILT_USER, EV_ADD)};
  EXPECT_EQ(::kevent(queue_.fd(), changes.data(), 3, nullptr, 0, nullptr), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(queue_.trigger(1), 0);
  EXPECT_EQ(queue_.trigger(3), ENOENT);
}

TEST_F(KqueueDouble, TheRoomCanBeUsedUpByEarlierEntries) {
  const std::array changes = {change(1, EVFILT_USER, EV_ADD | EV_RECEIPT),
                              change(2, EVFILT_USER, EV_DELETE), change(3, EVFILT_USER, EV_ADD)};
  Event room = {};
  EXPECT_EQ(::kevent(queue_.fd(), changes.data(), 3, &room, 1, nullptr), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(queue_.trigger(3), ENOENT);
}

TEST_F(KqueueDouble, WithoutRoomAGoodReceiptEndsTheCallWithZeroAsInFreeBsd) {
  const std::array changes = {change(1, EVFILT_USER, EV_ADD | EV_RECEIPT),
                              change(2, EVFILT_USER, EV_ADD)};
  EXPECT_EQ(::kevent(queue_.fd(), changes.data(), 2, nullptr, 0, nullptr), 0);
  EXPECT_EQ(queue_.trigger(1), 0);
  EXPECT_EQ(queue_.trigger(2), ENOENT);
}

TEST_F(KqueueDouble, WithoutRoomTheCallReturnsAtOnceWhateverTheTimeout) {
  EXPECT_EQ(::kevent(queue_.fd(), nullptr, 0, nullptr, 0, nullptr), 0);
  EXPECT_EQ(::kevent(queue_.fd(), nullptr, 0, nullptr, 0, &kHour), 0);
}

TEST_F(KqueueDouble, ATimeoutThatIsNoneIsEinvalAfterTheChanges) {
  const Event add = change(1, EVFILT_USER, EV_ADD);
  Event room = {};
  for (const timespec bad :
       {timespec{.tv_sec = -1, .tv_nsec = 0}, timespec{.tv_sec = 0, .tv_nsec = -1},
        timespec{.tv_sec = 0, .tv_nsec = 1'000'000'000}}) {
    EXPECT_EQ(::kevent(queue_.fd(), &add, 1, &room, 1, &bad), -1);
    EXPECT_EQ(errno, EINVAL);
  }
  EXPECT_EQ(queue_.trigger(1), 0);
}

TEST_F(KqueueDouble, ATimeoutEndsTheWaitAndNotBeforeItIsOver) {
  using namespace std::chrono_literals;
  for (const auto wait : {0ns, 1ns, 900ns, 3'000'001ns}) {
    const timespec timeout = {.tv_sec = 0, .tv_nsec = wait.count()};
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(queue_.call({}, 1, &timeout).size(), 0U);
    EXPECT_GE(std::chrono::steady_clock::now() - before, wait);
  }
  const timespec longest = {.tv_sec = std::numeric_limits<time_t>::max(), .tv_nsec = 999'999'999};
  ASSERT_EQ(queue_.add(1, EVFILT_TIMER, EV_ONESHOT, {.data = 1}), 0);
  EXPECT_EQ(queue_.call({}, 1, &longest).size(), 1U);
}

// Handlers know nothing but globals.
std::atomic<int> handlers_kq = -1;
std::atomic<int> handler_ran = 0;

extern "C" void trigger_in_handler(int /*signal*/) {
  const int error = errno;
  const Event trigger = change(1, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER});
  if (::kevent(handlers_kq, &trigger, 1, nullptr, 0, nullptr) == 0) ++handler_ran;
  errno = error;
}
extern "C" void only_count(int /*signal*/) { ++handler_ran; }

// Sends SIGUSR1 to the thread that asks for it, once that sleeps.
std::jthread interrupter() {
  return when_asleep([to = ::pthread_self()] { ::pthread_kill(to, SIGUSR1); });
}

TEST_F(KqueueDouble, AHandlerEndsTheWaitingWithEintrAfterAllChangesWereApplied) {
  handler_ran = 0;
  const Disposition handler(SIGUSR1, &only_count);
  const std::array changes = {change(1, EVFILT_USER, EV_ADD), change(2, EVFILT_USER, EV_ADD)};
  Event room = {};
  const std::jthread sender = interrupter();
  EXPECT_EQ(::kevent(queue_.fd(), changes.data(), 2, &room, 1, nullptr), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(handler_ran, 1);
  EXPECT_EQ(queue_.trigger(1), 0);
  EXPECT_EQ(queue_.trigger(2), 0);
}

TEST_F(KqueueDouble, AHandlerOfTheThreadThatWaitsMayTriggerAndTheNextCallReportsIt) {
  handlers_kq = queue_.fd();
  const Disposition handler(SIGUSR1, &trigger_in_handler);
  ASSERT_EQ(queue_.add(1, EVFILT_USER, EV_CLEAR), 0);
  Event room = {};
  const std::jthread sender = interrupter();
  EXPECT_EQ(::kevent(queue_.fd(), nullptr, 0, &room, 1, nullptr), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(queue_.wait().size(), 1U);
}

TEST_F(KqueueDouble, AHandlerMayTriggerWhereverItInterruptsTheCall) {
  constexpr int kSignals = 2000;
  handlers_kq = queue_.fd();
  handler_ran = 0;
  const Disposition handler(SIGUSR1, &trigger_in_handler);
  ASSERT_EQ(queue_.add(1, EVFILT_USER, EV_CLEAR), 0);
  std::atomic<bool> done = false;
  std::thread sender([&, to = ::pthread_self()] {
    for (int i = 0; i < kSignals; ++i) {
      ::pthread_kill(to, SIGUSR1);
      std::this_thread::yield();
    }
    done = true;
  });
  while (!done) {
    Event event = {};
    ::kevent(queue_.fd(), nullptr, 0, &event, 1, &kNoWait);
    EXPECT_EQ(queue_.add(2, EVFILT_USER), 0);
    EXPECT_EQ(queue_.apply(2, EVFILT_USER, EV_DELETE), 0);
  }
  sender.join();
  EXPECT_GT(handler_ran, 0);
}

}  // namespace
}  // namespace kqueue_double
