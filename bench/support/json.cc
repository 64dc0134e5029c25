// SPDX-License-Identifier: BSL-1.0
#include "support/json.h"

#include <cstdio>

#include "support/check.h"

namespace bench {

namespace {

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    require(static_cast<unsigned char>(c) >= 0x20, "a control character in a JSON string");
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

}  // namespace

JsonLine& JsonLine::raw(std::string_view name, std::string_view value) {
  if (text_.size() > 1) text_ += ", ";
  text_ += quoted(name);
  text_ += ": ";
  text_ += value;
  return *this;
}

JsonLine& JsonLine::field(std::string_view name, std::string_view value) {
  return raw(name, quoted(value));
}

JsonLine& JsonLine::field(std::string_view name, double value) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.6g", value);
  return raw(name, digits);
}

}  // namespace bench
