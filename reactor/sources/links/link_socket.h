// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The kernel's messages about links, and the question for all of them.
#pragma once

#include <cstddef>
#include <vector>

#include "detent/unique_fd.h"
#include "links/link_news.h"

namespace detent {

/// Of the thread's network namespace. Does not block, but a question waits for the kernel's lock of
/// its network settings.
class LinkSocket {
 public:
  /// Throws not_supported where there is none. `receive_buffer`: see LinksOptions.
  explicit LinkSocket(int receive_buffer, std::size_t first_size = kFirstSize);

  [[nodiscard]] int fd() const noexcept { return fd_.fd(); }
  /// Asks for all links. Ask only when there is nothing to read. After the kernel dropped a message
  /// it drops all others, and does not say so again, until all is read (netlink_overrun() in the
  /// kernel). It never drops the answer.
  void ask();
  /// Nothing to read, not even an error.
  [[nodiscard]] bool is_empty() const;
  /// Reads one message into `reading`.
  void read(LinkReading& reading);

 private:
  // The kernel answers in messages of the size that was last read with, up to 32 KiB.
  static constexpr std::size_t kFirstSize = 32'768;

  void take(std::size_t size, LinkReading& reading);

  UniqueFd fd_;
  std::vector<std::byte> buffer_;  // grows if a message is larger
};

}  // namespace detent
