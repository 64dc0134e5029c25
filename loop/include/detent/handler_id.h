// SPDX-License-Identifier: BSL-1.0
/// \file
/// The number by which pollers, tables and handles refer to a registration.
#pragma once

#include <cstdint>

#include "detent/needs_cpp20.h"

namespace detent {

/// A number, never an address. `slot` is the registration's place, which is reused; `generation`
/// counts the registrations in that place. So a number finds nothing once its registration has
/// ended. Generation 0 names nothing.
struct HandlerId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;

  friend bool operator==(HandlerId, HandlerId) = default;
};

}  // namespace detent
