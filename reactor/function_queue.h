// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Functions that run once, in order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "detent/callback.h"

namespace detent {

/// In two parts, so that a function runs where it lies while others are pushed, and a backlog is
/// never moved. Keeps its memory, so that a steady state allocates nothing.
class FunctionQueue {
 public:
  void push(Callback<void()>&& function) {
    waiting_.push_back(std::move(function));
    ++size_;
  }

  /// Takes over all of `others`, behind what is here.
  void append(std::vector<Callback<void()>>& others) {
    const std::size_t more = others.size();
    if (waiting_.empty()) {
      waiting_.swap(others);
    } else {
      std::move(others.begin(), others.end(), std::back_inserter(waiting_));
      others.clear();
    }
    size_ += more;
  }

  /// Runs at most `most` of those that are here now, counting each in `ran`. One that throws is
  /// done; the rest stay.
  void run(std::size_t most, std::uint64_t& ran) {
    if (!empty()) run_some(most, ran);
  }

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  [[gnu::noinline]] void run_some(std::size_t most, std::uint64_t& ran) {
    for (std::size_t left = std::min(most, size_); left > 0; --left) {
      if (running_.empty()) running_.swap(waiting_);
      const Done done = {*this, running_[next_++]};
      --size_;
      ++ran;
      done.function();
    }
  }

  // On a throw too; and what a function captured goes with its call.
  struct Done {
    FunctionQueue& queue;
    Callback<void()>& function;
    ~Done() {
      function = nullptr;
      if (queue.next_ < queue.running_.size()) return;
      queue.running_.clear();
      queue.next_ = 0;
    }
  };

  std::size_t size_ = 0;
  std::vector<Callback<void()>> waiting_;
  std::vector<Callback<void()>> running_;
  std::size_t next_ = 0;  // in running_, of which something is left unless it is empty
};

}  // namespace detent
