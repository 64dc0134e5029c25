// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The unit of the calendar.
#pragma once

#include <cstdint>

namespace detent {

/// Counted from 1970: of UTC, or of what a local clock shows.
using Seconds = std::int64_t;

}  // namespace detent
