// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What the streams over descriptors have in common.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <system_error>

#include "detent/name.h"
#include "detent/piece.h"
#include "detent/stream.h"

namespace detent {

/// Throws std::invalid_argument for an option out of range.
void check(const StreamOptions& options);

/// Throws what make_stream does, for an error of setting one up.
[[noreturn]] void fail_making_stream(const Name& name, const std::system_error& error);

/// Calls `make`, and throws its errors as make_stream does.
template <class Make>
std::unique_ptr<Stream> set_up_stream(const Name& name, Make make) {
  try {
    return make();
  } catch (const std::system_error& error) {
    fail_making_stream(name, error);
  }
}

/// As make_stream, but all errors other than those of the caller are values. Null then.
[[nodiscard]] std::unique_ptr<Stream> try_make_stream(Reactor& reactor, Socket&& socket,
                                                      const StreamOptions& options,
                                                      const Name& name, std::error_code& error);

/// The code of a refusal to watch a descriptor: that of the limit, if it is due to one.
[[nodiscard]] std::error_code limit_or(std::error_code error);

/// Why a poller has ended a registration: the descriptor was closed, or the kernel refuses it after
/// a pause.
[[nodiscard]] std::error_code why_unwatched(int fd) noexcept;

[[nodiscard]] std::size_t total_size(std::span<const Piece> pieces) noexcept;

}  // namespace detent
