// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What sendmsg(2) and recvmsg(2) take: several pieces, and descriptors beside them.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>

#include "detent/unique_fd.h"
#include "io_parts.h"

namespace detent {

/// Of one message: unix(7), SCM_RIGHTS.
inline constexpr std::size_t kMostDescriptors = 253;

/// A control message with descriptors.
class DescriptorMessage {
 public:
  /// Room for `count` of them. CMSG_SPACE would leave room for one more, as padding.
  void attach(msghdr& header, std::size_t count) noexcept {
    if (count == 0) return;
    header.msg_control = bytes_.data();
    header.msg_controllen =
        static_cast<decltype(header.msg_controllen)>(CMSG_LEN(count * sizeof(int)));
  }

 private:
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kMostDescriptors * sizeof(int))> bytes_;
};

/// Pieces, and at most kMostDescriptors.
class SentMessage {
 public:
  SentMessage(std::span<const Piece> pieces, std::span<const int> descriptors) noexcept;
  SentMessage(const SentMessage&) = delete;
  SentMessage& operator=(const SentMessage&) = delete;

  /// How many bytes it has.
  [[nodiscard]] std::size_t size() const noexcept { return parts_.size(); }
  /// sendmsg(2).
  [[nodiscard]] ssize_t send(int fd) const noexcept;

 private:
  IoParts parts_;
  DescriptorMessage control_;
  msghdr header_ = {};
};

/// Room for bytes and descriptors.
class ReceivedMessage {
 public:
  ReceivedMessage(std::span<std::byte> bytes, std::size_t most_descriptors) noexcept;
  ReceivedMessage(const ReceivedMessage&) = delete;
  ReceivedMessage& operator=(const ReceivedMessage&) = delete;

  /// recvmsg(2); the descriptors are close-on-exec.
  [[nodiscard]] ssize_t receive(int fd) noexcept;
  /// Moves the received descriptors into `room` and closes those that do not fit. Returns the part
  /// that is filled.
  [[nodiscard]] std::span<UniqueFd> take_descriptors(std::span<UniqueFd> room) noexcept;

 private:
  iovec part_;
  std::size_t most_;
  DescriptorMessage control_;
  msghdr header_ = {};
  bool received_ = false;
};

}  // namespace detent
