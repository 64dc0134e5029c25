// SPDX-License-Identifier: BSL-1.0
/// \file
/// Whether the kernel that the library sees is the tests' double of kqueue(2). Then what Linux
/// tells of this process (its system calls, the kinds of its descriptors) is the double's doing.
#pragma once

#include <cstdint>
#include <optional>

#ifdef DETENT_KQUEUE_DOUBLE
#include "support/kqueue_double/kqueue_double.h"
#endif

namespace detent::testing_support {

/// How often kevent() was called, and with how many changes in all.
struct KeventCalls {
  std::uint64_t made = 0;
  std::uint64_t changes = 0;
};

#ifdef DETENT_KQUEUE_DOUBLE
inline constexpr bool kKernelIsADouble = true;
/// True for a descriptor that only the double has.
[[nodiscard]] inline bool is_hidden(int fd) noexcept { return kqueue_double::is_hidden(fd); }
/// Nullopt where nobody counts.
[[nodiscard]] inline std::optional<KeventCalls> kevent_calls() noexcept {
  const kqueue_double::Calls calls = kqueue_double::calls();
  return KeventCalls{.made = calls.made, .changes = calls.changes};
}
#else
inline constexpr bool kKernelIsADouble = false;
[[nodiscard]] inline bool is_hidden(int /*fd*/) noexcept { return false; }
[[nodiscard]] inline std::optional<KeventCalls> kevent_calls() noexcept { return std::nullopt; }
#endif

/// The same for a child, which has few descriptors of its own: the double's lie far above.
[[nodiscard]] inline bool is_hidden_in_a_child(int fd) noexcept {
  constexpr int kFarAbove = 256;
  return kKernelIsADouble && fd >= kFarAbove;
}

/// Why the system calls of a process are not told.
inline constexpr const char* kUntraced = kKernelIsADouble
                                             ? "the double of the kernel makes calls of its own"
                                             : "tracing is not allowed here";

}  // namespace detent::testing_support

/// For tests that look at what only the real kernel does.
#define DETENT_NEEDS_THE_REAL_KERNEL()             \
  if (::detent::testing_support::kKernelIsADouble) \
  GTEST_SKIP() << "the double of the kernel does this in its own way"
