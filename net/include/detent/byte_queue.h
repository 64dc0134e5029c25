// SPDX-License-Identifier: BSL-1.0
/// \file
/// Bytes that wait to be written, in order.
///
///     queue.append("hello");
///     queue.take(socket.write(std::as_bytes(std::span(queue.front()))).size);
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "detent/needs_cpp20.h"

namespace detent {

/// One thread. Keeps its memory, so that a steady state allocates nothing. When it becomes empty,
/// it frees a memory of more than 64 KiB. It drops the taken bytes once they are half of all, so it
/// never moves more than were taken.
class ByteQueue {
 public:
  void append(std::string_view bytes) {
    if (taken_ > 0 && taken_ >= bytes_.size() / 2) drop_taken();
    bytes_.append(bytes);
  }
  void take(std::size_t count) noexcept {
    taken_ += count;
    if (taken_ == bytes_.size()) drop_taken();
  }
  void clear() noexcept { take(size()); }
  [[nodiscard]] std::string_view front() const noexcept {
    return std::string_view(bytes_).substr(taken_);
  }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() - taken_; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  /// Bytes of memory that it holds.
  [[nodiscard]] std::size_t capacity() const noexcept { return bytes_.capacity(); }

 private:
  static constexpr std::size_t kMostKept = 65'536;

  void drop_taken() noexcept {
    bytes_.erase(0, taken_);
    taken_ = 0;
    if (bytes_.empty() && bytes_.capacity() > kMostKept) std::string().swap(bytes_);
  }

  std::string bytes_;
  std::size_t taken_ = 0;
};

}  // namespace detent
