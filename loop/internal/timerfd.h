// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private, Linux. What the users of timerfd_create(2) have in common.
#pragma once

#include <sys/timerfd.h>

#include <ctime>

#include "detent/clock.h"
#include "detent/unique_fd.h"

namespace detent::sys {

[[nodiscard]] clockid_t native_clock(ClockId id) noexcept;

/// A disarmed timer; `flags` as for timerfd_create(2), beside TFD_CLOEXEC.
[[nodiscard]] UniqueFd make_timerfd(ClockId id, int flags);

/// Saturates: the kernel accepts more seconds than fit nanoseconds.
[[nodiscard]] Duration to_duration(const timespec& t) noexcept;

}  // namespace detent::sys
