// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The buffer into which connections read.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace detent {

/// One for each thread, since a loop reads for one connection at a time. If a callback runs another
/// loop meanwhile, that loop's connections get buffers of their own. With a smaller buffer, a bulk
/// transfer would need more system calls.
class ReceiveBuffer {
 public:
  ReceiveBuffer() : is_shared_(!std::exchange(in_use, true)) {
    auto& buffer = is_shared_ ? shared : own_;
    if (buffer == nullptr) buffer = std::make_unique_for_overwrite<std::byte[]>(kSize);
    bytes_ = {buffer.get(), kSize};
  }
  ReceiveBuffer(const ReceiveBuffer&) = delete;
  ReceiveBuffer& operator=(const ReceiveBuffer&) = delete;
  ~ReceiveBuffer() {
    if (is_shared_) in_use = false;
  }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  static constexpr std::size_t kSize = 262'144;
  static inline thread_local std::unique_ptr<std::byte[]> shared;
  static inline thread_local bool in_use = false;

  bool is_shared_;
  std::unique_ptr<std::byte[]> own_;
  std::span<std::byte> bytes_;
};

}  // namespace detent
