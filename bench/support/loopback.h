// SPDX-License-Identifier: BSL-1.0
// Sockets on 127.0.0.1, for clients and for servers that open them by hand. All are non-blocking.
#pragma once

#include <cstdint>

#include <detent/unique_fd.h>

namespace bench {

/// TCP, on a port that the kernel chose.
detent::UniqueFd listen_on_loopback();
std::uint16_t port_of(int socket);

/// TCP, connected, without Nagle's delay.
detent::UniqueFd connect_to_loopback(std::uint16_t port);
/// One that was just accepted.
void set_no_delay(int socket);
/// Closing it sends a reset, so that no port has to rest.
void set_reset_on_close(int socket);

/// UDP, on a port that the kernel chose.
detent::UniqueFd datagram_socket();
/// Where it sends to, and from where alone it receives.
void connect_datagrams(int socket, std::uint16_t port);

}  // namespace bench
