// SPDX-License-Identifier: BSL-1.0
#include "detent/net_error.h"

#include <string>

namespace detent {
namespace {

class NetCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "detent.net"; }
  [[nodiscard]] std::string message(int code) const override {
    switch (static_cast<NetError>(code)) {
      case NetError::too_many_clients:
        return "too many clients";
      case NetError::too_many_clients_of_address:
        return "too many clients of one address";
      case NetError::connect_timed_out:
        return "connecting took too long";
    }
    return "unknown error " + std::to_string(code);
  }
  // So that a user who does not ask which limit it was finds it as the system's own.
  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    if (code == static_cast<int>(NetError::connect_timed_out)) return std::errc::timed_out;
    return {code, *this};
  }
};

}  // namespace

const std::error_category& net_category() noexcept {
  static const NetCategory category;
  return category;
}

std::error_code make_error_code(NetError error) noexcept {
  return {static_cast<int>(error), net_category()};
}

}  // namespace detent
