// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Deadlines in order, and nothing else: no clock, no kernel, no callbacks.
///
///     TimerQueue queue;
///     queue.add(7, 250ms);                       // key 7 is due at 250 ms
///     queue.set(7, 500ms);                       // now later
///     while (auto key = queue.pop_due(now)) fire(*key);
///
/// The queue is a heap in which each node has four children. Those four share one cache line. The
/// place of a key lies beside its deadline, so removing a key needs no search.
///
/// Moving a key does not move it in the heap at once. Most timers are moved again, or removed, long
/// before they come first. The queue notes a key that moves earlier, and lets it rise when somebody
/// asks what is first. It does not even note a key that moves later, which servers do for every
/// event of an idle connection. That key goes down when it comes to the top.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <vector>

#include "detent/time.h"

namespace detent {

/// Keys are small numbers of the user's, such as table slots: the largest decides how much memory
/// the queue takes. Deadlines are times since an epoch of the user's. Equal deadlines come in the
/// order in which they were last set. A key takes 36 bytes; only growing allocates. One thread.
class TimerQueue {
 public:
  using Key = std::uint32_t;

  /// The queue numbers the calls of `add` and `set`. `first_sequence` is the first number; only a
  /// test of what happens after the last one has a use for it.
  explicit TimerQueue(std::uint32_t first_sequence = 0) noexcept : next_sequence_(first_sequence) {}

  /// Puts a key in; std::logic_error when it is in it. O(log n), O(1) unless among the earliest.
  void add(Key key, Duration deadline);
  /// Moves a key; std::logic_error when it is not in it. O(1).
  void set(Key key, Duration deadline);
  /// The same, at next to no cost. False, with nothing done, when the key is not in the queue, and
  /// when `set` has to make room first.
  [[nodiscard]] bool try_set(Key key, Duration deadline) noexcept {
    if (!contains(key) || next_sequence_ == UINT32_MAX) return false;
    Node& node = nodes_[key];
    if (deadline.count() < node.deadline) {
      if (notes_ == room_) return false;
      noted_[notes_++] = key;
    }
    stamp(node, deadline);
    return true;
  }
  /// Takes a key out; nothing happens when it is not in it. O(log n).
  void remove(Key key) noexcept;
  /// The earliest deadline of all. O(1), and O(log n) for each `set` since the last time.
  [[nodiscard]] std::optional<Duration> earliest() noexcept;
  /// Its key: the one that pop_due() would take out when it is due.
  [[nodiscard]] std::optional<Key> first() noexcept;
  /// Takes out the earliest key whose deadline is not after `now`, if there is one. O(log n), and
  /// as earliest().
  [[nodiscard]] std::optional<Key> pop_due(Duration now) noexcept {
    if (notes_ != 0) bring_up_to_date();
    return take_due(now);
  }

  [[nodiscard]] bool contains(Key key) const noexcept {
    return key < room_ && nodes_[key].place < kPopped;
  }
  /// Whether pop_due() took the key out, and nobody has added, removed or claimed it since.
  [[nodiscard]] bool popped(Key key) const noexcept {
    return key < room_ && nodes_[key].place == kPopped;
  }
  /// The same of a key that has been popped at some time, and it is so no more.
  [[nodiscard]] bool claim(Key key) noexcept {
    Node& node = nodes_[key];
    if (node.place != kPopped) return false;
    node.place = kNowhere;
    return true;
  }
  /// The deadline last given for a key, which may have been popped since.
  [[nodiscard]] Duration deadline(Key key) const noexcept { return Duration(nodes_[key].deadline); }
  /// Keys that are added or set from here on are set in the turn with that number.
  void begin_turn(std::uint64_t turn) noexcept {
    if (turn == turn_) return;
    turn_ = turn;
    first_sequence_of_turn_ = next_sequence_;
  }
  [[nodiscard]] bool were_some_set_this_turn() const noexcept {
    return next_sequence_ != first_sequence_of_turn_;
  }
  /// Whether the key was last added or set in the turn that began last. The key is in the queue, or
  /// nothing was added or set since it was popped.
  [[nodiscard]] bool was_set_this_turn(Key key) const noexcept {
    return nodes_[key].sequence >= first_sequence_of_turn_;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  // Places outside of heap_.
  static constexpr std::uint32_t kNowhere = UINT32_MAX;
  static constexpr std::uint32_t kPopped = UINT32_MAX - 1;

  struct Node {  // by key
    std::int64_t deadline = 0;
    std::uint32_t sequence = 0;
    std::uint32_t place = kNowhere;
  };

  struct Item {
    std::int64_t deadline;
    std::uint32_t sequence;
    Key key;
  };

  // Puts the root at the end of a cache line, so that each four children share one.
  template <class T>
  struct ChildrenOnOneLine {
    using value_type = T;
    static constexpr std::align_val_t kLine{64};
    static constexpr std::size_t kBeforeRoot = static_cast<std::size_t>(kLine) - sizeof(T);

    ChildrenOnOneLine() noexcept = default;
    T* allocate(std::size_t count) {
      void* lines = ::operator new(kBeforeRoot + count * sizeof(T), kLine);
      return reinterpret_cast<T*>(static_cast<std::byte*>(lines) + kBeforeRoot);
    }
    void deallocate(T* root, std::size_t) noexcept {
      ::operator delete(reinterpret_cast<std::byte*>(root) - kBeforeRoot, kLine);
    }
    friend bool operator==(ChildrenOnOneLine, ChildrenOnOneLine) noexcept { return true; }
  };

  // Tests for equal deadlines first. Ties are rare, so the processor predicts this branch well; the
  // order of two deadlines it cannot predict.
  static bool before(const Item& a, const Item& b) noexcept {
    if (a.deadline == b.deadline) [[unlikely]]
      return a.sequence < b.sequence;
    return a.deadline < b.deadline;
  }
  static const Item* earlier(const Item* a, const Item* b) noexcept {
    return before(*b, *a) ? b : a;
  }
  void place(std::size_t at, const Item& item) noexcept {
    heap_[at] = item;
    nodes_[item.key].place = static_cast<std::uint32_t>(at);
  }
  [[nodiscard]] bool is_stale(const Item& item) const noexcept {
    return nodes_[item.key].sequence != item.sequence;
  }
  [[nodiscard]] Item current(Key key) const noexcept {
    return {nodes_[key].deadline, nodes_[key].sequence, key};
  }

  void stamp(Node& node, Duration deadline) noexcept {
    node.deadline = deadline.count();
    node.sequence = next_sequence_++;
  }
  std::optional<Key> take_due(Duration now) noexcept;
  [[gnu::noinline]] void prepare_and_add(Key key, Duration deadline);
  [[gnu::noinline]] void bring_up_to_date() noexcept;
  void renumber();
  void move_up(std::size_t hole, Item item) noexcept;
  void move_down(std::size_t hole, Item item) noexcept;
  void take_out(std::size_t place) noexcept;

  // All have room for as many keys.
  std::vector<Node> nodes_;
  std::vector<Item, ChildrenOnOneLine<Item>> heap_;
  std::vector<Key> noted_;  // moved earlier, so that their items may have to rise
  std::size_t room_ = 0;
  std::size_t size_ = 0;  // how much of heap_ is one
  std::size_t notes_ = 0;
  std::uint32_t next_sequence_;
  std::uint32_t first_sequence_of_turn_ = 0;
  std::uint64_t turn_ = 0;
};

}  // namespace detent
