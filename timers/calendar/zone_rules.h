// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The rules of a time zone, read by Abseil.
#pragma once

#include <absl/time/time.h>

#include <string>

#include "seconds.h"

namespace detent {

/// A stretch of time in which the offset of a zone is the same.
struct ZoneSegment {
  Seconds begin;   ///< UTC; inside.
  Seconds end;     ///< UTC; outside.
  Seconds before;  ///< The offset until `begin`.
  Seconds offset;
  Seconds after;  ///< The offset from `end` on.
};

struct ZoneRules {
  std::string name;
  absl::TimeZone zone;

  [[nodiscard]] ZoneSegment segment_at(Seconds utc) const;
};

}  // namespace detent
