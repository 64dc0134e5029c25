// SPDX-License-Identifier: BSL-1.0
#include "support/model_search.h"

#include <span>

#include "support/shrinking.h"
#include "support/standard.h"

namespace detent::testing_support {
namespace {

constexpr std::size_t kSequenceLength = 500;

}  // namespace

std::optional<Finding> find_failure(const MakePoller& make, std::uint64_t first_seed,
                                    std::size_t operations, Coverage& coverage) {
  const auto run = [&make](std::span<const Operation> sequence, Coverage& counts) {
    return run_operations(*make(), sequence, counts);
  };
  for (std::uint64_t seed = first_seed; coverage.all_operations() < operations; ++seed) {
    std::vector<Operation> sequence = random_operations(seed, kSequenceLength);
    std::optional<Failure> failure = run(sequence, coverage);
    if (!failure) continue;
    sequence.resize(failure->operation + 1);
    Coverage ignored;
    sequence = shrink(std::move(sequence), [&](std::span<const Operation> shorter) {
      return run(shorter, ignored).has_value();
    });
    // What fails once in a while only may not do so again.
    if (const auto last = run(sequence, ignored)) failure = last;
    return Finding{seed, failure->what, std::move(sequence)};
  }
  return std::nullopt;
}

std::string Finding::to_text() const {
  std::string text = "DETENT_SEED=" + std::to_string(seed) + " finds this, shrunk to " +
                     std::to_string(operations.size()) + " operations:\n";
  std::string code;
  for (const Operation& operation : operations) {
    text += "  " + testing_support::to_text(operation) + "\n";
    code += (code.empty() ? "" : ", ") + to_code(operation);
  }
  return text + "after which " + what + "\nto be repeated: {" + code + "}\n";
}

}  // namespace detent::testing_support
