// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What a reactor keeps beside each descriptor's callback.
#pragma once

#include <cstdint>

#include "detent/poller.h"

namespace detent {

/// Whether a callback spins is looked at once in so many of its calls, since that is what each call
/// would pay for.
constexpr std::uint8_t kCallsPerLook = 124;

struct WatchData {
  int fd = -1;
  Interest interest = {};
  Ready concerning = {};  // of what happens: follows from interest and paused
  bool paused = false;
  bool ended = false;  // the poller has ended the registration

  // See Reactor::State::look_at.
  std::uint8_t calls_before_look = kCallsPerLook;
  std::uint8_t looks = 0;       // running that found it called in every turn
  std::uint8_t unchanged = 0;   // probes running that found nothing done
  std::uint32_t last_look = 0;  // the low bits of that turn's number
};

/// What a watch with this interest is told when it happens.
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
