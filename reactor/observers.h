// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The observers of one loop.
#pragma once

#include <vector>

#include "detent/handle.h"
#include "detent/observer.h"

namespace detent {

/// One thread. Sets `is_observed` while there are observers. An observer that is removed while the
/// others are told is told no more. One that is added then is told from the next call on.
class Observers final : private HandleOwner {
 public:
  explicit Observers(bool& is_observed) noexcept : is_observed_(is_observed), link_(*this) {}
  Observers(const Observers&) = delete;
  Observers& operator=(const Observers&) = delete;
  ~Observers() { clear(); }

  [[nodiscard]] bool any() const noexcept { return any_; }
  /// The Ready of most events, which a loop without observers calls on its fast path. With
  /// observers, a value that no event has.
  [[nodiscard]] Ready plain() const noexcept { return plain_; }
  [[nodiscard]] Handle add(Observer& observer);
  void before(const Observer::Call& call) noexcept;
  void after(const Observer::Call& call) noexcept;
  void turn(Duration waited, Duration worked) noexcept;

  /// For an owner that is being destroyed: makes the handles inert.
  void clear() noexcept { link_.cut(); }

 private:
  struct Entry {
    HandlerId id;
    Observer* observer;  // null: it was removed
  };

  void cancel(HandlerId id) noexcept override;
  [[nodiscard]] bool active(HandlerId id) const noexcept override;
  template <class Tell>
  void tell(Tell tell) noexcept;

  void set_any(bool any) noexcept {
    any_ = is_observed_ = any;
    plain_ = {.readable = !any};
  }

  bool any_ = false;
  Ready plain_ = {.readable = true};
  bool& is_observed_;
  std::vector<Entry> entries_;
  bool is_telling_ = false;
  HandlerId last_ = {};
  ServiceLink link_;
};

}  // namespace detent
