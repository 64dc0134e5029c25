// SPDX-License-Identifier: BSL-1.0
#include "support/model_coverage.h"

#include "support/standard.h"

namespace detent::testing_support {

void Coverage::count(Ready ready) {
  const std::pair<Ready, std::string_view> all[] = {
      {{.readable = true}, "readable"}, {{.writable = true}, "writable"},
      {{.priority = true}, "priority"}, {{.read_closed = true}, "read_closed"},
      {{.hangup = true}, "hangup"},     {{.error = true}, "error"},
      {{.invalid = true}, "invalid"}};
  for (const auto& [bit, name] : all) {
    if ((ready & bit) != Ready{}) ++bits[name];
  }
}

std::size_t Coverage::all_operations() const {
  std::size_t sum = 0;
  for (const auto& [act, count] : operations) sum += count;
  return sum;
}

std::string Coverage::to_text() const {
  const std::size_t all = all_operations();
  std::string text = std::to_string(comparisons) + " ready sets compared, " +
                     std::to_string(not_empty) + " of them not empty, after " +
                     std::to_string(all) + " operations and " + std::to_string(refusals) +
                     " refused ones;\nper cent:";
  for (const auto& [act, count] : operations) {
    text +=
        std::string(" ") + testing_support::name_of(act) + " " + std::to_string(count * 100 / all);
  }
  text += ";\nreported:";
  for (const auto& [name, count] : bits) {
    text.append(" ").append(name).append(" ") += std::to_string(count);
  }
  return text + " nobody " + std::to_string(events_for_nobody) + ";\n";
}

}  // namespace detent::testing_support
