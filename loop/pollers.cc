// SPDX-License-Identifier: BSL-1.0
#include "pollers.h"

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace detent {
namespace {

struct Row {
  std::string_view name;
  std::unique_ptr<Poller> (*make)();
};

// The default first.
constexpr std::array kPollers = {
    Row{"epoll", &make_epoll_poller},
};

std::string_view wanted_name(std::string_view name) {
  if (!name.empty()) return name;
  const char* from_environment = std::getenv("DETENT_POLLER");
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  return kPollers.front().name;
}

}  // namespace

std::vector<std::string_view> poller_names() {
  std::vector<std::string_view> names;
  names.reserve(kPollers.size());
  for (const Row& row : kPollers) names.push_back(row.name);
  return names;
}

std::unique_ptr<Poller> make_poller(std::string_view name) {
  const std::string_view wanted = wanted_name(name);
  for (const Row& row : kPollers) {
    if (row.name == wanted) return row.make();
  }
  std::string message =
      "make_poller: no poller is called \"" + std::string(wanted) + "\"; there is";
  for (const Row& row : kPollers) message.append(" ").append(row.name);
  throw std::invalid_argument(message);
}

}  // namespace detent
