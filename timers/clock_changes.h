// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Who wants to hear that the wall clock was set, and who has not been told yet.
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

/// For the timer service on the wall clock, on its thread.
class ClockChanges final : private Service {
 public:
  explicit ClockChanges(Reactor& reactor);
  ClockChanges(const ClockChanges&) = delete;
  ClockChanges& operator=(const ClockChanges&) = delete;
  ~ClockChanges() override { clear(); }

  /// The callback hears of what changes from now on.
  [[nodiscard]] Handle add(Callback<void(const ClockChange&)> on_change, Name name);
  [[nodiscard]] bool has_listeners() const noexcept { return listeners_.size() > 0; }

  /// Reads the clocks, and keeps a change for all who listen. Whether there was one.
  bool look();
  /// Whether somebody is still to be told.
  [[nodiscard]] bool pending() const noexcept { return pending_; }
  /// Tells them, in the order in which they were added, and counts in `called`. After one that
  /// throws, the others are told by the next call. False when a callback destroyed this.
  [[nodiscard]] bool tell(std::size_t& called);
  /// For an owner that is going: the handles become inert, then the callbacks go.
  void clear() noexcept {
    close("~WallTimerService");
    listeners_.clear();
  }

 private:
  // What the offset was when the listener had last heard of it; none: it has heard all.
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
