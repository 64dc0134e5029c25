// SPDX-License-Identifier: BSL-1.0
#include "environment.h"

#include "sys.h"

namespace detent {

const char* environment(const char* name) noexcept {
  return DETENT_ENVIRONMENT ? sys::trusted_environment(name) : nullptr;
}

}  // namespace detent
