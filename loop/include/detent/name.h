// SPDX-License-Identifier: BSL-1.0
/// \file
/// The name of a registration in diagnostics, and the place in the source that made it.
///
///     auto watch = reactor.watch(fd, {.readable = true}, on_ready, "control socket");
///
/// Every registering function takes a Name as its last parameter, so that a report can name the
/// callback that misbehaves. Without a text, the report still has the place.
#pragma once

#include "detent/needs_cpp20.h"

namespace detent {

/// A text and a source location. Their storage must outlive the registration, as string literals
/// and the defaults do.
struct Name {
  const char* text;
  const char* file;
  int line;

  /// The compiler evaluates the defaults where a function that takes a Name is called, so they give
  /// the caller's place. (With libstdc++, clang 14 has no std::source_location.)
  // NOLINTNEXTLINE(google-explicit-constructor): `watch(..., "control socket")` is the purpose.
  constexpr Name(const char* name_text = "", const char* caller_file = __builtin_FILE(),
                 int caller_line = __builtin_LINE()) noexcept
      : text(name_text), file(caller_file), line(caller_line) {}
};

/// The last callback to throw on this thread that a HandlerTable called; of nested calls, the
/// outer. From it Reactor learns the origin of an exception.
inline thread_local constinit Name last_thrower = {"", "", 0};

}  // namespace detent
