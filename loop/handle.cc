// SPDX-License-Identifier: BSL-1.0
#include "detent/handle.h"

#include <stdexcept>
#include <string>

namespace detent {

void Handle::cancel() noexcept {
  // Empties *this first and does not touch it again: destroying the captures may destroy it.
  const ServiceLink link = std::move(link_);
  const HandlerId id = std::exchange(id_, {});
  if (HandleOwner* owner = link.owner()) {
    link.affinity().check_or_terminate("Handle::cancel");
    owner->cancel(id);
  }
}

void Handle::fail_empty(const char* call) {
  throw std::logic_error(std::string(call) + ": the handle is empty, moved from or cancelled");
}

}  // namespace detent
