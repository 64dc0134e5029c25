// SPDX-License-Identifier: BSL-1.0
/// \file
/// What a call throws, as a value.
#pragma once

#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace detent::testing_support {

/// The code of the std::system_error that `function` throws; none when it throws nothing.
template <class F>
[[nodiscard]] std::error_code error_of(F&& function) {
  try {
    std::forward<F>(function)();
  } catch (const std::system_error& error) {
    return error.code();
  }
  return {};
}

/// The text of the `Exception` that `function` throws; empty when it throws nothing.
template <class Exception, class F>
[[nodiscard]] std::string message_of(F&& function) {
  try {
    std::forward<F>(function)();
  } catch (const Exception& error) {
    return error.what();
  }
  return {};
}

}  // namespace detent::testing_support
