// SPDX-License-Identifier: BSL-1.0
#include "counted.h"

#include <unistd.h>

#include "support/allocations.h"

namespace detent::guards {

namespace {

std::size_t allocated = 0;

// A call that nobody else makes. That there is no such process does not matter.
void mark() { static_cast<void>(::getpgid(0x0DE7E27)); }

// Only what this calls is counted by valgrind, so it stands alone.
[[gnu::noinline]] void counted_instructions(const std::function<void()>& work) { work(); }

}  // namespace

void counted(const std::function<void()>& work) {
  mark();
  allocated += testing_support::allocations_in([&] { counted_instructions(work); });
  mark();
}

std::size_t counted_allocations() noexcept { return allocated; }

}  // namespace detent::guards
