// SPDX-License-Identifier: BSL-1.0
// How many descriptors there may be.
#pragma once

#include <cstddef>

namespace bench {

/// Whether so many more can be opened; raises the limit as far as it goes, and says so when not.
bool descriptors_suffice(std::size_t count);

/// Whether a loop that takes only numbers below `limit` cannot have so many.
bool descriptors_exceed(int limit, std::size_t count);

}  // namespace bench
