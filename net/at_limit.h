// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Errors that pass when somebody gives something back.
#pragma once

#include <system_error>

namespace detent {

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
