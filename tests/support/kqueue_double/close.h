// SPDX-License-Identifier: BSL-1.0
/// \file
/// The double's own closing, past the close() with which it watches the program's.
#pragma once

namespace kqueue_double {

int close_unwatched(int fd) noexcept;

}  // namespace kqueue_double
