// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The kernel's timer as an Alarm; each kind of kernel has its own.
#pragma once

#include <memory>

#include "detent/clock.h"

namespace detent {

/// Disarmed. Throws std::system_error; not_supported for a clock that the kernel does not have.
[[nodiscard]] std::unique_ptr<Alarm> make_kernel_alarm(ClockId id);

}  // namespace detent
