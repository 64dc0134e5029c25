// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Pieces as writev(2) and sendmsg(2) take them.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>

#include "detent/piece.h"

namespace detent {

/// The first pieces that are not empty, as many as there is room for.
class IoParts {
 public:
  explicit IoParts(std::span<const Piece> pieces) noexcept {
    for (const Piece& piece : pieces) {
      if (piece.size == 0) continue;
      if (count_ == parts_.size()) return;
      // An iovec is not const, since readv(2) uses it, too.
      parts_[count_++] = {.iov_base = const_cast<std::byte*>(piece.data), .iov_len = piece.size};
      size_ += piece.size;
    }
  }
  [[nodiscard]] iovec* data() noexcept { return parts_.data(); }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  /// How many bytes they have.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::array<iovec, 64> parts_;  // not initialised: most writes have few pieces
  std::size_t count_ = 0;
  std::size_t size_ = 0;
};

}  // namespace detent
