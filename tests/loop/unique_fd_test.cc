// SPDX-License-Identifier: BSL-1.0
#include "detent/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

int open_one() { return make_pipe().near.release(); }

TEST(UniqueFd, OwnsNothingByDefault) {
  const UniqueFd none;
  EXPECT_EQ(none.fd(), -1);
  EXPECT_FALSE(none);
}

TEST(UniqueFd, ClosesItsDescriptorWhenDestroyed) {
  const int fd = open_one();
  {
    const UniqueFd owner(fd);
    EXPECT_TRUE(owner);
    EXPECT_EQ(owner.fd(), fd);
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFd, DescriptorZeroIsOwnedLikeAnyOther) {
  UniqueFd zero(0);
  EXPECT_TRUE(zero);
  EXPECT_EQ(zero.release(), 0);
}

TEST(UniqueFd, MovingHandsTheDescriptorOver) {
  const int fd = open_one();
  UniqueFd from(fd);
  const UniqueFd to(std::move(from));
  EXPECT_EQ(from.fd(), -1);  // NOLINT(bugprone-use-after-move): what this test is about
  EXPECT_EQ(to.fd(), fd);
  EXPECT_TRUE(is_open(fd));
}

TEST(UniqueFd, MoveAssignmentClosesWhatWasOwnedBefore) {
  const int old = open_one();
  const int fresh = open_one();
  UniqueFd owner(old);
  owner = UniqueFd(fresh);
  EXPECT_FALSE(is_open(old));
  EXPECT_TRUE(is_open(fresh));
  EXPECT_EQ(owner.fd(), fresh);
}

TEST(UniqueFd, SelfMoveKeepsTheDescriptor) {
  UniqueFd owner(open_one());
  UniqueFd& same = owner;
  owner = std::move(same);
  EXPECT_TRUE(is_open(owner.fd()));
}

TEST(UniqueFd, ReleaseLeavesTheDescriptorOpen) {
  UniqueFd owner(open_one());
  const UniqueFd taken(owner.release());
  EXPECT_FALSE(owner);
  EXPECT_TRUE(is_open(taken.fd()));
}

TEST(UniqueFd, ResetClosesAndTakesAnother) {
  const int old = open_one();
  const int fresh = open_one();
  UniqueFd owner(old);
  owner.reset(fresh);
  EXPECT_FALSE(is_open(old));
  EXPECT_EQ(owner.fd(), fresh);
  owner.reset();
  EXPECT_FALSE(is_open(fresh));
  EXPECT_FALSE(owner);
}

TEST(UniqueFd, ClosingKeepsErrno) {
  const int fd = open_one();
  UniqueFd closed_elsewhere(fd);
  ::close(fd);
  errno = ENOTTY;
  closed_elsewhere.reset();  // close(2) fails with EBADF
  EXPECT_EQ(errno, ENOTTY);
}

TEST(UniqueFd, IsMoveOnlyAndAsLargeAsAnInt) {
  static_assert(!std::is_copy_constructible_v<UniqueFd> && !std::is_copy_assignable_v<UniqueFd>);
  static_assert(std::is_nothrow_move_constructible_v<UniqueFd>);
  static_assert(!std::is_convertible_v<int, UniqueFd>, "ownership is never taken by accident");
  static_assert(sizeof(UniqueFd) == sizeof(int));
}

}  // namespace
}  // namespace detent
