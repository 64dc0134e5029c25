// SPDX-License-Identifier: BSL-1.0
#include <array>

#include "io_uring.h"
#include "pollers.h"

namespace detent {

// epoll comes before io_uring: when a program gives up privileges after it made a ring, the ring
// still has them.
std::span<const PollerRow> platform_pollers() noexcept {
  static constexpr std::array kRows = {
      PollerRow{"epoll", &make_epoll_poller},
      PollerRow{"io_uring", &make_io_uring_poller, &io_uring_absence},
      PollerRow{"poll", &make_poll_poller},
      PollerRow{"select", &make_select_poller},
      PollerRow{"kqueue", nullptr, [] { return std::string("it is a call of BSD and macOS"); }},
  };
  return kRows;
}

}  // namespace detent
