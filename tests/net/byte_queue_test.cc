// SPDX-License-Identifier: BSL-1.0
#include "detent/byte_queue.h"

#include "support/allocations.h"
#include "support/standard.h"

namespace detent {
namespace {

TEST(ByteQueue, IsEmptyAtFirst) {
  const ByteQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.size(), 0U);
  EXPECT_EQ(queue.front(), "");
}

TEST(ByteQueue, GivesOutWhatWasAppendedInOrder) {
  ByteQueue queue;
  queue.append("one ");
  queue.append("two ");
  EXPECT_EQ(queue.front(), "one two ");
  queue.take(4);
  EXPECT_EQ(queue.front(), "two ");
  EXPECT_EQ(queue.size(), 4U);
  queue.append("three");
  EXPECT_EQ(queue.front(), "two three");
  queue.take(9);
  EXPECT_TRUE(queue.empty());
}

TEST(ByteQueue, TakingNothingChangesNothing) {
  ByteQueue queue;
  queue.take(0);
  EXPECT_TRUE(queue.empty());
  queue.append("x");
  queue.take(0);
  EXPECT_EQ(queue.front(), "x");
}

TEST(ByteQueue, ClearDropsAllAndTheQueueGoesOn) {
  ByteQueue queue;
  queue.append("dropped");
  queue.take(3);
  queue.clear();
  EXPECT_TRUE(queue.empty());
  queue.append("new");
  EXPECT_EQ(queue.front(), "new");
}

TEST(ByteQueue, BehavesAsAStringForRandomOperations) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  ByteQueue queue;
  std::string model;
  for (int i = 0; i < 20'000; ++i) {
    switch (random() % 8) {
      case 0:
        if (random() % 50 == 0) {
          queue.clear();
          model.clear();
        }
        break;
      case 1:
      case 2:
      case 3: {
        const std::string bytes(random() % 40, static_cast<char>(random()));
        queue.append(bytes);
        model += bytes;
        break;
      }
      default: {
        const std::size_t size = std::min(model.size(), random() % 60);
        queue.take(size);
        model.erase(0, size);
      }
    }
    ASSERT_EQ(queue.size(), model.size());
    ASSERT_EQ(queue.empty(), model.empty());
    ASSERT_EQ(queue.front(), model);
  }
}

TEST(ByteQueue, AQueueThatIsNeverEmptyStopsAllocating) {
  ByteQueue queue;
  const std::string bytes(1000, 'x');
  const auto round = [&] {
    queue.append(bytes);
    queue.take(queue.size() > 5000 ? 1000 : 0);
  };
  for (int i = 0; i < 100; ++i) round();
  EXPECT_EQ(testing_support::allocations_in([&] {
              for (int i = 0; i < 100'000; ++i) round();
            }),
            0U);
  EXPECT_EQ(queue.size(), 5000U);
}

TEST(ByteQueue, N2_AQueueThatEmptiedGivesBackItsMemoryAbove64KiB) {
  for (const bool clear : {false, true}) {
    ByteQueue queue;
    for (int i = 0; i < 100; ++i) queue.append(std::string(10'000, 'x'));
    EXPECT_GE(queue.capacity(), 1'000'000U);
    queue.take(999'999);
    if (clear) {
      queue.clear();
    } else {
      queue.take(1);
    }
    EXPECT_LT(queue.capacity(), 100U);
    queue.append("goes on");
    EXPECT_EQ(queue.front(), "goes on");
  }
}

TEST(ByteQueue, N2_AQueueThatEmptiedKeepsItsMemoryUpTo64KiB) {
  ByteQueue queue;
  const std::string bytes(64 * 1024, 'x');
  const auto round = [&] {
    queue.append(bytes);
    queue.take(bytes.size());
  };
  round();
  EXPECT_EQ(testing_support::allocations_in(round), 0U);
}

}  // namespace
}  // namespace detent
