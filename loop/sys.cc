// SPDX-License-Identifier: BSL-1.0
#include "sys.h"

#include <system_error>

namespace detent::sys {

void fail(const char* call) { fail(call, errno); }

void fail(const char* call, int code) {
  throw std::system_error(code, std::system_category(), call);
}

}  // namespace detent::sys
