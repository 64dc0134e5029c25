// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Items that are used once, in order, some of them in each turn.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace detent {

/// Has two parts. So an item is used in place while others are pushed, and a backlog is never
/// moved. Keeps its memory, so that a steady state allocates nothing.
template <class Item>
class TurnQueue {
 public:
  void push(Item&& item) {
    waiting_.push_back(std::move(item));
    ++size_;
  }

  /// Moves all of `others` behind the items that are here.
  void append(std::vector<Item>& others) {
    const std::size_t more = others.size();
    if (waiting_.empty()) {
      waiting_.swap(others);
    } else {
      std::move(others.begin(), others.end(), std::back_inserter(waiting_));
      others.clear();
    }
    size_ += more;
  }

  /// Calls use(item) for at most `most` of the items that are here now. An item whose use throws is
  /// done; the rest stay.
  template <class Use>
  void run(std::size_t most, Use&& use) {
    for (std::size_t left = std::min(most, size_); left > 0; --left) {
      if (running_.empty()) running_.swap(waiting_);
      const Done done = {*this, running_[next_++]};
      --size_;
      use(done.item);
    }
  }

  /// Destroys the items that are left, one after another. Not from inside a use.
  void clear() noexcept {
    size_ = next_ = 0;
    const std::vector<Item> running = std::move(running_);
    const std::vector<Item> waiting = std::move(waiting_);
  }

  /// There must be one.
  [[nodiscard]] const Item& front() const noexcept {
    return running_.empty() ? waiting_.front() : running_[next_];
  }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  // Ends a use, also on a throw. Destroys a function's captures right after its call.
  struct Done {
    TurnQueue& queue;
    Item& item;
    ~Done() {
      if constexpr (requires { item = nullptr; }) item = nullptr;
      if (queue.next_ < queue.running_.size()) return;
      queue.running_.clear();
      queue.next_ = 0;
    }
  };

  std::size_t size_ = 0;
  std::vector<Item> waiting_;
  std::vector<Item> running_;
  std::size_t next_ = 0;  // in running_, which is empty once all of it is used
};

}  // namespace detent
