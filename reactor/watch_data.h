// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The data that a reactor keeps beside each descriptor's callback.
#pragma once

#include "detent/poller.h"

namespace detent {

struct WatchData {
  int fd = -1;
  Interest interest = {};
  Ready concerning = {};  // the bits to report; follows from interest and paused
  bool paused = false;
  bool ended = false;      // the poller has ended the registration
  bool is_source = false;  // tells the observers itself of each of its callbacks
};

/// The bits that a watch with this interest is told when they happen.
[[nodiscard]] constexpr Ready concerning(Interest interest) noexcept {
  if (interest.empty()) return {.invalid = true};
  return {.readable = interest.readable,
          .writable = interest.writable,
          .priority = interest.priority,
          .read_closed = interest.readable,
          .hangup = true,
          .error = true,
          .invalid = true};
}

/// Whether any of it was asked for.
[[nodiscard]] constexpr bool requested(Ready ready) noexcept {
  return (ready & Ready{.readable = true, .writable = true, .priority = true}) != Ready{};
}

}  // namespace detent
