// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The text of an error in setting up: the call, what it was for, and the Name.
#pragma once

#include <string>
#include <system_error>

#include "detent/name.h"

namespace detent {

/// `CALL: OBJECT, "NAME" of FILE:LINE`. An empty object is left out with its punctuation.
[[nodiscard]] std::string origin_text(const char* call, const std::string& object,
                                      const Name& name);

/// origin_text() in front of `error`'s text without that of its code.
[[nodiscard]] std::string setup_text(const char* call, const std::string& object, const Name& name,
                                     const std::system_error& error);

/// Throws the error again with setup_text().
[[noreturn]] void fail_setting_up(const char* call, const std::string& object, const Name& name,
                                  const std::system_error& error);

}  // namespace detent
