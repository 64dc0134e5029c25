// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. An alarm for the wall clock that does not rely on the kernel to tell when that clock is
/// set. It is a steady alarm that also rings once a second before the deadline, so that its owner
/// compares the clocks.
#pragma once

#include <memory>

#include "detent/clock.h"

namespace detent {

/// `clock` must outlive it. Throws std::system_error.
[[nodiscard]] std::unique_ptr<Alarm> make_polling_wall_alarm(Clock& clock);

}  // namespace detent
