// SPDX-License-Identifier: BSL-1.0
// The invariant: an item in the heap is never later than its node says, in the order of (deadline,
// sequence). Only the items of noted keys may be. Once these have risen and the top's item agrees
// with its node, the top is the earliest, however stale the rest is.
#include "timer_queue.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace detent {
namespace {

constexpr std::size_t kChildren = 4;  // as many items as there are on a cache line

constexpr std::size_t parent_of(std::size_t place) noexcept { return (place - 1) / kChildren; }
constexpr std::size_t first_child_of(std::size_t place) noexcept { return place * kChildren + 1; }

}  // namespace

void TimerQueue::add(Key key, Duration deadline) {
  const bool ready = key < room_ && nodes_[key].place >= kPopped && next_sequence_ != UINT32_MAX;
  if (!ready) [[unlikely]]
    return prepare_and_add(key, deadline);
  stamp(nodes_[key], deadline);
  move_up(size_++, current(key));
}

// The slow path of add(), kept out of line.
void TimerQueue::prepare_and_add(Key key, Duration deadline) {
  if (contains(key)) throw std::logic_error("TimerQueue::add: the key is in the queue");
  if (key >= room_) {
    const std::size_t room = std::max(key + std::size_t{1}, room_ * 2);
    heap_.resize(room);
    noted_.resize(room);
    nodes_.resize(room);
    room_ = room;
  }
  if (next_sequence_ == UINT32_MAX) renumber();
  add(key, deadline);
}

void TimerQueue::set(Key key, Duration deadline) {
  if (!contains(key)) throw std::logic_error("TimerQueue::set: the key is not in the queue");
  if (next_sequence_ == UINT32_MAX) renumber();
  if (notes_ == room_) bring_up_to_date();
  static_cast<void>(try_set(key, deadline));
}

void TimerQueue::remove(Key key) noexcept {
  if (key >= room_) return;
  const std::uint32_t place = std::exchange(nodes_[key].place, kNowhere);
  if (place < kPopped) take_out(place);
}

// A noted key may have been removed since, or moved once more.
void TimerQueue::bring_up_to_date() noexcept {
  const std::size_t notes = std::exchange(notes_, 0);
  for (std::size_t note = 0; note < notes; ++note) {
    const Item item = current(noted_[note]);
    const std::uint32_t place = nodes_[item.key].place;
    if (place < kPopped && before(item, heap_[place])) move_up(place, item);
  }
}

std::optional<Duration> TimerQueue::earliest() noexcept {
  if (notes_ != 0) bring_up_to_date();
  if (size_ == 0) return std::nullopt;
  while (is_stale(heap_.front())) move_down(0, current(heap_.front().key));
  return Duration(heap_.front().deadline);
}

std::optional<TimerQueue::Key> TimerQueue::first() noexcept {
  if (!earliest()) return std::nullopt;
  return heap_.front().key;
}

std::optional<TimerQueue::Key> TimerQueue::take_due(Duration now) noexcept {
  while (size_ > 0 && heap_.front().deadline <= now.count()) {
    const Key key = heap_.front().key;
    if (!is_stale(heap_.front())) [[likely]] {
      nodes_[key].place = kPopped;
      take_out(0);
      return key;
    }
    move_down(0, current(key));
  }
  return std::nullopt;
}

// The sequence numbers run out once in four thousand million calls. Then all keys get new ones, in
// the order of the old, and the first number of this turn goes along. A sorted array is a heap.
void TimerQueue::renumber() {
  std::vector<Item> items;
  for (Key key = 0; key < room_; ++key) {
    if (contains(key)) items.push_back(current(key));
  }
  const auto by_sequence = [](const Item& a, const Item& b) { return a.sequence < b.sequence; };
  std::sort(items.begin(), items.end(), by_sequence);
  next_sequence_ = 0;
  std::uint32_t set_before_this_turn = 0;
  for (Item& item : items) {
    if (!was_set_this_turn(item.key)) ++set_before_this_turn;
    item.sequence = nodes_[item.key].sequence = next_sequence_++;
  }
  first_sequence_of_turn_ = set_before_this_turn;
  std::sort(items.begin(), items.end(), before);
  for (std::size_t i = 0; i < items.size(); ++i) place(i, items[i]);
  notes_ = 0;
}

void TimerQueue::move_up(std::size_t hole, Item item) noexcept {
  // Copies of the pointers, here and below. Without them the compiler reads the vectors' own again
  // after each store to a node.
  Item* const heap = heap_.data();
  Node* const nodes = nodes_.data();
  while (hole > 0 && before(item, heap[parent_of(hole)])) {
    const Item& parent = heap[parent_of(hole)];
    nodes[parent.key].place = static_cast<std::uint32_t>(hole);
    heap[hole] = parent;
    hole = parent_of(hole);
  }
  nodes[item.key].place = static_cast<std::uint32_t>(hole);
  heap[hole] = item;
}

// The hole sinks to the bottom first, and then rises. The item that fills it comes from the bottom
// as a rule, so this saves comparing it with each level on the way down.
void TimerQueue::move_down(std::size_t hole, Item item) noexcept {
  Item* const heap = heap_.data();
  Node* const nodes = nodes_.data();
  const std::size_t size = size_;
  const auto sink_below = [&](const Item* child) {
    nodes[child->key].place = static_cast<std::uint32_t>(hole);
    heap[hole] = *child;
    hole = static_cast<std::size_t>(child - heap);
  };
  std::size_t first = first_child_of(hole);
  for (; first + kChildren <= size; first = first_child_of(hole)) {
    const Item* const child = heap + first;
    // Fetches the children of all four, before it is known which of the four is the earliest. A
    // prefetch of memory that does not exist does nothing.
    const Item* const grandchild = heap + first_child_of(first);
    for (std::size_t i = 0; i < kChildren; ++i) __builtin_prefetch(grandchild + i * kChildren);
    const Item* const left = child + static_cast<int>(before(child[1], child[0]));
    const Item* const right = child + 2 + static_cast<int>(before(child[3], child[2]));
    sink_below(earlier(left, right));
  }
  if (first < size) {
    const Item* child = heap + first;
    while (++first < size) child = earlier(child, heap + first);
    sink_below(child);
  }
  move_up(hole, item);
}

void TimerQueue::take_out(std::size_t place) noexcept {
  const Item last = heap_[--size_];
  if (place == size_) return;
  if (place > 0 && before(last, heap_[parent_of(place)])) {
    move_up(place, last);
  } else {
    move_down(place, last);
  }
}

}  // namespace detent
