// SPDX-License-Identifier: BSL-1.0
/// \file
/// What the filters want to know of a descriptor. Asking takes nothing away from the program.
#pragma once

#include <cstdint>

namespace kqueue_double {

/// What poll(2) says now, POLLNVAL excepted.
[[nodiscard]] unsigned state_of(int fd, unsigned wanted) noexcept;

/// As st_mode tells it; 0 when it is closed.
[[nodiscard]] unsigned type_of(int fd) noexcept;

/// Bytes to read, or connections to accept.
[[nodiscard]] std::intptr_t readable_size(int fd) noexcept;
/// Bytes to write without blocking, about.
[[nodiscard]] std::intptr_t writable_size(int fd) noexcept;

enum class Sending { possible, not_connected, over };
[[nodiscard]] Sending sending_of(int socket) noexcept;

/// The error that a socket in this state of poll's has; 0 for none.
[[nodiscard]] std::uint32_t pending_error(int socket, unsigned state) noexcept;

}  // namespace kqueue_double
