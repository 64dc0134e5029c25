// SPDX-License-Identifier: BSL-1.0
#include "environment.h"

namespace detent {

const char* environment(const char* /*name*/) noexcept { return nullptr; }

}  // namespace detent
