// SPDX-License-Identifier: BSL-1.0
/// \file
/// A wait whose result is kept.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "detent/poller.h"

namespace detent::testing_support {

/// Replaces `events` by what a wait tells: at most events.capacity() of it, 64 when that is 0.
inline void wait_into(std::vector<Event>& events, Poller& poller,
                      std::optional<Duration> max_wait) {
  if (events.capacity() == 0) events.reserve(64);
  events.resize(events.capacity());
  std::size_t told = 0;
  try {
    told = poller.wait(events, max_wait).size();
  } catch (...) {
    events.clear();
    throw;
  }
  events.resize(told);
}

}  // namespace detent::testing_support
