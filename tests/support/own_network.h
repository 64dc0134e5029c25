// SPDX-License-Identifier: BSL-1.0
/// \file
/// A network for one process alone, to be entered in a child that a test has forked for that.
#pragma once

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string_view>

#include "detent/unique_fd.h"

namespace detent::testing_support {

/// From now on this process sees a loopback device of its own and nothing else, and `port` is the
/// only one that the kernel gives to its connections. False where it may not: unshare(2).
[[nodiscard]] inline bool enter_own_network(std::uint16_t port) {
  if (::unshare(CLONE_NEWNET) == -1 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == -1) return false;
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq loopback = {};
  std::ranges::copy(std::string_view("lo"), loopback.ifr_name);
  loopback.ifr_flags = IFF_UP;
  if (::ioctl(socket.fd(), SIOCSIFFLAGS, &loopback) == -1) return false;
  std::ofstream range("/proc/sys/net/ipv4/ip_local_port_range");
  range << port << ' ' << port << std::flush;
  return range.good();
}

}  // namespace detent::testing_support
