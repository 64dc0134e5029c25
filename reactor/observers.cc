// SPDX-License-Identifier: BSL-1.0
#include "observers.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace detent {

Handle Observers::add(Observer& observer) {
  if (++last_.generation == 0) ++last_.slot;  // never the same number twice
  entries_.push_back({last_, &observer});
  set_any(true);
  return {link_, last_};
}

void Observers::cancel(HandlerId id) noexcept {
  for (Entry& entry : entries_) {
    if (entry.id == id) entry.observer = nullptr;
  }
  if (!is_telling_) std::erase_if(entries_, [](const Entry& e) { return e.observer == nullptr; });
  set_any(std::any_of(entries_.begin(), entries_.end(),
                      [](const Entry& e) { return e.observer != nullptr; }));
}

bool Observers::active(HandlerId id) const noexcept {
  return std::any_of(entries_.begin(), entries_.end(),
                     [id](const Entry& e) { return e.id == id && e.observer != nullptr; });
}

template <class Tell>
void Observers::tell(Tell tell) noexcept {
  const bool is_outermost = !std::exchange(is_telling_, true);
  const std::size_t count = entries_.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (Observer* observer = entries_[i].observer) tell(*observer);
  }
  if (!is_outermost) return;
  is_telling_ = false;
  std::erase_if(entries_, [](const Entry& e) { return e.observer == nullptr; });
}

void Observers::before(const Observer::Call& call) noexcept {
  tell([&call](Observer& observer) { observer.before(call); });
}

void Observers::after(const Observer::Call& call) noexcept {
  tell([&call](Observer& observer) { observer.after(call); });
}

void Observers::turn(Duration waited, Duration worked) noexcept {
  tell([&](Observer& observer) { observer.turn(waited, worked); });
}

}  // namespace detent
