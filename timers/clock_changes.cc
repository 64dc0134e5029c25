// SPDX-License-Identifier: BSL-1.0
#include "clock_changes.h"

#include <cstddef>
#include <utility>

namespace detent {

ClockChanges::ClockChanges(Reactor& reactor)
    : reactor_(reactor), offset_(reactor.clock()), line_(*this) {}

Handle ClockChanges::add(Callback<void(const ClockChange&)> on_change, Name name) {
  look();  // what has changed by now is for the others
  order_.push_back(listeners_.add(std::move(on_change), name));
  return {line_, order_.back()};
}

bool ClockChanges::look() {
  const std::optional<ClockChange> change = offset_.look();
  if (!change) return false;
  for (const HandlerId id : order_) {
    auto* listener = listeners_.find(id);
    if (listener == nullptr) continue;
    if (!listener->data.old_offset) listener->data.old_offset = change->old_offset;
    pending_ = true;
  }
  return true;
}

void ClockChanges::tell() {
  if (!pending_) return;
  std::erase_if(order_, [this](HandlerId id) { return listeners_.find(id) == nullptr; });
  listeners_.recycle();
  const Lifespan::Guard alive(lifespan_);
  for (std::size_t i = 0; alive && i < order_.size(); ++i) {
    auto* listener = listeners_.find(order_[i]);
    if (listener == nullptr || !listener->data.old_offset) continue;
    const ClockChange change = {
        .old_offset = *std::exchange(listener->data.old_offset, std::nullopt),
        .new_offset = offset_.value()};
    reactor_.count_callbacks(1);
    listeners_.call(*listener, change);
  }
  if (alive) pending_ = false;
}

}  // namespace detent
