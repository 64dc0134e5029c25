// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Writing to what is no socket, without SIGPIPE.
#pragma once

#include <sys/types.h>

#include "io_parts.h"

namespace detent {

/// writev(2), but a peer that is gone is EPIPE alone. Leaves the signal's disposition, which the
/// whole program has, and this thread's mask as they were.
[[nodiscard]] ssize_t write_without_sigpipe(int fd, IoParts& parts) noexcept;

}  // namespace detent
