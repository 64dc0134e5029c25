// SPDX-License-Identifier: BSL-1.0
// BSD and macOS: a kqueue made by hand, with filters that have no portable meaning, is a descriptor
// that each poller watches. What its filters and flags do is the kernel's; what the double of it
// makes of them is in tests/support/kqueue_double.
#include <sys/event.h>

#include "detent/poller.h"
#include "detent/unique_fd.h"
#include "support/connected_pair.h"
#include "support/poller_fixtures.h"
#include "support/standard.h"

namespace detent {
namespace {

class RawKqueue : public testing_support::PollerOnEveryPoller {};

DETENT_ON_EVERY_POLLER(RawKqueue);

TEST_P(RawKqueue, K1_AKqueueOfAnotherOwnerIsWatchedAsAnyDescriptor) {
  const UniqueFd queue(testing_support::checked(::kqueue(), "kqueue"));
  const testing_support::SocketPair pair = testing_support::make_socket_pair();
  struct kevent change = {};
  EV_SET(&change, static_cast<decltype(change.ident)>(pair.near.fd()), EVFILT_READ, EV_ADD, 0, 0,
         nullptr);
  ASSERT_EQ(::kevent(queue.fd(), &change, 1, nullptr, 0, nullptr), 0);
  poller_->add(queue.fd(), kRead, kFirst);
  EXPECT_FALSE(poll(kFirst).readable);
  testing_support::put(pair.far.fd());
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(poll(kFirst).readable) << "a level";
  testing_support::take(pair.near.fd());
  const timespec none = {};
  EXPECT_EQ(::kevent(queue.fd(), nullptr, 0, &change, 1, &none), 0);
  EXPECT_FALSE(poll(kFirst).readable);
}

}  // namespace
}  // namespace detent
