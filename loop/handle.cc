// SPDX-License-Identifier: BSL-1.0
#include "detent/handle.h"

#include <stdexcept>
#include <string>

namespace detent {

void Handle::cancel() noexcept {
  // Emptied first, and then left alone: destroying the callback's captures may destroy *this.
  const Lifeline line = std::move(line_);
  const HandlerId id = std::exchange(id_, {});
  if (HandleOwner* owner = line.owner()) {
    line.affinity().check_or_terminate("Handle::cancel");
    owner->cancel(id);
  }
}

void Handle::fail_empty(const char* call) {
  throw std::logic_error(std::string(call) + ": the handle is empty, moved from or cancelled");
}

}  // namespace detent
