// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "support/check.h"

namespace bench {

/// The value below which the fraction `share` of all values lies. Sorts them.
inline double percentile(std::vector<double>& values, double share) {
  require(!values.empty(), "nothing was measured");
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(std::lround(share * last))];
}

}  // namespace bench
