// SPDX-License-Identifier: BSL-1.0
/// \file
/// What a registration is called in diagnostics, and where in the source it was made.
///
///     auto watch = reactor.watch(fd, {.readable = true}, on_ready, "control socket");
///
/// Every registering function takes a Name as its last parameter, so that a report about a
/// misbehaving callback can say which one it is. Left out, the place still tells.
#pragma once

#include "detent/needs_cpp20.h"

namespace detent {

/// A text and a source location. Both point to storage that must outlive the registration; string
/// literals and the defaults do.
struct Name {
  const char* text;
  const char* file;
  int line;

  /// The defaults are evaluated where the function that takes the Name is called, so they give the
  /// caller's place (std::source_location is missing in clang 14's view of libstdc++).
  // NOLINTNEXTLINE(google-explicit-constructor): `watch(..., "control socket")` is the purpose.
  constexpr Name(const char* name_text = "", const char* caller_file = __builtin_FILE(),
                 int caller_line = __builtin_LINE()) noexcept
      : text(name_text), file(caller_file), line(caller_line) {}
};

/// The callback that threw last on this thread, of those that a HandlerTable called; where one
/// called another, the outer. Tells Reactor the origin of an exception.
inline thread_local constinit Name last_thrower = {"", "", 0};

}  // namespace detent
