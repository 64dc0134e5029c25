// SPDX-License-Identifier: BSL-1.0
// The invariant: an item in the heap is never later than its node says, in the order of (deadline,
// sequence). So when the top's item and node agree, nothing is earlier, however stale the rest is.
#include "detent/timer_queue.h"

#include <algorithm>
#include <stdexcept>

namespace detent {
namespace {

constexpr std::size_t kChildren = 4;

constexpr std::size_t parent_of(std::size_t place) noexcept { return (place - 1) / kChildren; }
constexpr std::size_t first_child_of(std::size_t place) noexcept { return place * kChildren + 1; }

}  // namespace

void TimerQueue::add(Key key, Duration deadline) {
  const bool free = key < nodes_.size() && nodes_[key].place == kNowhere;
  if (!free || next_sequence_ == UINT32_MAX) [[unlikely]]
    prepare_to_add(key);
  heap_.emplace_back();  // has room
  stamp(key, deadline);
  move_up(heap_.size() - 1, current(key));
}

// What is rare, out of the way of what is not.
void TimerQueue::prepare_to_add(Key key) {
  if (contains(key)) throw std::logic_error("TimerQueue::add: the key is in the queue");
  if (key >= nodes_.size()) {
    const auto size = std::max<std::size_t>(key + std::size_t{1}, nodes_.size() * 2);
    heap_.reserve(size);  // for all keys, each of which is in it once
    nodes_.resize(size);
  }
  if (next_sequence_ == UINT32_MAX) renumber();
}

void TimerQueue::set_anywhere(Key key, Duration deadline) {
  if (!contains(key)) throw std::logic_error("TimerQueue::set: the key is not in the queue");
  if (next_sequence_ == UINT32_MAX) renumber();
  stamp(key, deadline);
  const std::size_t place = nodes_[key].place;
  if (before(current(key), heap_[place])) move_up(place, current(key));
}

void TimerQueue::remove(Key key) noexcept {
  if (contains(key)) take_out(nodes_[key].place);
}

std::optional<Duration> TimerQueue::earliest() noexcept {
  if (heap_.empty()) return std::nullopt;
  while (is_stale(heap_.front())) move_down(0, current(heap_.front().key));
  return Duration(heap_.front().deadline);
}

std::optional<TimerQueue::Key> TimerQueue::first() noexcept {
  if (!earliest()) return std::nullopt;
  return heap_.front().key;
}

std::optional<TimerQueue::Key> TimerQueue::pop_due(Duration now) noexcept {
  while (!heap_.empty() && heap_.front().deadline <= now.count()) {
    const Key key = heap_.front().key;
    if (is_stale(heap_.front())) {
      move_down(0, current(key));
    } else {
      take_out(0);
      return key;
    }
  }
  return std::nullopt;
}

// Once in four thousand million calls the sequence numbers run out, and all get new ones in their
// order. A sorted array is a heap.
void TimerQueue::renumber() {
  std::vector<Item> sorted;
  for (Key key = 0; key < nodes_.size(); ++key) {
    if (nodes_[key].place != kNowhere) sorted.push_back(current(key));
  }
  std::sort(sorted.begin(), sorted.end(), before);
  next_sequence_ = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sorted[i].sequence = nodes_[sorted[i].key].sequence = next_sequence_++;
    place(i, sorted[i]);
  }
}

void TimerQueue::move_up(std::size_t hole, const Item& item) noexcept {
  // Copies of the pointers, here and below: the compiler must think that a store to a node could
  // change those of the vectors.
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

// The hole first sinks to the bottom and then rises: what fills it comes from the bottom as a rule,
// and this saves comparing it with each level on the way.
void TimerQueue::move_down(std::size_t hole, const Item& item) noexcept {
  Item* const heap = heap_.data();
  Node* const nodes = nodes_.data();
  const std::size_t size = heap_.size();
  for (std::size_t first = first_child_of(hole); first < size; first = first_child_of(hole)) {
    const Item* child = heap + first;
    if (first + kChildren <= size) {
      child = earlier(earlier(child, child + 1), earlier(child + 2, child + 3));
    } else {
      while (++first < size) child = earlier(child, heap + first);
    }
    nodes[child->key].place = static_cast<std::uint32_t>(hole);
    heap[hole] = *child;
    hole = static_cast<std::size_t>(child - heap);
  }
  move_up(hole, item);
}

void TimerQueue::take_out(std::size_t place_of_key) noexcept {
  nodes_[heap_[place_of_key].key].place = kNowhere;
  const Item last = heap_.back();
  heap_.pop_back();
  if (place_of_key == heap_.size()) return;
  if (place_of_key > 0 && before(last, heap_[parent_of(place_of_key)])) {
    move_up(place_of_key, last);
  } else {
    move_down(place_of_key, last);
  }
}

}  // namespace detent
