// SPDX-License-Identifier: BSL-1.0
/// \file
/// How GoogleTest shows detent's values in a failure.
#pragma once

#include <ostream>

#include "detent/poller.h"

namespace detent {

inline void PrintTo(const HandlerId& id, std::ostream* out) {
  *out << '{' << id.slot << ',' << id.generation << '}';
}

inline void PrintTo(const Ready& ready, std::ostream* out) {
  *out << '{';
  if (ready.readable) *out << " readable";
  if (ready.writable) *out << " writable";
  if (ready.priority) *out << " priority";
  if (ready.read_closed) *out << " read_closed";
  if (ready.hangup) *out << " hangup";
  if (ready.error) *out << " error";
  if (ready.invalid) *out << " invalid";
  *out << " }";
}

}  // namespace detent
