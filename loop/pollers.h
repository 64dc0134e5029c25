// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The factories of the pollers; each platform has some of them.
#pragma once

#include <memory>

#include "detent/poller.h"

namespace detent {

[[nodiscard]] std::unique_ptr<Poller> make_epoll_poller();

}  // namespace detent
