// SPDX-License-Identifier: BSL-1.0
/// \file
/// Lets a thread that may outlive a loop hand functions to it; Reactor::poster makes it.
///
///     std::thread worker([poster = reactor.poster()] {
///       if (!poster.post([] { show_result(); })) give_up();      // false: the loop is gone
///     });
#pragma once

#include <memory>
#include <utility>

#include "detent/callback.h"

namespace detent {

class Mailbox;

/// Copyable and thread-safe. Keeps no loop alive, but its wake-up descriptor.
class Poster {
 public:
  /// Runs `function` on the loop's thread, in the order of one thread's posts. False, with
  /// `function` destroyed here, when the loop is gone, and in a forked child. When the loop goes
  /// before it ran the function, the function is destroyed on the loop's thread.
  /// std::invalid_argument when `function` is empty.
  bool post(Callback<void()> function) const;

 private:
  friend class Reactor;
  explicit Poster(std::shared_ptr<Mailbox> mailbox) noexcept : mailbox_(std::move(mailbox)) {}
  std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace detent
