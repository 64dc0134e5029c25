// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Children that still run when the Children that spawned them goes. One list for the
/// whole program, so that any later Children reaps them.
#pragma once

#include "children/process_table.h"

namespace detent {

/// Puts a spawned process into the list. Without memory for that, it stays a zombie at its end. Any
/// thread.
void leave_behind(Process process) noexcept;

/// Reaps those in the list that have ended. Any thread.
void reap_left_behind() noexcept;

}  // namespace detent
