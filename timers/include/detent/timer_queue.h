// SPDX-License-Identifier: BSL-1.0
/// \file
/// Deadlines in order, and nothing else: no clock, no kernel, no callbacks.
///
///     detent::TimerQueue queue;
///     queue.add(7, 250ms);                       // key 7 is due at 250 ms
///     queue.set(7, 500ms);                       // now later
///     while (auto key = queue.pop_due(now)) fire(*key);
///
/// How it works: a heap in which each node has four children, so that a comparison reads one cache
/// line, with the place of each key kept beside its deadline, so that removing needs no search.
/// Where a key that is moved belongs is asked only when somebody asks what is first, since most
/// timers are moved again or removed long before they come first: one that moves earlier is noted,
/// and one that moves later, which servers do for every event of an idle connection, is not even
/// that. It goes down when it comes to the top.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <vector>

#include "detent/time.h"

namespace detent {

/// Keys are small numbers that its user hands out, such as table slots: memory goes by the largest.
/// Deadlines are times since an epoch that its user knows. Equal deadlines come in the order in
/// which they were last set. 36 bytes a key; allocates only to grow. One thread.
class TimerQueue {
 public:
  using Key = std::uint32_t;

  /// `first_sequence`: see sequence(); only a test of what happens at its end has a use for it.
  explicit TimerQueue(std::uint32_t first_sequence = 0) noexcept : next_sequence_(first_sequence) {}

  /// Puts a key in; std::logic_error when it is in it. O(log n), O(1) unless among the earliest.
  void add(Key key, Duration deadline);
  /// Moves a key; std::logic_error when it is not in it. O(1).
  void set(Key key, Duration deadline);
  /// The same as a rule, at next to no cost; false, and nothing has happened, when the key is not
  /// in it or `set` would have something else to do first.
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
  /// Numbers the calls of `add` and `set`: what the key's last one got, and the next one will get.
  [[nodiscard]] std::uint32_t sequence(Key key) const noexcept { return nodes_[key].sequence; }
  [[nodiscard]] std::uint32_t next_sequence() const noexcept { return next_sequence_; }
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

  // The jump is rarely guessed wrong, other than one for which of two deadlines is the earlier.
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
};

}  // namespace detent
