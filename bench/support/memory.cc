// SPDX-License-Identifier: BSL-1.0
#include "support/memory.h"

#include <malloc.h>

namespace bench {

double allocated() {
  const struct mallinfo2 info = ::mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

}  // namespace bench
