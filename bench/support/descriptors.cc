// SPDX-License-Identifier: BSL-1.0
#include "support/descriptors.h"

#include <sys/resource.h>

#include <cstdio>

#include "support/check.h"

namespace bench {

namespace {

// What the program and its loops have besides.
constexpr std::size_t kOthers = 100;

}  // namespace

bool descriptors_suffice(std::size_t count) {
  rlimit limit{};
  succeeded(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  succeeded(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
  if (count + kOthers <= limit.rlim_cur) return true;
  std::fprintf(stderr, "left out, with a limit of %llu descriptors: what needs %zu\n",
               static_cast<unsigned long long>(limit.rlim_cur), count);
  return false;
}

bool descriptors_exceed(int limit, std::size_t count) {
  return count + kOthers > static_cast<std::size_t>(limit);
}

}  // namespace bench
