// SPDX-License-Identifier: BSL-1.0
/// \file
/// Cron expressions by chance, with every mark that the dialect has.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace detent::testing_support {

using Random = std::mt19937_64;

/// $DETENT_SEED, or else always the same, so that a change can be told from bad luck.
[[nodiscard]] std::uint64_t seed_from_environment();

/// From 0 to before `n`. Not a std::uniform_int_distribution, since each library has its own.
[[nodiscard]] inline int below(Random& random, int n) {
  return static_cast<int>(random() % static_cast<std::uint64_t>(n));
}
[[nodiscard]] inline bool one_in(Random& random, int n) { return below(random, n) == 0; }

/// Five fields or six. Nearly always one that Cron takes.
[[nodiscard]] std::string random_expression(Random& random);
/// With a character or two put in, left out or replaced: often none that Cron takes.
[[nodiscard]] std::string damaged(std::string expression, Random& random);

}  // namespace detent::testing_support
