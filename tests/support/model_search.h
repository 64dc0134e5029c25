// SPDX-License-Identifier: BSL-1.0
/// \file
/// Looks for a sequence of operations with which a poller fails the model (poller_model.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "detent/poller.h"
#include "support/poller_model.h"
#include "support/poller_operations.h"

namespace detent::testing_support {

using MakePoller = std::function<std::unique_ptr<Poller>()>;

/// A sequence of operations that fails, as short as leaving out makes it.
struct Finding {
  std::uint64_t seed = 0;  ///< $DETENT_SEED makes it the first one of the next run.
  std::string what;
  std::vector<Operation> operations;

  [[nodiscard]] std::string to_text() const;
};
/// Random sequences, each with a seed of its own and a fresh poller, until this many operations
/// have been done or one has failed.
[[nodiscard]] std::optional<Finding> find_failure(const MakePoller& make, std::uint64_t first_seed,
                                                  std::size_t operations, Coverage& coverage);

}  // namespace detent::testing_support
