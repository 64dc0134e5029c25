// SPDX-License-Identifier: BSL-1.0
// What select's poller makes of the places where select(2) says nothing.
#include <fcntl.h>
#include <sys/select.h>

#include "detent/poller.h"
#include "detent/unique_fd.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/printing.h"
#include "support/processes.h"
#include "support/standard.h"
#include "support/wait_into.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

constexpr Interest kRead = {.readable = true};
constexpr Interest kBoth = {.readable = true, .writable = true};
constexpr HandlerId kFirst = {.slot = 1, .generation = 1};
constexpr HandlerId kSecond = {.slot = 2, .generation = 1};

// A number that is closed, and lies above the table of descriptors that a forked child gets: its
// kernel copies no more of the parent's than is in use. select(2) then does not look so far up.
class SelectPoller : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_LT(*open_descriptors().rbegin(), kFar - 128) << "somebody else has large numbers";
    const SocketPair pair = make_socket_pair();
    const UniqueFd far(::fcntl(pair.near.fd(), F_DUPFD_CLOEXEC, kFar));
    ASSERT_EQ(far.fd(), kFar);
    poller_->add(kFar, kBoth, kFirst);
  }

  // Whether the kernel is silent about it here, and leaves its bit as it was.
  static bool goes_unnoticed() {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(kFar, &set);
    timeval none = {};
    return ::select(kFar + 1, &set, nullptr, nullptr, &none) == 0 && FD_ISSET(kFar, &set) != 0;
  }

  static constexpr int kFar = 1000;
  std::unique_ptr<Poller> poller_ = make_poller("select");
  std::vector<Event> events_;
};

TEST_F(SelectPoller, D1_ANumberThatDoesNotFitIsRefusedWithTheReason) {
  const SocketPair pair = make_socket_pair();
  const UniqueFd large(::fcntl(pair.near.fd(), F_DUPFD_CLOEXEC, FD_SETSIZE));
  if (!large) GTEST_SKIP() << "no such number is to be had here";
  const std::string expected = "Poller::add(" + std::to_string(large.fd()) + "): FD_SETSIZE is " +
                               std::to_string(FD_SETSIZE) + ": " +
                               std::system_category().message(EINVAL);
  EXPECT_EQ(message_of<std::system_error>([&] { poller_->add(large.fd(), kRead, kSecond); }),
            expected);
}

TEST_F(SelectPoller, L6_AClosedNumberBeyondTheTableOfAForkedChildIsNotReported) {
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    ASSERT_TRUE(goes_unnoticed()) << "otherwise this test shows nothing";
    wait_into(events_, *poller_, 0ns);
    EXPECT_TRUE(events_.empty());
    wait_into(events_, *poller_, 1ms);
    EXPECT_TRUE(events_.empty());
  }));
}

TEST_F(SelectPoller, L6_ItIsFoundOutWhenAnotherIsReadyAndNeverTakenForReady) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  poller_->add(pair.near.fd(), kRead, kSecond);
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    ASSERT_TRUE(goes_unnoticed()) << "otherwise this test shows nothing";
    wait_into(events_, *poller_, 0ns);
    ASSERT_EQ(events_.size(), 2U);
    for (const Event& event : events_) {
      EXPECT_EQ(event.ready, event.id == kFirst ? Ready{.invalid = true} : Ready{.readable = true});
    }
    wait_into(events_, *poller_, 0ns);
    ASSERT_EQ(events_.size(), 1U);
    EXPECT_EQ(events_[0].id, kSecond);
  }));
}

TEST_F(SelectPoller, L6_TheParentWhoseTableIsLargeEnoughHearsOfIt) {
  wait_into(events_, *poller_, 0ns);
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].id, kFirst);
  EXPECT_EQ(events_[0].ready, Ready{.invalid = true});
}

}  // namespace
}  // namespace detent
