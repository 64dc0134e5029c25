// SPDX-License-Identifier: BSL-1.0
/// \file
/// For tests of what runs once and is not taken back.
#pragma once

#include <utility>
#include <vector>

#include "detent/handle.h"

namespace detent::testing_support {

/// Keeps the handle until the program ends, when its loop has gone.
inline void keep(Handle handle) {
  static std::vector<Handle>& kept = *new std::vector<Handle>;
  kept.push_back(std::move(handle));
}

}  // namespace detent::testing_support
