// SPDX-License-Identifier: BSL-1.0
/// \file
/// Is told of each callback that a loop makes and of each turn, for measuring and for watchdogs.
///
///     Slowest slowest;                             // an Observer
///     detent::Handle observing = reactor.observe(slowest);
///
/// In a loop without observers, this costs each callback one predictable branch.
#pragma once

#include "detent/clock.h"
#include "detent/name.h"
#include "detent/poller.h"

namespace detent {

/// Called on the loop's thread, from inside its turn. Must outlive the handle that
/// Reactor::observe returned.
class Observer {
 public:
  /// One callback, with the Name that its user gave it. A timer's callback has the timer's Name,
  /// not the service's.
  struct Call {
    Name name;
    int fd = -1;         ///< Of a watch; -1 for any other callback.
    Ready ready = {};    ///< Of a watch: what it is told.
    Duration late = {};  ///< Of a timer: how long after its deadline.
  };

  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;

  /// Calls nest when a callback makes a source call another one.
  virtual void before(const Call& call) noexcept = 0;
  /// When the callback has returned or thrown. Its watch, timer or the like may be gone.
  virtual void after(const Call& call) noexcept = 0;
  /// At the end of a turn, even if an exception ends it. `waited`: its wait for events. `worked`:
  /// the rest of it.
  virtual void turn(Duration waited, Duration worked) noexcept = 0;
};

}  // namespace detent
