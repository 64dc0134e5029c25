// SPDX-License-Identifier: BSL-1.0
#include "detent/handle.h"

#include "detent/handler_table.h"
#include "support/processes.h"
#include "support/standard.h"

namespace detent {
namespace {

// The smallest service: a table of callbacks and nothing to call them by itself.
class Service final : private HandleOwner {
 public:
  Service() : line_(*this) {}
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service() { line_.cut(); }

  [[nodiscard]] Handle add(Callback<void()> callback = [] {}) {
    last_ = table_.add(std::move(callback));
    return {line_, last_};
  }
  bool call_last() { return table_.call(last_); }
  void end_last() { table_.remove(last_); }
  [[nodiscard]] std::size_t size() const { return table_.size(); }
  [[nodiscard]] int cancels() const { return cancels_; }
  [[nodiscard]] const Lifeline& line() const { return line_; }

 private:
  void cancel(HandlerId id) noexcept override {
    ++cancels_;
    table_.remove(id);
  }
  [[nodiscard]] bool active(HandlerId id) const noexcept override {
    return table_.find(id) != nullptr;
  }

  HandlerTable<void()> table_;
  HandlerId last_;
  int cancels_ = 0;
  Lifeline line_;
};

TEST(Handle, L1_CancelsWhenDestroyed) {
  Service service;
  {
    const Handle handle = service.add();
    EXPECT_TRUE(handle.active());
    EXPECT_TRUE(handle);
    EXPECT_EQ(service.size(), 1U);
  }
  EXPECT_EQ(service.size(), 0U);
}

TEST(Handle, IsMoveOnly) {
  static_assert(!std::is_copy_constructible_v<Handle> && !std::is_copy_assignable_v<Handle>);
  static_assert(std::is_nothrow_move_constructible_v<Handle>);
  static_assert(std::is_nothrow_move_assignable_v<Handle>);
}

TEST(Handle, CancelIsIdempotent) {
  Service service;
  Handle handle = service.add();
  handle.cancel();
  handle.cancel();
  EXPECT_FALSE(handle.active());
  EXPECT_EQ(service.cancels(), 1);
}

TEST(Handle, AnEmptyOneDoesNothing) {
  Handle empty;
  EXPECT_FALSE(empty.active());
  EXPECT_FALSE(empty);
  empty.cancel();
  const Handle moved = std::move(empty);
  EXPECT_FALSE(moved);
}

TEST(Handle, MovingHandsTheRegistrationOver) {
  Service service;
  Handle from = service.add();
  Handle to = std::move(from);
  EXPECT_FALSE(from.active());  // NOLINT(bugprone-use-after-move): what this test is about
  from.cancel();
  EXPECT_TRUE(to.active());
  EXPECT_EQ(service.cancels(), 0);
}

TEST(Handle, MoveAssignmentCancelsWhatWasHeldBefore) {
  Service service;
  Handle handle = service.add();
  handle = service.add();
  EXPECT_TRUE(handle.active());
  EXPECT_EQ(service.size(), 1U);
  handle = Handle();
  EXPECT_EQ(service.size(), 0U);
}

TEST(Handle, SelfMoveKeepsTheRegistration) {
  Service service;
  Handle handle = service.add();
  Handle& same = handle;
  handle = std::move(same);
  EXPECT_TRUE(handle.active());
}

TEST(Handle, MovesBetweenServices) {
  Service first;
  std::optional<Service> second(std::in_place);
  Handle handle = first.add();
  handle = second->add();
  EXPECT_EQ(first.size(), 0U);
  EXPECT_EQ(second->size(), 1U);
  second.reset();
  EXPECT_FALSE(handle.active());
}

TEST(Handle, IsNotActiveOnceItsRegistrationEndedByItself) {
  Service service;
  const Handle handle = service.add();
  service.end_last();
  EXPECT_FALSE(handle.active());
}

TEST(Handle, L2_MayBeCancelledMovedAndDestroyedInItsOwnCallback) {
  Service service;
  Handle cancelled = service.add([&] { cancelled.cancel(); });
  EXPECT_TRUE(service.call_last());
  EXPECT_FALSE(service.call_last());

  Handle moved;
  Handle source = service.add([&] { moved = std::move(source); });
  EXPECT_TRUE(service.call_last());
  EXPECT_TRUE(moved.active());

  auto destroyed = std::make_unique<Handle>();
  *destroyed = service.add([&] { destroyed.reset(); });
  EXPECT_TRUE(service.call_last());
  EXPECT_FALSE(service.call_last());
  EXPECT_EQ(service.size(), 1U);
}

TEST(Handle, L2_MayBeReplacedInItsOwnCallback) {
  Service service;
  int calls = 0;
  Handle handle;
  handle = service.add([&] { handle = service.add([&] { ++calls; }); });
  EXPECT_TRUE(service.call_last());
  EXPECT_TRUE(service.call_last());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(service.size(), 1U);
}

TEST(Handle, L2_MayBelongToTheCapturesOfItsOwnCallback) {
  Service service;
  auto own = std::make_shared<Handle>();
  const std::weak_ptr<Handle> watched = own;
  *own = service.add([own] { own->cancel(); });
  own.reset();
  EXPECT_FALSE(watched.expired());
  EXPECT_TRUE(service.call_last());
  EXPECT_TRUE(watched.expired());
}

TEST(Handle, L5_IsInertOnceItsServiceIsGone) {
  std::optional<Service> service(std::in_place);
  Handle first = service->add();
  Handle second = service->add();
  service.reset();
  EXPECT_FALSE(first.active());
  first.cancel();
  second = std::move(first);
  EXPECT_FALSE(second.active());
}

TEST(Handle, L5_OnesThatOutlivedTheirServiceMayGoOnAnyThread) {
  std::vector<Handle> handles;
  {
    Service service;
    for (int i = 0; i < 2000; ++i) handles.push_back(service.add());
  }
  std::vector<Handle> half;
  for (int i = 0; i < 1000; ++i) {
    half.push_back(std::move(handles.back()));
    handles.pop_back();
  }
  std::thread other([&] { half.clear(); });
  handles.clear();
  other.join();
  EXPECT_TRUE(half.empty());
}

TEST(Handle, L5_TheCapturesGoWithTheServiceAndNotWithTheHandle) {
  std::optional<Service> service(std::in_place);
  auto capture = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = capture;
  const Handle handle = service->add([capture = std::move(capture)] {});
  service.reset();
  EXPECT_TRUE(watched.expired());
}

TEST(Handle, O8_MayBeCancelledInAForkedChild) {
  Service service;
  Handle handle = service.add();
  EXPECT_TRUE(testing_support::holds_in_a_forked_child([&] {
    handle.cancel();
    EXPECT_FALSE(handle.active());
  }));
  EXPECT_TRUE(handle.active());
}

TEST(HandleDeathTest, O7_CancellingOrDestroyingOnAnotherThreadTerminatesWithAMessage) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Service service;
  Handle handle = service.add();
  EXPECT_DEATH(std::thread([&] { handle.cancel(); }).join(), "Handle::cancel.*another thread");
  EXPECT_DEATH(std::thread([moved = std::move(handle)] {}).join(),
               "Handle::cancel.*another thread");
}

TEST(Handle, O7_AnEmptyOneMayGoOnAnotherThread) {
  Service service;
  Handle handle = service.add();
  handle.cancel();
  std::thread([moved = std::move(handle)] {}).join();
  EXPECT_EQ(service.cancels(), 1);
}

TEST(Lifeline, TellsTheServiceUntilItIsCut) {
  std::optional<Service> service(std::in_place);
  const Lifeline line = service->line();
  EXPECT_NE(line.owner(), nullptr);
  EXPECT_TRUE(line.affinity().on_own_thread());
  const Lifeline copy = line;
  service.reset();
  EXPECT_EQ(line.owner(), nullptr);
  EXPECT_EQ(copy.owner(), nullptr);
}

}  // namespace
}  // namespace detent
