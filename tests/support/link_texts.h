// SPDX-License-Identifier: BSL-1.0
/// \file
/// Changes of links as a test reads and prints them: "came eth0".
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "detent/links.h"

namespace detent {

/// For GoogleTest.
inline void PrintTo(const Link& link, std::ostream* out) {
  *out << link.index << ' ' << link.name << (link.up ? " up" : "")
       << (link.running ? " running" : "");
}

}  // namespace detent

namespace detent::testing_support {

using Texts = std::vector<std::string>;

[[nodiscard]] inline std::string text_of(const LinkChange& change) {
  constexpr const char* kKinds[] = {"came", "went",    "renamed",    "up",
                                    "down", "running", "not_running"};
  return std::string(kKinds[static_cast<int>(change.kind)]) + ' ' + change.link.name;
}

[[nodiscard]] inline Texts texts_of(const std::vector<LinkChange>& changes) {
  Texts texts;
  for (const LinkChange& change : changes) texts.push_back(text_of(change));
  return texts;
}

}  // namespace detent::testing_support
