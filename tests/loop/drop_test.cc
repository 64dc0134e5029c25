// SPDX-License-Identifier: BSL-1.0
#include "detent/drop.h"

#include "support/standard.h"

namespace detent {
namespace {

// Runs a function when it goes.
struct AtEnd {
  explicit AtEnd(std::function<void()> at_end) : function(std::move(at_end)) {}
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;
  ~AtEnd() { function(); }
  std::function<void()> function;
};

TEST(Drop, DestroysTheFunctionBeforeItReturns) {
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = owned;
  drop([owned = std::move(owned)] {});
  EXPECT_TRUE(seen.expired());
}

TEST(Drop, FunctionsThatAreDroppedMeanwhileGoAfterItInOrder) {
  std::vector<int> gone;
  const auto make = [&gone](int number) {
    return std::make_shared<AtEnd>([&gone, number] { gone.push_back(number); });
  };
  auto first = std::make_shared<AtEnd>([&] {
    drop([second = make(2)] {});
    drop([third = make(3)] {});
    gone.push_back(1);
  });
  drop([first = std::move(first)] {});
  EXPECT_EQ(gone, (std::vector<int>{1, 2, 3}));
}

// Each is captured by the one that is dropped before it.
TEST(Drop, L7_AChainOfAMillionUsesNoStack) {
  int left = 1'000'000;
  std::function<void()> next = [&] {
    if (--left > 0) drop([end = std::make_shared<AtEnd>(next)] {});
  };
  next();
  EXPECT_EQ(left, 0);
}

TEST(Drop, TakesWhatCannotBeCopiedAndWhatIsNoFunction) {
  auto owned = std::make_unique<int>(1);
  drop_any(std::move(owned));
  EXPECT_EQ(owned, nullptr);
}

TEST(Drop, EachThreadHasAListOfItsOwn) {
  bool gone = false;
  drop([outer = std::make_shared<AtEnd>([&gone] {
          std::thread([&gone] {
            drop([inner = std::make_shared<AtEnd>([&gone] { gone = true; })] {});
            EXPECT_TRUE(gone) << "not put off by the other thread's drop";
          }).join();
        })] {});
  EXPECT_TRUE(gone);
}

}  // namespace
}  // namespace detent
