// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Which signals can be watched, and what is said of the others.
#pragma once

#include <initializer_list>

#include "detent/name.h"
#include "signals/signal_set.h"

namespace detent {

/// Throws as Signals::watch does, except for what only sigaction(2) knows.
[[nodiscard]] SignalSet checked_signals(std::initializer_list<int> signals, const Name& name);

/// Throws the std::system_error of a failed sigaction(2).
[[noreturn]] void fail_to_catch(int signal, const Name& name, int error);

}  // namespace detent
