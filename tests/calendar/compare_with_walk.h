// SPDX-License-Identifier: BSL-1.0
/// \file
/// Cron::next() against a walk through the same stretch of time.
#pragma once

#include <cstddef>
#include <string>

#include "calendar/local_walk.h"
#include "calendar/random_cron.h"

namespace detent::testing_support {

/// Which rules for gaps and overlaps are tried. One is enough where there is neither.
enum class Rules { all, one };

/// Asks for all runs of the stretch, one after the other, and for the next one from where the clock
/// is set and from an instant by chance. How many answers were compared; the first wrong one fails
/// the test.
std::size_t compare_with_walk(const std::string& zone, const std::string& expression,
                              const LocalWalk& walk, Random& random, Rules rules = Rules::all);

}  // namespace detent::testing_support
