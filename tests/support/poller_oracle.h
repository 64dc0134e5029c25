// SPDX-License-Identifier: BSL-1.0
/// \file
/// What a poller may and must report of a descriptor of which poll(2) says this or that.
#pragma once

#include <string>

#include "detent/poller.h"

namespace detent::testing_support {

/// What poll(2) is asked on behalf of this interest.
[[nodiscard]] short poll_mask(Interest interest);

/// poll(2)'s answers just before a wait and just after it: TCP moves by itself.
struct Sight {
  short ever = 0;    ///< In one of them.
  short always = 0;  ///< In both.
};

/// What a report must have, and what it may have.
struct Range {
  Ready must;
  Ready may;
  bool required = false;  ///< That there is one.

  /// A part, where the poller had no room for both directions of a descriptor.
  [[nodiscard]] bool holds_part(Ready reported) const;
  [[nodiscard]] bool holds(Ready reported) const;
};

/// For a poller with these capabilities. Of what has always been there only the bits in `due` are
/// demanded: for an edge, which may have reported the others before.
[[nodiscard]] Range range_of(Sight sight, short due, Interest interest, Capabilities can);

/// The poll(2) bits that such a report has told about.
[[nodiscard]] short told_by(Ready reported, Capabilities can);

/// The nearest that a poller with these capabilities takes.
[[nodiscard]] Interest supported(Interest interest, Capabilities can);

[[nodiscard]] std::string to_text(Ready ready);

}  // namespace detent::testing_support
