// SPDX-License-Identifier: BSL-1.0
/// \file
/// The error codes that net has of its own. All others are the system's.
///
///     options.on_trouble = [&](std::error_code error) {
///       if (error == detent::NetError::too_many_clients) ask_for_another_server();
///     };
#pragma once

#include <system_error>
#include <type_traits>

#include "detent/needs_cpp20.h"

namespace detent {

enum class NetError {
  too_many_clients = 1,         ///< ListenerOptions::max_clients
  too_many_clients_of_address,  ///< ListenerOptions::clients_per_address
  connect_timed_out,            ///< ConnectorOptions::max_wait; equals std::errc::timed_out
};

[[nodiscard]] const std::error_category& net_category() noexcept;
[[nodiscard]] std::error_code make_error_code(NetError error) noexcept;

}  // namespace detent

template <>
struct std::is_error_code_enum<detent::NetError> : std::true_type {};
