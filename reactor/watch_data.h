// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What a reactor keeps beside each descriptor's callback.
#pragma once

#include <cstdint>

#include "detent/poller.h"

namespace detent {

struct WatchData {
  int fd = -1;
  Interest interest = {};
  bool paused = false;
  bool ended = false;             // the poller has ended the registration
  std::uint8_t unchanged = 0;     // see Reactor::State::call_suspect
  std::uint32_t streak = 0;       // in how many turns running it was called
  std::uint32_t last_called = 0;  // the low bits of that turn's number
};

/// What the poller is told.
[[nodiscard]] constexpr Interest effective(Interest interest, bool paused) noexcept {
  return paused ? Interest{} : interest;
}

/// What of `ready` concerns a watch with this interest; all false when nothing does.
[[nodiscard]] constexpr Ready concerning(Interest interest, Ready ready) noexcept {
  if (interest.empty()) return {.invalid = ready.invalid};
  ready.readable = ready.readable && interest.readable;
  ready.writable = ready.writable && interest.writable;
  ready.priority = ready.priority && interest.priority;
  ready.read_closed = ready.read_closed && interest.readable;
  return ready;
}

/// Whether any of it was asked for.
[[nodiscard]] constexpr bool requested(const Ready& ready) noexcept {
  return ready.readable || ready.writable || ready.priority;
}

}  // namespace detent
