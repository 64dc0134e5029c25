// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Reads the text of an endpoint.
#pragma once

#include <netinet/in.h>

#include <string_view>
#include <variant>

#include "unix_address.h"

namespace detent {

using NativeAddress = std::variant<sockaddr_in, sockaddr_in6, UnixAddress>;

/// Throws std::invalid_argument; its message says what is wrong, and what to write instead.
[[nodiscard]] NativeAddress read_endpoint(std::string_view text);

/// The same for an address alone. The port is 0.
[[nodiscard]] sockaddr_in read_ipv4_address(std::string_view text);
[[nodiscard]] sockaddr_in6 read_ipv6_address(std::string_view text);

}  // namespace detent
