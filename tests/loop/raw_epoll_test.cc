// SPDX-License-Identifier: BSL-1.0
// Linux: an epoll made by hand, with masks that have no portable meaning, is a descriptor that each
// poller watches.
#include <sys/epoll.h>
#include <sys/socket.h>

#include "detent/poller.h"
#include "detent/unique_fd.h"
#include "support/connected_pair.h"
#include "support/poller_fixtures.h"
#include "support/printing.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

// Nothing of detent's.
class Epoll {
 public:
  [[nodiscard]] int fd() const { return epoll_.fd(); }

  // 0, or errno.
  int control(int operation, int fd, std::uint32_t mask) {
    epoll_event event = {};
    event.events = mask;
    event.data.fd = fd;
    return ::epoll_ctl(epoll_.fd(), operation, fd, &event) == 0 ? 0 : errno;
  }
  int add(const UniqueFd& fd, std::uint32_t mask) { return control(EPOLL_CTL_ADD, fd.fd(), mask); }

  // The bits of the one descriptor that is ready; 0 when none is.
  std::uint32_t look() {
    epoll_event event = {};
    return ::epoll_wait(epoll_.fd(), &event, 1, 0) == 1 ? event.events : 0;
  }

 private:
  UniqueFd epoll_{checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")};
};

class RawEpoll : public PollerOnEveryPoller {
 protected:
  // Whether the poller finds the epoll ready.
  bool epoll_is_told() { return poll(kFirst) == Ready{.readable = true}; }

  Epoll epoll_;
};

DETENT_ON_EVERY_POLLER(RawEpoll);

TEST_P(RawEpoll, P2_AnEpollOfAnotherOwnerIsWatchedAsAnyDescriptor) {
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(epoll_.add(pair.near, EPOLLIN), 0);
  poller_->add(epoll_.fd(), kRead, kFirst);
  EXPECT_FALSE(epoll_is_told());
  put(pair.far.fd());
  EXPECT_TRUE(epoll_is_told());
  EXPECT_TRUE(epoll_is_told()) << "a level, until somebody has looked and drained it";
  EXPECT_EQ(epoll_.look(), EPOLLIN);
  take(pair.near.fd());
  EXPECT_EQ(epoll_.look(), 0U);
  EXPECT_FALSE(epoll_is_told());
}

TEST_P(RawEpoll, P11_NormalDataIsPlainReadabilityAndWritability) {
  for (const SocketPair& pair : {make_socket_pair(), make_tcp_pair()}) {
    Epoll raw;
    ASSERT_EQ(raw.add(pair.near, EPOLLRDNORM), 0);
    poller_->add(raw.fd(), kRead, kFirst);
    EXPECT_FALSE(epoll_is_told());
    put(pair.far.fd());
    EXPECT_EQ(poll(std::nullopt).size(), 1U);
    EXPECT_EQ(raw.look(), EPOLLRDNORM);
    ASSERT_EQ(raw.control(EPOLL_CTL_MOD, pair.near.fd(), EPOLLWRNORM | EPOLLOUT), 0);
    EXPECT_EQ(raw.look(), EPOLLWRNORM | EPOLLOUT) << "never one without the other";
    ASSERT_EQ(raw.control(EPOLL_CTL_MOD, pair.near.fd(), EPOLLRDNORM | EPOLLIN), 0);
    EXPECT_EQ(raw.look(), EPOLLRDNORM | EPOLLIN);
    poller_->remove(raw.fd());
  }
  const SocketPair pipe = make_pipe();
  ASSERT_EQ(epoll_.add(pipe.near, EPOLLRDNORM), 0);
  ASSERT_EQ(epoll_.add(pipe.far, EPOLLWRNORM), 0);
  poller_->add(epoll_.fd(), kRead, kFirst);
  EXPECT_TRUE(epoll_is_told());
  EXPECT_EQ(epoll_.look(), EPOLLWRNORM);
}

TEST_P(RawEpoll, P11_PriorityBandsAreThePriorityOfNobodyAndMessagesNeverCome) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  ASSERT_EQ(epoll_.add(pair.near, EPOLLMSG), 0) << "accepted, and ignored by the kernel";
  poller_->add(epoll_.fd(), kRead, kFirst);
  EXPECT_FALSE(epoll_is_told()) << "though the socket is readable and writable";
  ASSERT_EQ(epoll_.control(EPOLL_CTL_MOD, pair.near.fd(), EPOLLRDBAND), 0);
  EXPECT_FALSE(epoll_is_told()) << "sockets have no bands to read";
  ASSERT_EQ(epoll_.control(EPOLL_CTL_MOD, pair.near.fd(), EPOLLWRBAND), 0);
  EXPECT_TRUE(epoll_is_told());
  EXPECT_EQ(epoll_.look(), EPOLLWRBAND) << "unix sockets take it for writable";
}

// epoll_ctl(2) and eventpoll.h, EPOLLEXCLUSIVE_OK_BITS.
TEST_P(RawEpoll, P12_ExclusiveWakeUpsAreForAnEpollMadeByHandAndGoWithLittleElse) {
  const SocketPair pair = make_socket_pair();
  for (const auto mask : {EPOLLRDHUP, EPOLLRDNORM, EPOLLPRI}) {
    EXPECT_EQ(epoll_.add(pair.near, EPOLLIN | EPOLLEXCLUSIVE | mask), EINVAL) << mask;
  }
  EXPECT_EQ(epoll_.add(pair.near, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), EINVAL);
  ASSERT_EQ(epoll_.add(pair.near, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET | EPOLLWAKEUP), 0);
  EXPECT_EQ(epoll_.control(EPOLL_CTL_MOD, pair.near.fd(), EPOLLIN), EINVAL);
  poller_->add(epoll_.fd(), kRead, kFirst);
  put(pair.far.fd());
  EXPECT_TRUE(epoll_is_told());
}

}  // namespace
}  // namespace detent
