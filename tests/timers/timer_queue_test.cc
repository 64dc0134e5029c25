// SPDX-License-Identifier: BSL-1.0
#include "timer_queue.h"

#include "support/allocations.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using Key = TimerQueue::Key;
using Keys = std::vector<Key>;

// Takes out all that is due at `now`.
Keys pop_all(TimerQueue& queue, Duration now = Duration::max()) {
  Keys keys;
  while (const auto key = queue.pop_due(now)) keys.push_back(*key);
  return keys;
}

// As services do it.
void move(TimerQueue& queue, Key key, Duration deadline) {
  if (!queue.try_set(key, deadline)) queue.set(key, deadline);
}

TEST(TimerQueue, TM1_NothingIsDueANanosecondEarly) {
  TimerQueue queue;
  queue.add(1, 10ms);
  EXPECT_EQ(std::nullopt, queue.pop_due(10ms - 1ns));
  EXPECT_EQ(1U, queue.pop_due(10ms));
  queue.add(1, 10ms);
  queue.set(1, 20ms);
  EXPECT_EQ(std::nullopt, queue.pop_due(20ms - 1ns));
  EXPECT_EQ(1U, queue.pop_due(20ms));
}

TEST(TimerQueue, L4_AKeyIsPoppedUntilItIsClaimedAddedOrRemoved) {
  TimerQueue queue;
  for (Key key = 0; key < 3; ++key) queue.add(key, 10ms);
  EXPECT_FALSE(queue.popped(0));
  EXPECT_EQ((Keys{0, 1, 2}), pop_all(queue));
  for (Key key = 0; key < 3; ++key) EXPECT_TRUE(queue.popped(key)) << key;
  EXPECT_FALSE(queue.popped(3)) << "nobody has heard of it";

  EXPECT_TRUE(queue.claim(0));
  EXPECT_FALSE(queue.claim(0));
  EXPECT_FALSE(queue.popped(0));
  queue.add(1, 20ms);
  EXPECT_FALSE(queue.popped(1));
  EXPECT_FALSE(queue.claim(1));
  EXPECT_TRUE(queue.contains(1)) << "claiming takes no key out";
  queue.remove(2);
  EXPECT_FALSE(queue.claim(2));
}

TEST(TimerQueue, MisuseThrowsAndChangesNothing) {
  TimerQueue queue;
  queue.add(1, 10ms);
  EXPECT_THROW(queue.add(1, 5ms), std::logic_error);
  EXPECT_THROW(queue.set(2, 5ms), std::logic_error);
  EXPECT_EQ(10ms, queue.deadline(1));
  EXPECT_FALSE(queue.contains(2));
  EXPECT_EQ(1U, queue.size());
  EXPECT_EQ(1U, queue.pop_due(10ms));
  EXPECT_THROW(queue.set(1, 20ms), std::logic_error) << "it was popped";
}

TEST(TimerQueue, TM6_TakesTheWholeRangeOfDeadlines) {
  TimerQueue queue;
  queue.add(1, Duration::max());
  queue.add(2, Duration::min());
  queue.add(3, Duration::zero());
  queue.add(4, Duration::max() - 1ns);
  EXPECT_EQ(Duration::min(), queue.earliest());
  EXPECT_EQ((Keys{2, 3}), pop_all(queue, Duration::max() - 2ns));
  EXPECT_EQ((Keys{4}), pop_all(queue, Duration::max() - 1ns));
  EXPECT_EQ((Keys{1}), pop_all(queue));
}

TEST(TimerQueue, ARefusedAllocationLeavesTheQueueAsItWas) {
  TimerQueue queue;
  queue.add(0, 10ms);
  {
    const testing_support::OutOfMemory out_of_memory;
    EXPECT_THROW(queue.add(1000, 5ms), std::bad_alloc);
  }
  EXPECT_FALSE(queue.contains(1000));
  EXPECT_EQ(1U, queue.size());
  EXPECT_EQ(10ms, queue.earliest());
  queue.add(1000, 5ms);
  EXPECT_EQ((Keys{1000, 0}), pop_all(queue));
}

// ---- against a model

// What a TimerQueue does, the slow and obvious way.
class Model {
 public:
  void set(Key key, Duration deadline) {
    remove(key);
    const Place place = {deadline, next_++};
    in_order_.emplace(place, key);
    places_[key] = place;
  }
  void remove(Key key) {
    popped_.erase(key);
    const auto found = places_.find(key);
    if (found == places_.end()) return;
    in_order_.erase(found->second);
    places_.erase(found);
  }
  bool claim(Key key) { return popped_.erase(key) != 0; }
  std::optional<Key> pop_due(Duration now) {
    if (in_order_.empty() || in_order_.begin()->first.first > now) return std::nullopt;
    const Key key = in_order_.begin()->second;
    remove(key);
    popped_.insert(key);
    return key;
  }
  [[nodiscard]] std::optional<Duration> earliest() const {
    if (in_order_.empty()) return std::nullopt;
    return in_order_.begin()->first.first;
  }
  [[nodiscard]] bool contains(Key key) const { return places_.contains(key); }
  [[nodiscard]] bool popped(Key key) const { return popped_.contains(key); }
  [[nodiscard]] Duration deadline(Key key) const { return places_.at(key).first; }
  [[nodiscard]] std::size_t size() const { return places_.size(); }

 private:
  using Place = std::pair<Duration, std::uint64_t>;
  std::multimap<Place, Key> in_order_;
  std::map<Key, Place> places_;
  std::set<Key> popped_;
  std::uint64_t next_ = 0;
};

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// One random operation on both; false when they differ.
bool operate_alike(TimerQueue& queue, Model& model, std::mt19937_64& random, Key keys) {
  Key key = static_cast<Key>(random() % keys);
  // Few different deadlines, so that many are equal; now and then one far away.
  const auto deadline = Duration(static_cast<std::int64_t>(random() % 500) - 50 +
                                 (random() % 100 == 0 ? 1'000'000 : 0));
  const auto later = [&] { return model.deadline(key) + Duration(random() % 40); };
  if (queue.popped(key) != model.popped(key)) return false;
  switch (random() % 9) {
    case 0:
    case 1:
      if (model.contains(key)) return queue.contains(key);
      queue.add(key, deadline);
      model.set(key, deadline);
      return true;
    case 2:
    case 3:
    case 4:
      if (!model.contains(key)) return !queue.contains(key);
      model.set(key, later());
      move(queue, key, model.deadline(key));
      return queue.deadline(key) == model.deadline(key);
    case 5:
      // Several in a row, so that more are moved earlier than the queue can note.
      for (std::uint64_t times = 1 + random() % 20; times > 0 && model.contains(key); --times) {
        const Duration earlier = model.deadline(key) - Duration(random() % 40);
        model.set(key, earlier);
        move(queue, key, earlier);
        key = static_cast<Key>(random() % keys);
      }
      return random() % 2 == 0 || queue.earliest() == model.earliest();
    case 6:
      queue.remove(key);
      model.remove(key);
      return queue.earliest() == model.earliest();
    case 7:
      return !model.popped(key) || queue.claim(key) == model.claim(key);
    default:
      return queue.pop_due(deadline) == model.pop_due(deadline) && queue.size() == model.size();
  }
}

void compare_with_the_model(std::uint32_t first_sequence, Key keys) {
  const std::uint64_t seed = number_from_environment("DETENT_SEED", std::random_device()());
  const std::uint64_t operations = number_from_environment("DETENT_QUEUE_OPERATIONS", 1'000'000);
  SCOPED_TRACE("DETENT_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  TimerQueue queue(first_sequence);
  Model model;
  for (std::uint64_t i = 0; i < operations; ++i) {
    ASSERT_TRUE(operate_alike(queue, model, random, keys)) << "operation " << i;
  }
  while (const auto expected = model.pop_due(Duration::max())) {
    ASSERT_EQ(expected, queue.pop_due(Duration::max()));
  }
  EXPECT_EQ(0U, queue.size());
}

TEST(TimerQueue, TM2_AgreesWithAnOrderedMultimapOverAMillionRandomOperations) {
  compare_with_the_model(0, 1000);
}

TEST(TimerQueue, AgreesWithTheModelWhileSmallAndOftenEmpty) { compare_with_the_model(0, 7); }

TEST(TimerQueue, AgreesWithTheModelWhileItsSequenceNumbersRunOut) {
  compare_with_the_model(UINT32_MAX - 2000, 300);
}

TEST(TimerQueue, TM2_KeepsTheOrderWhenSequenceNumbersRunOut) {
  for (std::uint32_t left = 0; left < 10; ++left) {
    SCOPED_TRACE(left);
    TimerQueue queue(UINT32_MAX - left);
    for (Key key = 0; key < 5; ++key) queue.add(key, 10ms);
    queue.set(2, 20ms);
    queue.set(0, 20ms);
    queue.set(4, 20ms);
    queue.set(4, 10ms);
    queue.add(5, 20ms);
    EXPECT_EQ((Keys{1, 3, 4, 2, 0, 5}), pop_all(queue));
  }
}

TEST(TimerQueue, TM2_KnowsWhichKeysWereSetInThisTurn) {
  TimerQueue queue;
  const auto set_this_turn = [&queue] {
    Keys keys;
    for (Key key = 0; key < 4; ++key) {
      if (queue.was_set_this_turn(key)) keys.push_back(key);
    }
    return keys;
  };
  queue.begin_turn(1);
  for (Key key = 0; key < 4; ++key) queue.add(key, 10ms);
  EXPECT_EQ((Keys{0, 1, 2, 3}), set_this_turn());
  queue.begin_turn(2);
  EXPECT_EQ((Keys{}), set_this_turn());
  queue.set(3, 20ms);
  queue.begin_turn(2);
  ASSERT_TRUE(queue.try_set(0, 5ms));
  EXPECT_EQ((Keys{0, 3}), set_this_turn());
  ASSERT_EQ(0U, queue.pop_due(5ms));
  EXPECT_EQ((Keys{0, 3}), set_this_turn()) << "popping changes nothing";
  queue.begin_turn(3);
  EXPECT_EQ((Keys{}), set_this_turn());
}

TEST(TimerQueue, TM2_KnowsThemWhenSequenceNumbersRunOutToo) {
  for (std::uint32_t left = 0; left < 10; ++left) {
    SCOPED_TRACE(left);
    TimerQueue queue(UINT32_MAX - left);
    queue.begin_turn(1);
    for (Key key = 0; key < 4; ++key) queue.add(key, Duration(40 - 10 * key));
    queue.begin_turn(2);
    queue.set(2, 5ns);
    queue.set(0, 50ns);
    queue.add(4, 10ns);
    EXPECT_FALSE(queue.was_set_this_turn(1));
    EXPECT_FALSE(queue.was_set_this_turn(3));
    EXPECT_TRUE(queue.was_set_this_turn(2));
    EXPECT_TRUE(queue.was_set_this_turn(0));
    EXPECT_TRUE(queue.was_set_this_turn(4));
    EXPECT_EQ((Keys{2, 3, 4, 1, 0}), pop_all(queue));
  }
}

}  // namespace
}  // namespace detent
