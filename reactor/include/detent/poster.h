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

/// Copyable and thread-safe. It keeps the loop's wake-up descriptor open, but not the loop alive.
class Poster {
 public:
  /// Runs `function` on the loop's thread. One thread's posts run in order. When the loop is gone,
  /// and in a forked child, destroys `function` here and returns false. If the loop is destroyed
  /// before it runs `function`, it destroys `function` on its own thread. std::invalid_argument
  /// when `function` is empty.
  bool post(Callback<void()> function) const;

 private:
  friend class Reactor;
  explicit Poster(std::shared_ptr<Mailbox> mailbox) noexcept : mailbox_(std::move(mailbox)) {}
  std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace detent
