// SPDX-License-Identifier: BSL-1.0
/// \file
/// Tells a member function that has called out whether its object still exists.
///
///     const Lifespan::Guard alive(lifespan_);
///     on_data_(bytes);                       // may destroy *this
///     if (!alive) return;
///
/// For classes that go on after calling a callback which may destroy them; where the call can be
/// the last statement, that is simpler.
#pragma once

#include <utility>

namespace detent {

/// A member of the object in question. One thread.
class Lifespan {
 public:
  /// On the stack of the function that calls out; several may nest.
  class Guard {
   public:
    explicit Guard(Lifespan& lifespan) noexcept
        : lifespan_(&lifespan), outer_(std::exchange(lifespan.innermost_, this)) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() {
      if (lifespan_ != nullptr) lifespan_->innermost_ = outer_;
    }
    /// Whether the object still exists.
    explicit operator bool() const noexcept { return lifespan_ != nullptr; }

   private:
    friend class Lifespan;
    Lifespan* lifespan_;
    Guard* outer_;
  };

  Lifespan() noexcept = default;
  Lifespan(const Lifespan&) = delete;
  Lifespan& operator=(const Lifespan&) = delete;
  ~Lifespan() {
    for (Guard* guard = innermost_; guard != nullptr; guard = guard->outer_) {
      guard->lifespan_ = nullptr;
    }
  }

 private:
  Guard* innermost_ = nullptr;
};

}  // namespace detent
