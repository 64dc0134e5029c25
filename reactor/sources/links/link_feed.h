// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Keeps the table of links as the kernel has them, and notices when messages were lost.
#pragma once

#include <cstdint>
#include <vector>

#include "detent/links.h"
#include "links/link_question.h"
#include "links/link_socket.h"
#include "links/link_table.h"

namespace detent {

class Links::Feed {
 public:
  /// Has read all links when it returns.
  explicit Feed(int receive_buffer);

  [[nodiscard]] int fd() const noexcept { return socket_.fd(); }
  [[nodiscard]] const LinkTable& table() const noexcept { return table_; }
  /// Since the links were first known.
  [[nodiscard]] std::uint64_t losses() const noexcept { return losses_; }

  /// Reads one message, or asks for all links. Appends to `changes` what changed. False when there
  /// is nothing to do until fd() is readable. Throws std::system_error when the kernel fails; then
  /// call it again.
  bool read(std::vector<LinkChange>& changes);
  /// Call it when a turn reads no more. A question that waits until all is read might wait for ever
  /// if it just was: then fd() is not readable.
  void ask_if_all_is_read();

 private:
  void ask();

  LinkSocket socket_;
  LinkTable table_;
  LinkReading reading_;
  LinkQuestion question_;
  std::uint64_t questions_ = 0;
  std::uint64_t losses_ = 0;
};

}  // namespace detent
