// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What the user of a program sets in its environment for the library.
#pragma once

namespace detent {

/// The value of a variable; null when it is not set. Also null where the environment is ignored: in
/// a program with more rights than its user (set-uid), and in a library built without the option
/// DETENT_ENVIRONMENT.
[[nodiscard]] const char* environment(const char* name) noexcept;

}  // namespace detent
