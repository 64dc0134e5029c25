// SPDX-License-Identifier: BSL-1.0
#include "detent/handler_table.h"

#include "support/allocations.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

using Table = HandlerTable<void()>;
using Watched = std::weak_ptr<int>;  // expired once the callable's captures are destroyed

// A callable's capture, and the look at whether it is still there.
std::pair<std::shared_ptr<int>, Watched> make_capture() {
  auto capture = std::make_shared<int>(0);
  return {capture, Watched(capture)};
}

TEST(HandlerTable, CallsByNumberAndByEntry) {
  HandlerTable<int(int)> table;
  const HandlerId id = table.add([](int n) { return n + 1; });
  EXPECT_EQ(table.call(*table.find(id), 4), 5);
  EXPECT_TRUE(table.call(id, 4));
  EXPECT_EQ(table.size(), 1U);
}

TEST(HandlerTable, KeepsNameAndDataBesideTheCallback) {
  HandlerTable<void(), std::unique_ptr<int>> table;
  const HandlerId id = table.add([] {}, "first", std::make_unique<int>(3));
  const int line = __LINE__ - 1;
  EXPECT_STREQ(table.find(id)->name().text, "first");
  EXPECT_EQ(table.find(id)->name().line, line);
  EXPECT_STREQ(table.find(id)->name().file, __FILE__);
  EXPECT_EQ(*table.find(id)->data, 3);
  EXPECT_EQ(table.find(id)->id(), id);
}

TEST(HandlerTable, AnEntryWithFourBytesOfDataTakes80Bytes) {
  static_assert(sizeof(HandlerTable<void(), std::uint32_t>::Entry) == 80);
}

TEST(HandlerTable, L4_AForgedNumberFindsNothing) {
  Table table;
  const HandlerId live = table.add([] {});
  const HandlerId removed = table.add([] {});
  table.remove(removed);
  const std::uint32_t slots[] = {0, 1, 2, 63, 64, 65, UINT32_MAX - 1, UINT32_MAX};
  const std::uint32_t generations[] = {0, 1, 2, 3, UINT32_MAX - 1, UINT32_MAX};
  for (const std::uint32_t slot : slots) {
    for (const std::uint32_t generation : generations) {
      const HandlerId id = {slot, generation};
      if (id == live) continue;
      EXPECT_EQ(table.find(id), nullptr) << slot << ' ' << generation;
      EXPECT_FALSE(table.call(id));
      EXPECT_FALSE(table.remove(id));
    }
  }
  EXPECT_EQ(table.size(), 1U);
}

TEST(HandlerTable, L4_TheEmptyNumberNamesNothing) {
  Table table;
  for (int i = 0; i < 3; ++i) {
    const HandlerId id = table.add([] {});
    EXPECT_NE(id.generation, 0U);
    EXPECT_EQ(table.find({}), nullptr);
    table.remove(id);
    EXPECT_EQ(table.find({}), nullptr);
    table.recycle();
  }
}

TEST(HandlerTable, O1_SlotsAreReusedAfterRecycleAndNotBefore) {
  Table table;
  const HandlerId first = table.add([] {});
  const HandlerId second = table.add([] {});
  table.remove(first);
  table.remove(second);
  const HandlerId third = table.add([] {});
  EXPECT_NE(third.slot, first.slot);
  EXPECT_NE(third.slot, second.slot);
  table.recycle();
  const std::set<std::uint32_t> reused = {table.add([] {}).slot, table.add([] {}).slot};
  EXPECT_EQ(reused, (std::set{first.slot, second.slot}));
}

TEST(HandlerTable, WhatIsAddedTogetherLiesTogetherHoweverThoseBeforeItWent) {
  Table table;
  std::vector<HandlerId> ids;
  for (int i = 0; i < 1000; ++i) ids.push_back(table.add([] {}));
  std::mt19937 random(7);  // NOLINT(cert-msc*): the same each time
  std::shuffle(ids.begin(), ids.end(), random);
  for (const HandlerId id : ids) table.remove(id);
  table.recycle();

  int beside = 0;
  std::uint32_t last = table.add([] {}).slot;
  for (int i = 1; i < 1000; ++i) {
    const std::uint32_t slot = table.add([] {}).slot;
    beside += slot == std::exchange(last, slot) + 1 ? 1 : 0;
  }
  EXPECT_GE(beside, 990);
}

TEST(HandlerTable, EachFreeSlotIsUsedBeforeTheTableGrows) {
  const std::uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr std::size_t kMost = 512;  // whole chunks
  Table table;
  std::vector<HandlerId> ids;
  for (int round = 0; round < 200; ++round) {
    std::shuffle(ids.begin(), ids.end(), random);
    const std::size_t kept = ids.empty() ? 0 : random() % ids.size();
    for (; ids.size() > kept; ids.pop_back()) {
      table.remove(ids.back());
      if (random() % 100 == 0) table.recycle();
    }
    table.recycle();
    while (ids.size() < kMost) ids.push_back(table.add([] {}));
    std::set<std::uint32_t> slots;
    for (const HandlerId id : ids) slots.insert(id.slot);
    ASSERT_EQ(slots.size(), kMost);
    ASSERT_EQ(*slots.rbegin(), kMost - 1);
  }
}

TEST(HandlerTable, EntriesNeverMove) {
  HandlerTable<const void*()> table;
  struct Here {
    const void* operator()() { return this; }
  };
  const HandlerId id = table.add(Here());
  const auto* const entry = table.find(id);
  const void* const place = table.call(*table.find(id));
  for (int i = 0; i < 1000; ++i) std::ignore = table.add(Here());
  EXPECT_EQ(table.find(id), entry);
  EXPECT_EQ(table.call(*table.find(id)), place);
}

TEST(HandlerTable, ACallableThatThrowsWhenItIsCopiedLeavesNothing) {
  struct Fragile {
    Fragile() = default;
    Fragile(const Fragile& /*other*/) { throw std::runtime_error("not copied"); }
    void operator()() {}
  };
  Table table;
  const Fragile fragile;
  EXPECT_THROW(std::ignore = table.add(fragile), std::runtime_error);
  EXPECT_EQ(table.size(), 0U);
  table.for_each([](auto& /*entry*/) { ADD_FAILURE() << "there is none"; });
  table.recycle();
  // The place is not lost.
  const std::uint32_t slot = table.add([] {}).slot;
  EXPECT_LT(slot, 64U);
  for (int i = 1; i < 64; ++i) EXPECT_LT(table.add([] {}).slot, 64U);
}

TEST(HandlerTable, GrowsByChunksAndAllocatesNothingElse) {
  Table table;
  std::vector<HandlerId> ids(64);
  EXPECT_GT(allocations_in([&] { ids[0] = table.add([] {}); }), 0U);
  EXPECT_EQ(allocations_in([&] {
              for (std::size_t i = 1; i < ids.size(); ++i) ids[i] = table.add([] {});
              for (int round = 0; round < 100; ++round) {
                for (const HandlerId id : ids) table.call(id);
                for (const HandlerId id : ids) table.remove(id);
                table.recycle();
                for (HandlerId& id : ids) id = table.add([] {});
              }
            }),
            0U);
}

TEST(HandlerTable, L2_ACallbackMayRemoveItself) {
  Table table;
  auto [capture, watched] = make_capture();
  HandlerId id;
  id = table.add([&, capture = std::move(capture), watched = watched] {
    EXPECT_TRUE(table.remove(id));
    EXPECT_EQ(table.find(id), nullptr) << "the number is stale at once";
    EXPECT_FALSE(table.remove(id));
    EXPECT_FALSE(table.call(id));
    EXPECT_FALSE(watched.expired()) << "a running callable is left alone";
    *capture = 1;
  });
  EXPECT_TRUE(table.call(id));
  EXPECT_TRUE(watched.expired()) << "L3: destroyed just after it returned";
  EXPECT_EQ(table.size(), 0U);
}

TEST(HandlerTable, L3_CapturesOfARemovedCallbackThatThrowsAreDestroyedToo) {
  Table table;
  auto [capture, watched] = make_capture();
  HandlerId id;
  id = table.add([&, capture = std::move(capture)] {
    table.remove(id);
    throw std::runtime_error("thrown");
  });
  EXPECT_THROW(table.call(id), std::runtime_error);
  EXPECT_TRUE(watched.expired());
}

TEST(HandlerTable, O6_AnExceptionPassesThroughAndTheCallbackStays) {
  Table table;
  int calls = 0;
  const HandlerId id = table.add([&] {
    if (++calls == 1) throw std::runtime_error("once");
  });
  EXPECT_THROW(table.call(id), std::runtime_error);
  EXPECT_TRUE(table.call(id));
  EXPECT_TRUE(table.remove(id));
  EXPECT_EQ(calls, 2);
}

TEST(HandlerTable, ACallbackMayAddManyWhileItRuns) {
  Table table;
  int added_calls = 0;
  std::string text = "a capture that is looked at after the table grew";
  const HandlerId id = table.add([&, text] {
    for (int i = 0; i < 1000; ++i) std::ignore = table.add([&added_calls] { ++added_calls; });
    EXPECT_EQ(text.size(), 48U);
  });
  table.call(id);
  EXPECT_EQ(table.size(), 1001U);
  EXPECT_EQ(added_calls, 0);
}

TEST(HandlerTable, ASlotRemovedByItsOwnCallIsNotReusedBeforeTheCallEnds) {
  Table table;
  HandlerId id;
  HandlerId successor;
  id = table.add([&] {
    table.remove(id);
    table.recycle();
    successor = table.add([] {});
    EXPECT_NE(successor.slot, id.slot);
  });
  table.call(id);
  EXPECT_TRUE(table.call(successor));
}

TEST(HandlerTable, ACallbackMayCallItself) {
  Table table;
  auto [capture, watched] = make_capture();
  int depth = 0;
  HandlerId id;
  id = table.add([&, capture = std::move(capture), watched = watched] {
    if (++depth < 3) {
      EXPECT_TRUE(table.call(id));
    } else {
      table.remove(id);
    }
    EXPECT_FALSE(watched.expired()) << "an outer call still uses the captures";
  });
  table.call(id);
  EXPECT_EQ(depth, 3);
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(table.size(), 0U);
}

TEST(HandlerTable, DestroysAllCapturesAtItsEnd) {
  auto table = std::make_unique<Table>();
  auto [capture, watched] = make_capture();
  for (int i = 0; i < 100; ++i) std::ignore = table->add([capture = capture] {});
  capture.reset();
  EXPECT_EQ(watched.use_count(), 100);
  table.reset();
  EXPECT_TRUE(watched.expired());
}

TEST(HandlerTable, L2_ACallbackMayDestroyTheTable) {
  auto table = std::make_unique<Table>();
  auto [capture, watched] = make_capture();
  auto [other_capture, other_watched] = make_capture();
  std::ignore = table->add([capture = std::move(other_capture)] {});
  const HandlerId id =
      table->add([&, capture = std::move(capture), watched = watched, other = other_watched] {
        table.reset();
        EXPECT_TRUE(other.expired());
        EXPECT_FALSE(watched.expired());
        *capture = 1;
      });
  EXPECT_TRUE(table->call(id));
  EXPECT_TRUE(watched.expired());
}

TEST(HandlerTable, L2_ANestedCallbackMayDestroyTheTableAndThrow) {
  auto table = std::make_unique<Table>();
  auto [capture, watched] = make_capture();
  HandlerId inner;
  const HandlerId outer = table->add([&, capture = std::move(capture), watched = watched] {
    EXPECT_THROW(table->call(inner), std::runtime_error);
    EXPECT_EQ(table, nullptr);
    EXPECT_FALSE(watched.expired());
    throw std::logic_error("outer");
  });
  inner = table->add([&table] {
    table.reset();
    throw std::runtime_error("inner");
  });
  EXPECT_THROW(table->call(outer), std::logic_error);
  EXPECT_TRUE(watched.expired());
}

TEST(HandlerTable, L2_ARemovedCallbackMayStillDestroyTheTable) {
  auto table = std::make_unique<Table>();
  auto [capture, watched] = make_capture();
  HandlerId id;
  id = table->add([&, capture = std::move(capture), watched = watched] {
    table->remove(id);
    table.reset();
    EXPECT_FALSE(watched.expired());
  });
  table->call(id);
  EXPECT_TRUE(watched.expired());
}

// Runs a function when the captures that hold it are destroyed.
template <class F>
struct AtEnd {
  explicit AtEnd(F f) : function(std::make_unique<F>(std::move(f))) {}
  AtEnd(AtEnd&&) noexcept = default;
  AtEnd& operator=(AtEnd&&) = delete;
  ~AtEnd() {
    if (function) (*function)();
  }
  std::unique_ptr<F> function;
};

TEST(HandlerTable, L2_DestroyingCapturesMayRemoveAnotherAndAdd) {
  Table table;
  const HandlerId other = table.add([] {});
  HandlerId added;
  const HandlerId id = table.add([at_end = AtEnd([&] {
                                    table.remove(other);
                                    added = table.add([] {});
                                  })] {});
  table.remove(id);
  EXPECT_EQ(table.find(other), nullptr);
  EXPECT_NE(table.find(added), nullptr);
  EXPECT_EQ(table.size(), 1U);
}

TEST(HandlerTable, L2_DestroyingCapturesMayDestroyTheTable) {
  auto table = std::make_unique<Table>();
  const HandlerId id = table->add([at_end = AtEnd([&] { table.reset(); })] {});
  table->remove(id);
  EXPECT_EQ(table, nullptr);

  table = std::make_unique<Table>();
  HandlerId self;
  self = table->add([&, at_end = AtEnd([&] { table.reset(); })] { table->remove(self); });
  table->call(self);
  EXPECT_EQ(table, nullptr);
}

TEST(HandlerTable, L2_CapturesDestroyedWithTheTableMayStillRemove) {
  auto table = std::make_unique<Table>();
  Table* const raw = table.get();
  std::vector<HandlerId> ids;
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(table->add([at_end = AtEnd([&, raw] {
                                ++ended;
                                for (const HandlerId id : ids) raw->remove(id);
                              })] {}));
  }
  table.reset();
  EXPECT_EQ(ended, 3);
}

// Reaches a private member: an explicit instantiation may name it (the standard, temp.spec).
template <auto Member>
struct Access {
  friend std::uint32_t& generation_of(Table::Entry& entry) { return entry.*Member; }
};
std::uint32_t& generation_of(Table::Entry& entry);
template struct Access<&Table::Entry::generation_>;

TEST(HandlerTable, L4_GenerationsMayWrapAround) {
  Table table;
  const HandlerId first = table.add([] {});
  Table::Entry& entry = *table.find(first);
  table.remove(first);
  table.recycle();
  generation_of(entry) = UINT32_MAX - 1;  // two billion registrations later

  const HandlerId last = table.add([] {});
  ASSERT_EQ(last.slot, first.slot);
  EXPECT_EQ(last.generation, UINT32_MAX);
  EXPECT_TRUE(table.call(last));
  EXPECT_TRUE(table.remove(last));
  EXPECT_EQ(table.find({last.slot, 0}), nullptr);
  table.recycle();

  const HandlerId wrapped = table.add([] {});
  EXPECT_EQ(wrapped.slot, first.slot);
  EXPECT_EQ(wrapped.generation, 1U);
  EXPECT_TRUE(table.call(wrapped));
  EXPECT_EQ(table.find(last), nullptr);
}

// The table and a plain model of it get the same random commands.
class TableAndModel {
 public:
  explicit TableAndModel(std::uint32_t seed) : random_(seed) {}

  void step() {
    switch (below(8)) {
      case 0:
      case 1:
      case 2:
        return add();
      case 3:
      case 4:
        return remove_one();
      case 5:
        table_.recycle();
        return retired_slots_.clear();
      default:
        return call_one();
    }
  }

  void compare() const {
    ASSERT_EQ(table_.size(), live_.size());
    ASSERT_EQ(captures_, static_cast<int>(live_.size())) << "L3";
    for (const auto& [key, number] : live_) {
      ASSERT_NE(table_.find({key.first, key.second}), nullptr);
      ASSERT_EQ(table_.find({key.first, key.second})->data, number);
    }
    for (const HandlerId id : stale_) ASSERT_EQ(table_.find(id), nullptr);
  }

 private:
  using Key = std::pair<std::uint32_t, std::uint32_t>;

  struct Capture {
    explicit Capture(int& living) : count(&living) { ++*count; }
    Capture(Capture&& other) noexcept : count(other.count) { ++*count; }
    Capture& operator=(Capture&&) = delete;
    ~Capture() { --*count; }
    int* count;
  };

  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }

  void add() {
    const int number = next_++;
    const HandlerId id =
        table_.add([this, number, capture = Capture(captures_)] { called(number); }, {}, number);
    ASSERT_TRUE(live_.emplace(Key{id.slot, id.generation}, number).second);
    ASSERT_EQ(retired_slots_.count(id.slot), 0U) << "reused before recycle";
    for (const HandlerId old : stale_) ASSERT_NE(id, old) << "two registrations of one number";
  }

  HandlerId choose() {
    if (!stale_.empty() && (live_.empty() || below(4) == 0)) {
      return stale_[below(static_cast<std::uint32_t>(stale_.size()))];
    }
    if (live_.empty()) return {};
    auto chosen = live_.begin();
    std::advance(chosen, below(static_cast<std::uint32_t>(live_.size())));
    return {chosen->first.first, chosen->first.second};
  }

  void remove_one() {
    const HandlerId id = choose();
    const bool expected = live_.erase({id.slot, id.generation}) == 1;
    ASSERT_EQ(table_.remove(id), expected);
    if (!expected) return;
    stale_.push_back(id);
    retired_slots_.insert(id.slot);
  }

  void call_one() {
    const HandlerId id = choose();
    const auto found = live_.find({id.slot, id.generation});
    const bool expected = found != live_.end();
    const int number = expected ? found->second : -1;
    called_ = -1;
    try {
      ASSERT_EQ(table_.call(id), expected);
      if (depth_ == 0) {
        ASSERT_EQ(called_, number);
      }
    } catch (const std::runtime_error&) {
      ASSERT_TRUE(expected);
    }
  }

  void called(int number) {
    called_ = number;
    if (depth_ >= 3) return;
    ++depth_;
    for (std::uint32_t commands = below(4); commands > 0; --commands) step();
    --depth_;
    called_ = number;
    if (below(8) == 0) throw std::runtime_error("now and then");
  }

  std::mt19937 random_;
  HandlerTable<void(), int> table_;
  std::map<Key, int> live_;
  std::vector<HandlerId> stale_;
  std::set<std::uint32_t> retired_slots_;
  int captures_ = 0;
  int next_ = 0;
  int called_ = -1;
  int depth_ = 0;
};

TEST(HandlerTable, BehavesAsAPlainModelUnderRandomCommands) {
  const std::uint32_t first_seed = std::random_device()();
  for (std::uint32_t seed = first_seed; seed != first_seed + 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TableAndModel both(seed);
    for (int i = 0; i < 500; ++i) {
      both.step();
      both.compare();
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace detent
