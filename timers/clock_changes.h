// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The listeners that want to hear that the wall clock was set.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "detent/callback.h"
#include "detent/handle.h"
#include "detent/handler_table.h"
#include "detent/name.h"
#include "detent/reactor.h"
#include "detent/service.h"
#include "wall_offset.h"

namespace detent {

/// Part of the engine of wall timers, on its thread. Keeps for each listener the change that it has
/// not been told yet.
class ClockChanges final : private Service {
 public:
  explicit ClockChanges(Reactor& reactor);
  ClockChanges(const ClockChanges&) = delete;
  ClockChanges& operator=(const ClockChanges&) = delete;
  ~ClockChanges() override { clear(); }

  /// The callback hears of what changes from now on.
  [[nodiscard]] Handle add(Callback<void(const ClockChange&)> on_change, Name name);
  [[nodiscard]] bool has_listeners() const noexcept { return listeners_.size() > 0; }

  /// Reads the clocks, and keeps a change for all listeners. Returns whether there was one.
  bool detect();
  /// Whether a listener has not been told yet.
  [[nodiscard]] bool pending() const noexcept { return pending_; }
  /// Tells the listeners in the order in which they were added, and counts them in `called`. When
  /// one throws, the next call tells the others. False when a callback destroyed this object.
  [[nodiscard]] bool tell(std::size_t& called);
  /// For an owner that is going: makes the handles inert, then destroys the callbacks.
  void clear() noexcept {
    close("~WallTimerService");
    listeners_.clear();
  }

 private:
  // The offset that the listener heard of last. None: it has heard all.
  struct Data {
    std::optional<Duration> old_offset;
  };

  void cancel(HandlerId id) noexcept override { listeners_.remove(id); }
  [[nodiscard]] bool active(HandlerId id) const noexcept override {
    return listeners_.find(id) != nullptr;
  }

  Reactor& reactor_;
  WallOffset offset_;
  HandlerTable<void(const ClockChange&), Data> listeners_;
  std::vector<HandlerId> order_;
  bool pending_ = false;
};

}  // namespace detent
