// SPDX-License-Identifier: BSL-1.0
#include "socket_message.h"

#include <algorithm>
#include <cstring>

#include "sys.h"

namespace detent {

SentMessage::SentMessage(std::span<const Piece> pieces, std::span<const int> descriptors) noexcept
    : parts_(pieces) {
  header_.msg_iov = parts_.data();
  header_.msg_iovlen = static_cast<decltype(header_.msg_iovlen)>(parts_.count());
  if (descriptors.empty()) return;
  control_.attach(header_, descriptors.size());
  cmsghdr* const message = CMSG_FIRSTHDR(&header_);
  message->cmsg_level = SOL_SOCKET;
  message->cmsg_type = SCM_RIGHTS;
  message->cmsg_len = header_.msg_controllen;
  std::memcpy(CMSG_DATA(message), descriptors.data(), descriptors.size_bytes());
}

ssize_t SentMessage::send(int fd) const noexcept {
  return ::sendmsg(fd, &header_, sys::kSendFlags);
}

ReceivedMessage::ReceivedMessage(std::span<std::byte> bytes, std::size_t most_descriptors) noexcept
    : part_({.iov_base = bytes.data(), .iov_len = bytes.size()}),
      most_(std::min(most_descriptors, kMostDescriptors)) {
  header_.msg_iov = &part_;
  header_.msg_iovlen = 1;
}

ssize_t ReceivedMessage::receive(int fd) noexcept {
  control_.attach(header_, most_);
  const ssize_t size = ::recvmsg(fd, &header_, sys::kCloseReceivedOnExec);
  received_ = size >= 0;
  return size;
}

std::span<UniqueFd> ReceivedMessage::take_descriptors(std::span<UniqueFd> room) noexcept {
  std::size_t taken = 0;
  if (!received_) return {};
  for (cmsghdr* part = CMSG_FIRSTHDR(&header_); part != nullptr;
       part = CMSG_NXTHDR(&header_, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t size = part->cmsg_len - CMSG_LEN(0);
    for (std::size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
      UniqueFd owned(fd);
      if (sys::kCloseReceivedOnExec == 0) static_cast<void>(sys::set_close_on_exec(fd));
      if (taken < room.size()) room[taken++] = std::move(owned);
    }
  }
  return room.first(taken);
}

}  // namespace detent
