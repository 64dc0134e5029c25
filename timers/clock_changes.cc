// SPDX-License-Identifier: BSL-1.0
#include "clock_changes.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace detent {

ClockChanges::ClockChanges(Reactor& reactor)
    : Service(reactor, "WallTimerService"), reactor_(reactor), offset_(reactor.clock()) {}

Handle ClockChanges::add(Callback<void(const ClockChange&)> on_change, Name name) {
  detect();  // an earlier change is for the other listeners
  order_.push_back(listeners_.add(std::move(on_change), name));
  return {line(), order_.back()};
}

bool ClockChanges::detect() {
  const std::optional<ClockChange> change = offset_.measure();
  if (!change) return false;
  for (const HandlerId id : order_) {
    auto* listener = listeners_.find(id);
    if (listener == nullptr) continue;
    if (!listener->data.old_offset) listener->data.old_offset = change->old_offset;
    pending_ = true;
  }
  return true;
}

bool ClockChanges::tell(std::size_t& called) {
  if (!pending_) return true;
  std::erase_if(order_, [this](HandlerId id) { return listeners_.find(id) == nullptr; });
  listeners_.recycle();
  const std::size_t count = order_.size();  // one that is added meanwhile has nothing to hear
  for (std::size_t i = 0; i < count; ++i) {
    auto* listener = listeners_.find(order_[i]);
    if (listener == nullptr || !listener->data.old_offset) continue;
    const ClockChange change = {
        .old_offset = *std::exchange(listener->data.old_offset, std::nullopt),
        .new_offset = offset_.value()};
    ++called;
    const bool survives =
        reactor_.observed([&] { return Observer::Call{.name = listener->name()}; },
                          [&] { return listeners_.call_and_survive(*listener, change); });
    if (!survives) return false;
  }
  // A callback may have made the service detect another change, which those before it have to hear.
  pending_ = std::any_of(order_.begin(), order_.end(), [this](HandlerId id) {
    const auto* listener = listeners_.find(id);
    return listener != nullptr && listener->data.old_offset;
  });
  return true;
}

}  // namespace detent
