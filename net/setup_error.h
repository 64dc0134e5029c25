// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What an error in setting up says: who was set up, by what Name.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

#include "detent/name.h"

namespace detent {

/// Throws the error again, with `type` and `name` in front of its text.
[[noreturn]] inline void fail_setting_up(const char* type, const Name& name,
                                         const std::system_error& error) {
  std::string_view inner = error.what();
  const std::string reason = ": " + error.code().message();
  if (inner.ends_with(reason)) inner.remove_suffix(reason.size());
  throw std::system_error(error.code(), std::string(type) + " \"" + name.text + "\" of " +
                                            name.file + ':' + std::to_string(name.line) + ": " +
                                            std::string(inner));
}

}  // namespace detent
