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

/// Keeps its memory, so that a steady state allocates nothing.
class FunctionQueue {
 public:
  void push(Callback<void()> function) { functions_.push_back(std::move(function)); }

  /// Takes over all of `other`, behind what is here.
  void append(FunctionQueue& other) {
    drop_done();
    if (functions_.empty()) {
      functions_.swap(other.functions_);
    } else {
      std::move(other.functions_.begin(), other.functions_.end(), std::back_inserter(functions_));
      other.functions_.clear();
    }
  }

  /// Runs at most `most` of those that are here now, counting each in `ran`. One that throws is
  /// done; the rest stay.
  void run(std::size_t most, std::uint64_t& ran) {
    if (!empty()) run_some(most, ran);
  }

  [[nodiscard]] bool empty() const noexcept { return functions_.empty(); }

 private:
  void run_some(std::size_t most, std::uint64_t& ran) {
    const std::size_t end = done_ + std::min(functions_.size() - done_, most);
    struct DropDone {  // on a throw too
      FunctionQueue& queue;
      ~DropDone() { queue.drop_done(); }
    } const drop_done = {*this};
    while (done_ < end) {
      Callback<void()> function = std::move(functions_[done_++]);
      ++ran;
      function();
    }
  }

  // Once they are half of all, so that a long backlog is not moved for each part that is done.
  void drop_done() noexcept {
    if (done_ * 2 < functions_.size()) return;
    functions_.erase(functions_.begin(),
                     functions_.begin() + static_cast<std::ptrdiff_t>(std::exchange(done_, 0)));
  }

  std::vector<Callback<void()>> functions_;
  std::size_t done_ = 0;
};

}  // namespace detent
