// SPDX-License-Identifier: BSL-1.0
/// \file
/// What the model test of the pollers has done and seen.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "detent/poller.h"
#include "support/poller_operations.h"

namespace detent::testing_support {

/// How often what happened: a model test that tests nothing must not pass.
struct Coverage {
  std::map<Act, std::size_t> operations;  ///< Those that changed something.
  std::map<Trigger, std::size_t> registrations;
  std::map<std::string_view, std::size_t> bits;  ///< Of the events, by their names in Ready.
  std::size_t comparisons = 0;                   ///< Ready sets.
  std::size_t not_empty = 0;                     ///< Of these.
  std::size_t events_for_nobody = 0;
  std::size_t refusals = 0;

  void count(Ready ready);
  [[nodiscard]] std::size_t all_operations() const;
  [[nodiscard]] std::string to_text() const;
};

}  // namespace detent::testing_support
