#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# Abseil 20220623 (Debian 12, libabsl-dev 20220623.1-1+deb12u2), g++ 12.
#
# Guess: absl::LoadTimeZone says false for a name that is no zone of this machine.
# Seen:  it says true for every name that begins with "libc:", and gives a zone that bears the name
#        and is UTC: "libc:" and the rest are taken for the C library's own zones. Without the prefix
#        the same name is refused.
source "$(dirname "$0")/common.sh"
needs g++
unpack libabsl-dev=20220623.1-1+deb12u2
cat >zone.cc <<'END'
#include <absl/time/time.h>

#include <cstdio>

int main() {
  absl::TimeZone zone;
  const bool plain = absl::LoadTimeZone("No/Such_Place", &zone);
  const bool prefixed = absl::LoadTimeZone("libc:No/Such_Place", &zone);
  std::printf("plain %d, prefixed %d, offset %d, name %s", plain, prefixed,
              zone.At(absl::UnixEpoch()).offset, zone.name().c_str());
}
END
libraries=(root/usr/lib/*/libabsl_*.a)
g++ -std=c++17 -I root/usr/include zone.cc -Wl,--start-group "${libraries[@]}" -Wl,--end-group \
  -pthread -o zone 2>compiler.log || not_tried "the program cannot be built here"
conclude "$(timeout 20 ./zone)" "plain 0, prefixed 1, offset 0, name libc:No/Such_Place"
