// SPDX-License-Identifier: BSL-1.0
// One object of JSON on one line.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace bench {

class JsonLine {
 public:
  JsonLine& field(std::string_view name, std::string_view value);
  JsonLine& field(std::string_view name, double value);
  JsonLine& field(std::string_view name, std::integral auto value) {
    return raw(name, std::to_string(value));
  }
  /// `value` is JSON already.
  JsonLine& raw(std::string_view name, std::string_view value);

  [[nodiscard]] std::string text() const { return text_ + "}"; }

 private:
  std::string text_ = "{";
};

}  // namespace bench
