// SPDX-License-Identifier: BSL-1.0
/// \file
/// Hears of each callback that a loop makes and of each turn: what measuring and watchdogs are
/// built on.
///
///     Slowest slowest;                             // an Observer
///     detent::Handle observing = reactor.observe(slowest);
///
/// While a loop has no observer, a callback costs it one predictable branch.
#pragma once

#include "detent/clock.h"
#include "detent/name.h"
#include "detent/poller.h"

namespace detent {

/// Called on the loop's thread, from inside its turn. Must outlive the handle that
/// Reactor::observe returned.
class Observer {
 public:
  /// One callback, by the Name that its user gave it: a timer's, not its service's.
  struct Call {
    Name name;
    int fd = -1;         ///< Of a watch; -1: of something else.
    Ready ready = {};    ///< Of a watch: what is told.
    Duration late = {};  ///< Of a timer: how long after its deadline.
  };

  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;

  /// Calls may nest, when a callback makes a source call another.
  virtual void before(const Call& call) noexcept = 0;
  /// When it has returned or thrown. What it was called for may be gone.
  virtual void after(const Call& call) noexcept = 0;
  /// At the end of a turn, one that an exception ends too: how long it waited for events, and how
  /// long all else took.
  virtual void turn(Duration waited, Duration worked) noexcept = 0;
};

}  // namespace detent
