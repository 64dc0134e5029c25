// SPDX-License-Identifier: BSL-1.0
/// \file
/// Counts what the program allocates with `new`; a test program links allocations.cc for it.
#pragma once

#include <cstddef>

namespace detent::testing_support {

/// How often this thread has allocated.
[[nodiscard]] std::size_t allocations() noexcept;

/// Does nothing, out of the compiler's sight: it may leave out the allocations of an object that
/// nobody looks at.
void look_at(const void* object) noexcept;

/// While it lives, this thread's allocations throw std::bad_alloc.
class OutOfMemory {
 public:
  OutOfMemory() noexcept;
  OutOfMemory(const OutOfMemory&) = delete;
  OutOfMemory& operator=(const OutOfMemory&) = delete;
  ~OutOfMemory();
};

/// How often this thread allocates while `function` runs.
template <class F>
[[nodiscard]] std::size_t allocations_in(F&& function) {
  const std::size_t before = allocations();
  function();
  return allocations() - before;
}

}  // namespace detent::testing_support
