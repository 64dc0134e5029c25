// SPDX-License-Identifier: BSL-1.0
#include "support/check.h"

#include <cstdio>
#include <cstdlib>

namespace bench {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "bench: %s\n", what);
  std::abort();
}

long succeeded(long result, const char* call) {
  if (result >= 0) return result;
  std::perror(call);
  std::abort();
}

int opened(int fd, const char* call) { return static_cast<int>(succeeded(fd, call)); }

}  // namespace bench
