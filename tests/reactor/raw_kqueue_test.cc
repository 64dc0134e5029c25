// SPDX-License-Identifier: BSL-1.0
// BSD and macOS: a kqueue made by hand, with filters that have no portable meaning, is a descriptor
// that each poller watches.
#include <gtest/gtest.h>
#include <sys/event.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

#include "detent/poller.h"
#include "detent/reactor.h"
#include "detent/unique_fd.h"
#include "support/connected_pair.h"
#include "support/poller_fixtures.h"
#include "support/printing.h"
#include "support/reactor_fixtures.h"

namespace detent {
namespace {

using testing_support::make_socket_pair;
using testing_support::put;
using testing_support::SocketPair;
using testing_support::take;
using Kevent = struct kevent;

// Nothing of detent's.
class RawQueue {
 public:
  [[nodiscard]] int fd() const { return queue_.fd(); }

  // 0, or errno.
  int apply(const Kevent& change) {
    return ::kevent(fd(), &change, 1, nullptr, 0, nullptr) == 0 ? 0 : errno;
  }
  // control(None, 1, 0): the event that is there, if any.
  std::optional<Kevent> look() {
    Kevent event = {};
    const timespec none = {};
    if (::kevent(fd(), nullptr, 0, &event, 1, &none) != 1) return std::nullopt;
    return event;
  }

 private:
  UniqueFd queue_{testing_support::checked(::kqueue(), "kqueue")};
};

template <class Number>
Kevent change(Number ident, int filter, unsigned flags, unsigned fflags = 0, int data = 0,
              void* udata = nullptr) {
  Kevent result = {};
  EV_SET(&result, static_cast<decltype(result.ident)>(ident),
         static_cast<decltype(result.filter)>(filter), static_cast<decltype(result.flags)>(flags),
         static_cast<decltype(result.fflags)>(fflags), static_cast<decltype(result.data)>(data),
         udata);
  return result;
}

class RawKqueue : public testing_support::PollerOnEveryPoller {
 protected:
  // Whether the poller finds the kqueue ready.
  bool queue_is_told() { return poll(kFirst).readable; }

  RawQueue queue_;
};

DETENT_ON_EVERY_POLLER(RawKqueue);

TEST_P(RawKqueue, K1_AKqueueOfAnotherOwnerIsWatchedAsAnyDescriptor) {
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue_.apply(change(pair.near.fd(), EVFILT_READ, EV_ADD)), 0);
  poller_->add(queue_.fd(), kRead, kFirst);
  EXPECT_FALSE(queue_is_told());
  put(pair.far.fd());
  EXPECT_TRUE(queue_is_told());
  take(pair.near.fd());
  EXPECT_FALSE(queue_.look());
  EXPECT_FALSE(queue_is_told());
}

TEST_P(RawKqueue, K2_AControlThatTakesNoEventsAppliesItsChangesOnly) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  poller_->add(queue_.fd(), kRead, kFirst);
  ASSERT_EQ(queue_.apply(change(pair.near.fd(), EVFILT_READ, EV_ADD)), 0);
  EXPECT_TRUE(queue_is_told()) << "nobody has collected it";
}

TEST_P(RawKqueue, K3_AChangeThatFailsComesBackAsAnEventWithItsErrno) {
  poller_->add(queue_.fd(), kRead, kFirst);
  const Kevent unknown = change(0, EVFILT_USER, EV_DELETE);
  Kevent receipt = {};
  const timespec none = {};
  ASSERT_EQ(::kevent(queue_.fd(), &unknown, 1, &receipt, 1, &none), 1);
  EXPECT_NE(receipt.flags & EV_ERROR, 0U);
  EXPECT_EQ(receipt.data, ENOENT);
  EXPECT_EQ(queue_.apply(unknown), ENOENT) << "as errno where there is no room for an event";
  EXPECT_FALSE(queue_is_told());
}

TEST_P(RawKqueue, K4_AllSixFieldsMakeTheRoundTrip) {
  constexpr std::uint32_t kNotes = 0x00c0de;
  int here = 0;
  poller_->add(queue_.fd(), kRead, kFirst);
  ASSERT_EQ(queue_.apply(change(4711, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, &here)), 0);
  EXPECT_FALSE(queue_is_told());
  ASSERT_EQ(
      queue_.apply(change(4711, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFCOPY | kNotes, 42, &here)),
      0);
  EXPECT_TRUE(queue_is_told());
  const std::optional<Kevent> event = queue_.look();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->ident, 4711U);
  EXPECT_EQ(event->filter, EVFILT_USER);
  EXPECT_NE(event->flags & EV_CLEAR, 0U);
  EXPECT_EQ(event->fflags & NOTE_FFLAGSMASK, kNotes);
  EXPECT_EQ(event->data, 42);
  EXPECT_EQ(event->udata, &here);
  EXPECT_FALSE(queue_is_told()) << "cleared once told";
}

// The language has no == for it, and detent adds none.
static_assert(!std::equality_comparable<Kevent>);

auto fields_of(const Kevent& event) {
  return std::tuple(event.ident, event.filter, event.flags, event.fflags, event.data, event.udata);
}

TEST_P(RawKqueue, K5_EventsAreComparedByTheirSixValuesAndNotAsObjects) {
  const SocketPair pair = make_socket_pair();
  int own = 0;
  put(pair.far.fd(), "five!");
  ASSERT_EQ(queue_.apply(change(pair.near.fd(), EVFILT_READ, EV_ADD, 0, 0, &own)), 0);
  poller_->add(queue_.fd(), kRead, kFirst);
  EXPECT_TRUE(queue_is_told());
  const std::optional<Kevent> first = queue_.look();
  const std::optional<Kevent> second = queue_.look();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(fields_of(*first), fields_of(*second)) << "a level, told twice";
  EXPECT_EQ(fields_of(*first),
            fields_of(change(pair.near.fd(), EVFILT_READ, first->flags, 0, 5, &own)));
  take(pair.near.fd());
  put(pair.far.fd(), "six");
  const std::optional<Kevent> third = queue_.look();
  ASSERT_TRUE(third);
  EXPECT_NE(fields_of(*first), fields_of(*third)) << "with other data";
}

// Where a system has it at all: it is for completions of aio(4), and not portable.
TEST_P(RawKqueue, K8_AFilterThatTheSystemLacksIsInvalidAndDoesNoHarm) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  poller_->add(queue_.fd(), kRead, kFirst);
  EXPECT_NE(queue_.apply(change(pair.near.fd(), EVFILT_AIO, EV_ADD)), 0);
  EXPECT_FALSE(queue_is_told());
  ASSERT_EQ(queue_.apply(change(pair.near.fd(), EVFILT_READ, EV_ADD)), 0);
  EXPECT_TRUE(queue_is_told());
}

TEST_P(RawKqueue, K13_ATimerOfItsOwnWakesThePoller) {
  ASSERT_EQ(queue_.apply(change(1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 1)), 0);
  poller_->add(queue_.fd(), kRead, kFirst);
  ASSERT_EQ(poll(std::nullopt).size(), 1U);
  const std::optional<Kevent> event = queue_.look();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->filter, EVFILT_TIMER);
  EXPECT_EQ(event->data, 1) << "so many expirations";
}

TEST_P(RawKqueue, K15_AddingAgainModifiesAndDisablingKeeps) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  poller_->add(queue_.fd(), kRead, kFirst);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(queue_.apply(change(pair.near.fd(), EVFILT_READ, EV_ADD)), 0);
  }
  EXPECT_TRUE(queue_is_told());
  ASSERT_EQ(queue_.apply(change(pair.near.fd(), EVFILT_READ, EV_DISABLE)), 0);
  EXPECT_FALSE(queue_.look());
  ASSERT_EQ(queue_.apply(change(pair.near.fd(), EVFILT_READ, EV_ENABLE)), 0);
  EXPECT_TRUE(queue_is_told());
  EXPECT_TRUE(queue_.look());
}

TEST_P(RawKqueue, K16_ARawOneShotIsRemovedAfterItsEvent) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  ASSERT_EQ(queue_.apply(change(pair.near.fd(), EVFILT_READ, EV_ADD | EV_ONESHOT)), 0);
  poller_->add(queue_.fd(), kRead, kFirst);
  EXPECT_TRUE(queue_is_told());
  EXPECT_TRUE(queue_.look());
  EXPECT_EQ(queue_.apply(change(pair.near.fd(), EVFILT_READ, EV_DELETE)), ENOENT);
}

TEST_P(RawKqueue, K18_InternalFlagsAreNamesHereAndNowhereElse) {
  static_assert(EV_SYSFLAGS != 0 && EV_FLAG1 != 0);
  static_assert((EV_SYSFLAGS & (EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE)) == 0);
}

TEST_P(RawKqueue, K20_BelowANotesLowWaterMarkThereIsNoEvent) {
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue_.apply(change(pair.near.fd(), EVFILT_READ, EV_ADD, NOTE_LOWAT, 4)), 0);
  poller_->add(queue_.fd(), kRead, kFirst);
  put(pair.far.fd(), "123");
  EXPECT_FALSE(queue_.look());
  put(pair.far.fd(), "4");
  EXPECT_TRUE(queue_is_told());
  const std::optional<Kevent> event = queue_.look();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->data, 4) << "so many bytes";
}

TEST_P(RawKqueue, K21_NotesDataAndTheUsersOwnAreThereOnAResult) {
  int own = 0;
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue_.apply(change(pair.near.fd(), EVFILT_READ, EV_ADD, 0, 0, &own)), 0);
  poller_->add(queue_.fd(), kRead, kFirst);
  put(pair.far.fd(), "five!");
  EXPECT_TRUE(queue_is_told());
  const std::optional<Kevent> event = queue_.look();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->data, 5) << "so many bytes";
  EXPECT_EQ(event->fflags, 0U);
  EXPECT_EQ(event->udata, &own);
}

TEST_P(RawKqueue, K4_AReactorCallsWhoeverLooksIntoIt) {
  ASSERT_EQ(queue_.apply(change(7, EVFILT_USER, EV_ADD | EV_CLEAR)), 0);
  Reactor reactor(testing_support::on_poller(GetParam()));
  std::optional<Kevent> seen;
  const Watch watch = reactor.watch(queue_, kRead, [&](Ready) { seen = queue_.look(); });
  EXPECT_EQ(reactor.dispatch(), 0U);
  ASSERT_EQ(queue_.apply(change(7, EVFILT_USER, 0, NOTE_TRIGGER)), 0);
  EXPECT_EQ(reactor.dispatch(), 1U);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->ident, 7U);
}

}  // namespace
}  // namespace detent
