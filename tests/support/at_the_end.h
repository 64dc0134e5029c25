// SPDX-License-Identifier: BSL-1.0
/// \file
/// For captures: something that happens when they go.
///
///     auto watch = reactor.watch(fd, {}, [asks = at_the_end([&] { ... })](Ready) {});
#pragma once

#include <memory>
#include <utility>

namespace detent::testing_support {

/// Calls `function` when the last copy of what this returns goes.
template <class Function>
[[nodiscard]] std::shared_ptr<void> at_the_end(Function function) {
  return {nullptr, [function = std::move(function)](void*) mutable { function(); }};
}

}  // namespace detent::testing_support
