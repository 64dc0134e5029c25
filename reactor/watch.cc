// SPDX-License-Identifier: BSL-1.0
#include "detent/watch.h"

#include "detent/reactor.h"

namespace detent {

void Watch::set_interest(Interest interest) {
  if (HandleOwner* loop = owner("Watch::set_interest")) {
    static_cast<Reactor*>(loop)->set_interest(id(), interest);
  }
}

void Watch::pause() {
  if (HandleOwner* loop = owner("Watch::pause"))
    static_cast<Reactor*>(loop)->set_paused(id(), true);
}

void Watch::resume() {
  if (HandleOwner* loop = owner("Watch::resume")) {
    static_cast<Reactor*>(loop)->set_paused(id(), false);
  }
}

Interest Watch::interest() const noexcept {
  return owner() == nullptr ? Interest{} : static_cast<Reactor*>(owner())->interest_of(id());
}

int Watch::fd() const noexcept {
  return owner() == nullptr ? -1 : static_cast<Reactor*>(owner())->fd_of(id());
}

Name Watch::name() const noexcept {
  return owner() == nullptr ? Name("", "", 0) : static_cast<Reactor*>(owner())->name_of(id());
}

}  // namespace detent
