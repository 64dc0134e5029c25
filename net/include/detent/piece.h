// SPDX-License-Identifier: BSL-1.0
/// \file
/// Bytes to write, of which one call may take several pieces.
///
///     const std::array answer = {detent::Piece(header), detent::Piece(body)};
///     detent::Written written = stream->write(answer);     // written.size of them are on their
///     way
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "detent/needs_cpp20.h"

namespace detent {

/// Borrows the bytes.
struct Piece {
  constexpr Piece() noexcept = default;
  explicit Piece(std::string_view text) noexcept : Piece(std::as_bytes(std::span(text))) {}
  explicit constexpr Piece(std::span<const std::byte> bytes) noexcept
      : data(bytes.data()), size(bytes.size()) {}

  const std::byte* data = nullptr;
  std::size_t size = 0;
};

}  // namespace detent
