// SPDX-License-Identifier: BSL-1.0
#include "environment.h"

#include "sys.h"

namespace detent {

const char* environment(const char* name) noexcept { return sys::trusted_environment(name); }

}  // namespace detent
