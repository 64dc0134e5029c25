// SPDX-License-Identifier: BSL-1.0
/// \file
/// Makes a failing sequence short enough to read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace detent::testing_support {

/// Leaves out whatever is not needed for `fails(sequence)` to stay true: halves, then ever smaller
/// pieces, then single elements until none of them can go.
template <class T, class Fails>
[[nodiscard]] std::vector<T> shrink(std::vector<T> sequence, Fails fails) {
  std::size_t piece = std::max<std::size_t>(sequence.size() / 2, 1);
  for (bool again = true; again;) {
    bool shorter = false;
    // From the end: what comes last is needed least often.
    for (std::size_t end = sequence.size(); end > 0;) {
      const std::size_t begin = end - std::min(piece, end);
      std::vector<T> rest = sequence;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(begin),
                 rest.begin() + static_cast<std::ptrdiff_t>(end));
      end = begin;
      if (!fails(rest)) continue;
      sequence = std::move(rest);
      shorter = true;
    }
    again = piece > 1 || shorter;
    piece = std::max<std::size_t>(piece / 2, 1);
  }
  return sequence;
}

}  // namespace detent::testing_support
