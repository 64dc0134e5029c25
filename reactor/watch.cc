// SPDX-License-Identifier: BSL-1.0
#include "detent/watch.h"

#include "detent/reactor.h"
#include "sys.h"

namespace detent {

Reactor* Watch::reactor(const char* call) const {
  if (is_empty()) sys::fail(call, ENOENT);
  return static_cast<Reactor*>(owner());
}

void Watch::set_interest(Interest interest) {
  if (Reactor* loop = reactor("Watch::set_interest")) loop->set_interest(id(), interest);
}

void Watch::pause() {
  if (Reactor* loop = reactor("Watch::pause")) loop->set_paused(id(), true);
}

void Watch::resume() {
  if (Reactor* loop = reactor("Watch::resume")) loop->set_paused(id(), false);
}

Interest Watch::interest() const noexcept {
  return owner() == nullptr ? Interest{} : static_cast<Reactor*>(owner())->interest_of(id());
}

int Watch::fd() const noexcept {
  return owner() == nullptr ? -1 : static_cast<Reactor*>(owner())->fd_of(id());
}

}  // namespace detent
