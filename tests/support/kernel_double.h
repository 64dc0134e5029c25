// SPDX-License-Identifier: BSL-1.0
/// \file
/// Whether the kernel that the library sees is the tests' double of kqueue(2). Then what Linux
/// tells of this process (its system calls, the kinds of its descriptors) is the double's doing.
#pragma once

#ifdef DETENT_KQUEUE_DOUBLE
#include "support/kqueue_double/kqueue_double.h"
#endif

namespace detent::testing_support {

#ifdef DETENT_KQUEUE_DOUBLE
inline constexpr bool kKernelIsADouble = true;
/// True for a descriptor that only the double has.
[[nodiscard]] inline bool is_hidden(int fd) noexcept { return kqueue_double::is_hidden(fd); }
#else
inline constexpr bool kKernelIsADouble = false;
[[nodiscard]] inline bool is_hidden(int /*fd*/) noexcept { return false; }
#endif

/// The same for a child, which has few descriptors of its own: the double's lie far above.
[[nodiscard]] inline bool is_hidden_in_a_child(int fd) noexcept {
  constexpr int kFarAbove = 256;
  return kKernelIsADouble && fd >= kFarAbove;
}

}  // namespace detent::testing_support

/// For tests that look at what only the real kernel does.
#define DETENT_NEEDS_THE_REAL_KERNEL()             \
  if (::detent::testing_support::kKernelIsADouble) \
  GTEST_SKIP() << "the double of the kernel does this in its own way"
