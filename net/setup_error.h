// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The text of an error in setting up: the type that was set up, and its Name.
#pragma once

#include <string>
#include <system_error>

#include "detent/name.h"

namespace detent {

/// `error`'s text without that of its code, with `type` and `name` in front.
[[nodiscard]] inline std::string setup_text(const char* type, const Name& name,
                                            const std::system_error& error) {
  std::string inner = error.what();
  const std::string reason = ": " + error.code().message();
  if (inner.ends_with(reason)) inner.resize(inner.size() - reason.size());
  return std::string(type) + " \"" + name.text + "\" of " + name.file + ':' +
         std::to_string(name.line) + ": " + inner;
}

/// Throws the error again with setup_text().
[[noreturn]] inline void fail_setting_up(const char* type, const Name& name,
                                         const std::system_error& error) {
  throw std::system_error(error.code(), setup_text(type, name, error));
}

/// Whether the program or the machine has no more descriptors or memory to give.
[[nodiscard]] inline bool is_at_limit(std::error_code error) noexcept {
  for (const std::errc limit :
       {std::errc::too_many_files_open, std::errc::too_many_files_open_in_system,
        std::errc::no_buffer_space, std::errc::not_enough_memory, std::errc::no_space_on_device}) {
    if (error == limit) return true;
  }
  return false;
}

}  // namespace detent
