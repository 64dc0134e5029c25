// SPDX-License-Identifier: BSL-1.0
#include "detent/handler_list.h"

#include "support/allocations.h"
#include "support/standard.h"

namespace detent {
namespace {

using List = HandlerList<void()>;

void call_all(List& list) {
  list.for_each([](auto& call) { call(); });
}

class HandlerListTest : public testing::Test {
 protected:
  [[nodiscard]] Handle add(char name) {
    return list_.add([this, name] { calls_ += name; });
  }
  std::string calls() {
    calls_.clear();
    call_all(list_);
    return calls_;
  }

  std::string calls_;
  List list_;
};

TEST_F(HandlerListTest, CallsInTheOrderOfAdding) {
  const Handle a = add('a');
  const Handle b = add('b');
  const Handle c = add('c');
  EXPECT_EQ(calls(), "abc");
  EXPECT_EQ(calls(), "abc");
}

TEST_F(HandlerListTest, TheOrderStaysWhenSlotsAreReused) {
  Handle a = add('a');
  const Handle b = add('b');
  a.cancel();
  EXPECT_EQ(calls(), "b");
  a = add('c');
  EXPECT_EQ(calls(), "bc");
}

TEST_F(HandlerListTest, L1_ACancelledCallbackIsNotCalled) {
  Handle a = add('a');
  const Handle b = add('b');
  EXPECT_TRUE(a.active());
  a.cancel();
  EXPECT_FALSE(a.active());
  EXPECT_EQ(calls(), "b");
}

TEST_F(HandlerListTest, L1_ACallbackMayCancelALaterOne) {
  Handle b;
  const Handle a = list_.add([&] { b.cancel(); });
  b = add('b');
  EXPECT_EQ(calls(), "");
}

TEST_F(HandlerListTest, L1_ACallbackMayCancelAnEarlierOne) {
  Handle a = add('a');
  const Handle b = list_.add([&] { a.cancel(); });
  EXPECT_EQ(calls(), "a");
  EXPECT_EQ(calls(), "");
}

TEST_F(HandlerListTest, L2_ACallbackMayCancelItself) {
  auto capture = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = capture;
  Handle self;
  self = list_.add([&, capture = std::move(capture)] {
    self.cancel();
    EXPECT_FALSE(watched.expired());
    calls_ += 's';
  });
  const Handle b = add('b');
  EXPECT_EQ(calls(), "sb");
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(calls(), "b");
}

TEST_F(HandlerListTest, O1_OneAddedMeanwhileIsCalledTheNextTime) {
  std::vector<Handle> added;
  const Handle a = list_.add([&] {
    for (int i = 0; i < 100; ++i) added.push_back(add('n'));
    calls_ += 'a';
  });
  EXPECT_EQ(calls(), "a");
  EXPECT_EQ(calls(), "a" + std::string(100, 'n'));
}

TEST_F(HandlerListTest, L4_OneAddedInPlaceOfACancelledOneIsNotCalledInItsPlace) {
  Handle b;
  const Handle a = list_.add([&] {
    b.cancel();
    b = add('n');
  });
  b = add('b');
  EXPECT_EQ(calls(), "");
  EXPECT_EQ(calls(), "");
  EXPECT_TRUE(b.active());
}

TEST_F(HandlerListTest, O6_AfterAnExceptionTheNextCallIsComplete) {
  bool fail = true;
  const Handle a = list_.add([&] {
    if (std::exchange(fail, false)) throw std::runtime_error("once");
    calls_ += 'a';
  });
  const Handle b = add('b');
  EXPECT_THROW(calls(), std::runtime_error);
  EXPECT_EQ(calls(), "ab");
}

TEST_F(HandlerListTest, PassesArgumentsAndResultsThrough) {
  HandlerList<int(std::string&)> list;
  const Handle handle = list.add([](std::string& text) {
    text += "!";
    return 7;
  });
  std::string text = "called";
  int result = 0;
  list.for_each([&](auto& call) { result = call(text); });
  EXPECT_EQ(text, "called!");
  EXPECT_EQ(result, 7);
}

TEST_F(HandlerListTest, AVisitorMayLeaveSomeUncalled) {
  const Handle a = add('a');
  const Handle b = add('b');
  int visited = 0;
  list_.for_each([&](auto& call) {
    if (++visited == 2) call();
  });
  EXPECT_EQ(calls_, "b");
}

TEST_F(HandlerListTest, L5_AHandleMayOutliveTheList) {
  std::optional<List> list(std::in_place);
  auto capture = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = capture;
  Handle handle = list->add([capture = std::move(capture)] {});
  list.reset();
  EXPECT_TRUE(watched.expired());
  EXPECT_FALSE(handle.active());
  handle.cancel();
}

TEST_F(HandlerListTest, CallingAllocatesNothing) {
  const Handle a = add('a');
  const Handle b = add('b');
  std::ignore = calls();
  EXPECT_EQ(testing_support::allocations_in([&] {
              for (int i = 0; i < 10'000; ++i) std::ignore = calls().size();
            }),
            0U);
}

}  // namespace
}  // namespace detent
