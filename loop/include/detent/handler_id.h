// SPDX-License-Identifier: BSL-1.0
/// \file
/// The number by which pollers, tables and handles refer to a registration.
#pragma once

#include <cstdint>

#include "detent/needs_cpp20.h"

namespace detent {

/// A number, never an address: `slot` says where the registration is kept and is reused,
/// `generation` says which of that slot's users is meant. A number whose registration has ended
/// therefore finds nothing. Generation 0 names nothing.
struct HandlerId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;

  friend bool operator==(HandlerId, HandlerId) = default;
};

}  // namespace detent
