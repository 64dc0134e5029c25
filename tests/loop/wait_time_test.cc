// SPDX-License-Identifier: BSL-1.0
#include "wait_time.h"

#include <limits>

#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
__extension__ using Wide = __int128;

// The ends of the range, the neighbours of every unit, and numbers of every magnitude.
std::vector<Duration> durations() {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  std::vector<Duration> all = {Duration(kMost), Duration(kMost - 1), Duration(kLeast),
                               Duration(kLeast + 1)};
  const auto unit_ends = {0LL, 1LL, 1'000'000LL, 1'000'000'000LL, INT_MAX * 1'000'000LL};
  for (const auto base : unit_ends) {
    for (const auto offset : {-1LL, 0LL, 1LL}) all.emplace_back(base + offset);
  }
  const std::uint32_t seed = std::random_device()();
  testing::Test::RecordProperty("seed", std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 100'000; ++i) {
    const auto number = static_cast<std::int64_t>(random() >> random() % 64);
    all.emplace_back(random() % 2 == 0 ? number : kLeast - std::min(number, std::int64_t{0}));
    all.emplace_back(number);
  }
  return all;
}

TEST(WaitTime, D6_MillisecondsAreRoundedUpAndSaturateAndNegativeIsZero) {
  for (const Duration d : durations()) {
    const Wide exact = std::max<Wide>(d.count(), 0);
    const Wide up = (exact + 999'999) / 1'000'000;
    ASSERT_EQ(to_milliseconds(d), static_cast<int>(std::min<Wide>(up, INT_MAX))) << d.count();
  }
}

TEST(WaitTime, D6_MillisecondsOfNoMaximumAreMinusOne) { EXPECT_EQ(to_milliseconds({}), -1); }

TEST(WaitTime, D6_TimespecIsExactAndValidAndNegativeIsZero) {
  for (const Duration d : durations()) {
    const timespec t = to_timespec(d);
    ASSERT_GE(t.tv_nsec, 0) << d.count();
    ASSERT_LT(t.tv_nsec, 1'000'000'000) << d.count();
    const Wide whole = Wide{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
    ASSERT_TRUE(whole == std::max<Wide>(d.count(), 0)) << d.count();
  }
}

TEST(WaitTime, OfNoMaximumNeverEnds) { EXPECT_EQ(WaitTime(std::nullopt).left(), std::nullopt); }

TEST(WaitTime, D6_ZeroAndNegativeLeaveNothing) {
  for (const Duration d : {Duration::zero(), Duration(-1), Duration::min()}) {
    EXPECT_EQ(WaitTime(d).left(), Duration::zero()) << d.count();
  }
}

TEST(WaitTime, CountsDownToZeroAndNotBefore) {
  const TimePoint start = kernel_clock().now();
  const WaitTime time(2ms);
  std::optional<Duration> last = 2ms;
  while (last > Duration::zero()) {
    const std::optional<Duration> left = time.left();
    ASSERT_LE(left, last);
    last = left;
  }
  EXPECT_EQ(last, Duration::zero());
  EXPECT_GE(kernel_clock().now() - start, Duration(2ms));
}

TEST(WaitTime, D6_TheLongestSaturatesInsteadOfEnding) {
  EXPECT_GT(WaitTime(Duration::max()).left(), Duration(1h));
}

}  // namespace
}  // namespace detent
