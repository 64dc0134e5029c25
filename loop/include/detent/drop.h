// SPDX-License-Identifier: BSL-1.0
/// \file
/// Destroys functions that a service refused, one after another.
///
///     if (is_closing_) return detent::drop(std::move(function));
///
/// What a function captured may hand the next function to the same service when it goes, and that
/// one the next. Destroyed in place, a long chain of them would use up the stack.
#pragma once

#include <utility>

#include "detent/callback.h"

namespace detent {

/// Destroys `function`, before it returns unless another drop() of this thread is in progress: then
/// after that one's. Any thread. Destroys in place where memory for the list is refused.
void drop(Callback<void()> function) noexcept;

/// The same for anything that can be moved.
template <class Function>
void drop_any(Function&& function) noexcept {
  drop([dropped = std::forward<Function>(function)] { static_cast<void>(dropped); });
}

}  // namespace detent
