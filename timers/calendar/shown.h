// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. How an error shows a text that came from outside.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace detent {

/// Quotes a text, on one line, and cuts it when it is long.
inline std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 200;
  std::string line(text.substr(0, kMost));
  const auto is_control = [](char c) { return (c >= '\0' && c < ' ') || c == '\x7f'; };
  std::replace_if(line.begin(), line.end(), is_control, '?');
  return "'" + line + (text.size() > kMost ? "...'" : "'");
}

}  // namespace detent
