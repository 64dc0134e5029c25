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

TEST(KqueueDouble, ChangesAreAppliedInOrderBeforeAnyWaiting) {
  const TestQueue queue;
  const std::vector<Event> changes = {
      change(1, EVFILT_USER, EV_ADD), change(1, EVFILT_USER, EV_DELETE),
      change(1, EVFILT_USER, EV_ADD, {.data = 7}),
      change(1, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER, .data = 8})};
  const Events events = queue.call(changes, 4, nullptr);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].data, 8);
}

// Not a rule of the kernels: what tests of costs ask for.
TEST(KqueueDouble, CallsAndTheirChangesAreCounted) {
  const TestQueue queue;
  const std::vector<Event> changes = {change(1, EVFILT_USER, EV_ADD),
                                      change(2, EVFILT_USER, EV_ADD)};
  const Calls before = calls();
  EXPECT_TRUE(queue.call(changes, 0, nullptr).empty());
  EXPECT_TRUE(queue.collect().empty());
  EXPECT_EQ(calls().made - before.made, 2U);
  EXPECT_EQ(calls().changes - before.changes, 2U);
}

TEST(KqueueDouble, AFailedChangeTakesAPlaceInTheEventListWithItsErrno) {
  const TestQueue queue;
  int tag = 0;
  const std::vector<Event> changes = {
      change(1, EVFILT_USER, EV_ADD), change(2, EVFILT_USER, EV_DELETE, {.udata = &tag}),
      change(9999, EVFILT_READ, EV_ADD), change(3, EVFILT_USER, EV_ADD)};
  const Events events = queue.call(changes, 4, nullptr);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_TRUE(has(events[0], EV_ERROR));
  EXPECT_EQ(events[0].ident, 2U);
  EXPECT_EQ(events[0].filter, EVFILT_USER);
  EXPECT_EQ(events[0].data, ENOENT);
  EXPECT_EQ(events[0].udata, &tag);
  EXPECT_TRUE(has(events[1], EV_ERROR));
  EXPECT_EQ(events[1].data, EBADF);
  EXPECT_EQ(queue.trigger(3), 0) << "it was not applied";
}

TEST(KqueueDouble, AReceiptIsAnEntryWithZeroAndThereIsOneForEachChange) {
  const TestQueue queue;
  const std::vector<Event> changes = {change(1, EVFILT_USER, EV_ADD | EV_RECEIPT),
                                      change(2, EVFILT_USER, EV_DELETE | EV_RECEIPT)};
  const Events events = queue.call(changes, 4, nullptr);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_TRUE(has(events[0], EV_ERROR));
  EXPECT_EQ(events[0].data, 0);
  EXPECT_EQ(events[1].data, ENOENT);
}

TEST(KqueueDouble, TheChangesAndTheEventsMayBeOneArray) {
  const TestQueue queue;
  std::array list = {change(1, EVFILT_USER, EV_ADD), change(2, EVFILT_USER, EV_DELETE),
                     change(3, EVFILT_USER, EV_ADD | EV_RECEIPT)};
  EXPECT_EQ(::kevent(queue.fd(), list.data(), 3, list.data(), 3, nullptr), 2);
  EXPECT_EQ(list[0].data, ENOENT);
  EXPECT_EQ(list[1].ident, 3U);
}

TEST(KqueueDouble, ACallThatWroteAnEntryNeitherWaitsNorAddsOrdinaryEvents) {
  const TestQueue queue;
  ASSERT_EQ(queue.add(1, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER}), 0);
  const std::vector<Event> receipt = {change(2, EVFILT_USER, EV_ADD | EV_RECEIPT)};
  const Events events = queue.call(receipt, 4, nullptr);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].ident, 2U);

  const TestQueue quiet;
  EXPECT_EQ(quiet.call(receipt, 4, nullptr).size(), 1U) << "and not for ever";
}

TEST(KqueueDouble, WithoutRoomTheFirstFailingChangeEndsTheCall) {
  const TestQueue queue;
  const std::array changes = {change(1, EVFILT_USER, EV_ADD), change(2, EVFILT_USER, EV_DELETE),
                              change(3, EVFILT_USER, EV_ADD)};
  EXPECT_EQ(::kevent(queue.fd(), changes.data(), 3, nullptr, 0, nullptr), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(queue.trigger(1), 0);
  EXPECT_EQ(queue.trigger(3), ENOENT);
}

TEST(KqueueDouble, TheRoomCanBeUsedUpByEarlierEntries) {
  const TestQueue queue;
  const std::array changes = {change(1, EVFILT_USER, EV_ADD | EV_RECEIPT),
                              change(2, EVFILT_USER, EV_DELETE), change(3, EVFILT_USER, EV_ADD)};
  Event room = {};
  EXPECT_EQ(::kevent(queue.fd(), changes.data(), 3, &room, 1, nullptr), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(queue.trigger(3), ENOENT);
}

TEST(KqueueDouble, WithoutRoomAGoodReceiptEndsTheCallWithZeroAsInFreeBsd) {
  const TestQueue queue;
  const std::array changes = {change(1, EVFILT_USER, EV_ADD | EV_RECEIPT),
                              change(2, EVFILT_USER, EV_ADD)};
  EXPECT_EQ(::kevent(queue.fd(), changes.data(), 2, nullptr, 0, nullptr), 0);
  EXPECT_EQ(queue.trigger(1), 0);
  EXPECT_EQ(queue.trigger(2), ENOENT);
}

TEST(KqueueDouble, WithoutRoomTheCallReturnsAtOnceWhateverTheTimeout) {
  const TestQueue queue;
  EXPECT_EQ(::kevent(queue.fd(), nullptr, 0, nullptr, 0, nullptr), 0);
  EXPECT_EQ(::kevent(queue.fd(), nullptr, 0, nullptr, 0, &kHour), 0);
}

TEST(KqueueDouble, ATimeoutThatIsNoneIsEinvalAfterTheChanges) {
  const TestQueue queue;
  const Event add = change(1, EVFILT_USER, EV_ADD);
  Event room = {};
  for (const timespec bad :
       {timespec{.tv_sec = -1, .tv_nsec = 0}, timespec{.tv_sec = 0, .tv_nsec = -1},
        timespec{.tv_sec = 0, .tv_nsec = 1'000'000'000}}) {
    EXPECT_EQ(::kevent(queue.fd(), &add, 1, &room, 1, &bad), -1);
    EXPECT_EQ(errno, EINVAL);
  }
  EXPECT_EQ(queue.trigger(1), 0);
}

TEST(KqueueDouble, ATimeoutEndsTheWaitAndNotBeforeItIsOver) {
  using namespace std::chrono_literals;
  const TestQueue queue;
  for (const auto wait : {0ns, 1ns, 900ns, 3'000'001ns}) {
    const timespec timeout = {.tv_sec = 0, .tv_nsec = wait.count()};
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(queue.call({}, 1, &timeout).size(), 0U);
    EXPECT_GE(std::chrono::steady_clock::now() - before, wait);
  }
  const timespec longest = {.tv_sec = std::numeric_limits<time_t>::max(), .tv_nsec = 999'999'999};
  ASSERT_EQ(queue.add(1, EVFILT_TIMER, EV_ONESHOT, {.data = 1}), 0);
  EXPECT_EQ(queue.call({}, 1, &longest).size(), 1U);
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

class Handler {
 public:
  explicit Handler(void (*function)(int)) {
    handler_ran = 0;
    struct sigaction action = {};
    action.sa_handler = function;
    ::sigaction(SIGUSR1, &action, &before_);
  }
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
  ~Handler() { ::sigaction(SIGUSR1, &before_, nullptr); }

 private:
  struct sigaction before_ = {};
};

// Sends SIGUSR1 to the thread that made it, once that sleeps.
class Interrupter {
 public:
  Interrupter()
      : thread_([to = ::pthread_self(), number = detent::testing_support::this_thread_number()] {
          detent::testing_support::wait_until_asleep(number);
          ::pthread_kill(to, SIGUSR1);
        }) {}
  Interrupter(const Interrupter&) = delete;
  Interrupter& operator=(const Interrupter&) = delete;
  ~Interrupter() { thread_.join(); }

 private:
  std::thread thread_;
};

TEST(KqueueDouble, AHandlerEndsTheWaitingWithEintrAfterAllChangesWereApplied) {
  const TestQueue queue;
  const Handler handler(&only_count);
  const std::array changes = {change(1, EVFILT_USER, EV_ADD), change(2, EVFILT_USER, EV_ADD)};
  Event room = {};
  {
    const Interrupter interrupter;
    EXPECT_EQ(::kevent(queue.fd(), changes.data(), 2, &room, 1, nullptr), -1);
    EXPECT_EQ(errno, EINTR);
  }
  EXPECT_EQ(handler_ran, 1);
  EXPECT_EQ(queue.trigger(1), 0);
  EXPECT_EQ(queue.trigger(2), 0);
}

TEST(KqueueDouble, AHandlerOfTheThreadThatWaitsMayTriggerAndTheNextCallReportsIt) {
  const TestQueue queue;
  handlers_kq = queue.fd();
  const Handler handler(&trigger_in_handler);
  ASSERT_EQ(queue.add(1, EVFILT_USER, EV_CLEAR), 0);
  Event room = {};
  {
    const Interrupter interrupter;
    EXPECT_EQ(::kevent(queue.fd(), nullptr, 0, &room, 1, nullptr), -1);
    EXPECT_EQ(errno, EINTR);
  }
  EXPECT_EQ(queue.wait().size(), 1U);
}

TEST(KqueueDouble, AHandlerMayTriggerWhereverItInterruptsTheCall) {
  constexpr int kSignals = 2000;
  const TestQueue queue;
  handlers_kq = queue.fd();
  const Handler handler(&trigger_in_handler);
  ASSERT_EQ(queue.add(1, EVFILT_USER, EV_CLEAR), 0);
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
    ::kevent(queue.fd(), nullptr, 0, &event, 1, &kNoWait);
    EXPECT_EQ(queue.add(2, EVFILT_USER), 0);
    EXPECT_EQ(queue.apply(2, EVFILT_USER, EV_DELETE), 0);
  }
  sender.join();
  EXPECT_GT(handler_ran, 0);
}

}  // namespace
}  // namespace kqueue_double
