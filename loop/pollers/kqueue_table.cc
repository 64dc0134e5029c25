// SPDX-License-Identifier: BSL-1.0
#include <array>

#include "pollers.h"

namespace detent {

std::span<const PollerRow> platform_pollers() noexcept {
  constexpr auto kLinuxCall = [] { return std::string("it is a call of Linux"); };
  static constexpr std::array kRows = {
      PollerRow{"kqueue", &make_kqueue_poller},   PollerRow{"poll", &make_poll_poller},
      PollerRow{"select", &make_select_poller},   PollerRow{"epoll", nullptr, kLinuxCall},
      PollerRow{"io_uring", nullptr, kLinuxCall},
  };
  return kRows;
}

}  // namespace detent
