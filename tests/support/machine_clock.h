// SPDX-License-Identifier: BSL-1.0
/// \file
/// Sets the clock of the whole machine, which only a test that was asked for does: with
/// DETENT_TEST_SETS_CLOCK=1, and the privilege.
#pragma once

#include <ctime>

#include "detent/clock.h"
#include "support/standard.h"

namespace detent::testing_support {

[[nodiscard]] inline bool may_set_machine_clock() {
  const char* const asked = std::getenv("DETENT_TEST_SETS_CLOCK");
  return asked != nullptr && asked == std::string_view("1");
}

/// For as long as it lives, which should be short, the wall clock is wrong.
class MovedMachineClock {
 public:
  /// Throws std::system_error.
  explicit MovedMachineClock(Duration by) {
    if (!set(wall_ + by)) throw std::system_error(errno, std::system_category(), "clock_settime");
  }
  MovedMachineClock(const MovedMachineClock&) = delete;
  MovedMachineClock& operator=(const MovedMachineClock&) = delete;
  ~MovedMachineClock() {
    EXPECT_TRUE(set(wall_ + (kernel_clock().now() - steady_))) << "the clock is wrong now";
  }

 private:
  static bool set(WallTime to) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(to.time_since_epoch());
    const timespec time = {whole.count(), (to.time_since_epoch() - whole).count()};
    return ::clock_settime(CLOCK_REALTIME, &time) == 0;
  }

  const TimePoint steady_ = kernel_clock().now();
  const WallTime wall_ = kernel_clock().wall_now();
};

}  // namespace detent::testing_support

/// First thing in a test that sets the machine's clock.
#define DETENT_NEEDS_TO_SET_THE_CLOCK()                    \
  if (!::detent::testing_support::may_set_machine_clock()) \
  GTEST_SKIP() << "sets the machine's clock and restores it; DETENT_TEST_SETS_CLOCK=1 runs it"
