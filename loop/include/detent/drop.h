// SPDX-License-Identifier: BSL-1.0
/// \file
/// Destroys the functions that a service refused, one after another.
///
///     if (is_closing_) return detent::drop(std::move(function));
///
/// When a function's captures are destroyed, they may hand another function to the same service,
/// and so on. Destroying such a chain in place would use up the stack.
#pragma once

#include <utility>

#include "detent/callback.h"

namespace detent {

/// Destroys `function` before it returns. During another drop() on this thread, puts `function` in
/// a list, which the outer drop() destroys. Without memory for the list, destroys it in place. Any
/// thread.
void drop(Callback<void()> function) noexcept;

/// The same for anything that can be moved.
template <class Function>
void drop_any(Function&& function) noexcept {
  drop([dropped = std::forward<Function>(function)] { static_cast<void>(dropped); });
}

}  // namespace detent
