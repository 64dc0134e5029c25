// SPDX-License-Identifier: BSL-1.0
/// \file
/// Marks the part of a workload that is counted. What it takes to get there is not.
#pragma once

#include <cstddef>
#include <functional>

namespace detent::guards {

/// Runs `work`. Valgrind knows it by the name of a function around it, strace by a call that is
/// made before and after: see tests/dev/tool/guards.py.
void counted(const std::function<void()>& work);

/// How often `new` was called in there.
[[nodiscard]] std::size_t counted_allocations() noexcept;

}  // namespace detent::guards
