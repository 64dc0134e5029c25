// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The objects that wait for the end of the turn to be destroyed.
#pragma once

#include <memory>
#include <utility>

#include "detent/retirable.h"

namespace detent {

class RetiredObjects {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  void add(std::unique_ptr<Retirable> object) noexcept {
    object->next_ = std::move(first_);
    first_ = std::move(object);
  }
  /// Also those that a destructor adds meanwhile: one after another, so a chain uses no stack.
  void destroy() noexcept {
    if (std::exchange(is_destroying_, true)) return;
    while (first_ != nullptr) {
      const std::unique_ptr<Retirable> object = std::move(first_);
      first_ = std::move(object->next_);
    }
    is_destroying_ = false;
  }

 private:
  std::unique_ptr<Retirable> first_;
  bool is_destroying_ = false;
};

}  // namespace detent
