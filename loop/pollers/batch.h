// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The room that a caller of Poller::wait gives, and how much of it has been used.
#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>

#include "detent/poller.h"

namespace detent {

/// Never grows: look at room() before push().
class Batch {
 public:
  /// Throws std::invalid_argument for no room at all: a wait could tell nothing.
  explicit Batch(std::span<Event> room) : room_(room) {
    if (room.empty()) [[unlikely]]
      throw std::invalid_argument("Poller::wait: no room for an event");
  }

  void push(const Event& event) noexcept { room_[size_++] = event; }
  [[nodiscard]] Event& operator[](std::size_t index) noexcept { return room_[index]; }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t room() const noexcept { return room_.size() - size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] bool full() const noexcept { return size_ == room_.size(); }
  [[nodiscard]] std::span<Event> events() const noexcept { return room_.first(size_); }

 private:
  std::span<Event> room_;
  std::size_t size_ = 0;
};

/// What each Poller::wait is: calls fill(batch) and returns what that has told. An error does not
/// cost the caller what was told before it: the next wait throws it, if it lasts.
template <class Fill>
[[gnu::always_inline]] inline std::span<Event> fill_batch(std::span<Event> room, Fill fill) {
  Batch batch(room);
  try {
    fill(batch);
  } catch (...) {
    if (batch.empty()) throw;
  }
  return batch.events();
}

}  // namespace detent
