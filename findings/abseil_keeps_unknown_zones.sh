#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# Abseil 20220623 (Debian 12, libabsl-dev 20220623.1-1+deb12u2), g++ 12, glibc 2.36.
#
# Guess: a name that absl::LoadTimeZone refused costs no memory afterwards.
# Seen:  each different name that was ever refused stays in the library's table for the life of the
#        process, about 60 bytes and the name; the same name again costs nothing. So a program that
#        looks up names that strangers send grows without bound.
source "$(dirname "$0")/common.sh"
needs g++
unpack libabsl-dev=20220623.1-1+deb12u2
cat >zones.cc <<'END'
#include <absl/time/time.h>
#include <malloc.h>

#include <cstdio>
#include <string>

std::size_t grows_by(int first, int names) {
  const auto before = mallinfo2().uordblks;
  absl::TimeZone zone;
  for (int i = first; i < first + names; ++i) {
    absl::LoadTimeZone("No/Such_Place_" + std::to_string(i), &zone);
  }
  return mallinfo2().uordblks - before;
}

int main() {
  grows_by(0, 1000);
  const bool new_names = grows_by(1000, 10000) > 300000 && grows_by(11000, 10000) > 300000;
  const bool old_names = grows_by(1000, 20000) > 1000;
  std::printf("10,000 new names grow it: %d; the same names again: %d", new_names, old_names);
}
END
libraries=(root/usr/lib/*/libabsl_*.a)
g++ -std=c++17 -I root/usr/include zones.cc -Wl,--start-group "${libraries[@]}" -Wl,--end-group \
  -pthread -o zones 2>compiler.log || not_tried "the program cannot be built here"
conclude "$(timeout 60 ./zones)" "10,000 new names grow it: 1; the same names again: 0"
