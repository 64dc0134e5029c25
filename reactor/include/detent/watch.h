// SPDX-License-Identifier: BSL-1.0
/// \file
/// The handle of a watched descriptor; Reactor::watch makes it.
///
///     watch.set_interest({.readable = true, .writable = queue_is_not_empty});
#pragma once

#include "detent/handle.h"
#include "detent/name.h"
#include "detent/poller.h"

namespace detent {

class Reactor;

/// Move-only; the descriptor's callback is never entered again once it is gone. Keep it declared
/// after the descriptor, which must be closed later. Changing an empty or cancelled one is
/// std::logic_error. Changing one that has ended by itself throws std::system_error with
/// no_such_file_or_directory. One whose loop is gone is inert and ignores changes. All calls belong
/// to the loop's thread.
class [[nodiscard]] Watch : public Handle {
 public:
  Watch() noexcept = default;

  /// Replaces the interest from the next wait on, and makes a watch that fell silent (a one-shot
  /// that was delivered, a hang-up that nobody had asked for) speak again. Costs no system call
  /// by itself, and none at all when it is changed back before the wait. If the descriptor was
  /// closed, its callback gets Ready{.invalid = true} and the watch has ended.
  void set_interest(Interest interest);
  /// What was set last, paused or not.
  [[nodiscard]] Interest interest() const noexcept;
  /// The watched descriptor, or -1.
  [[nodiscard]] int fd() const noexcept;
  /// As it was given; of a watch that is gone, an empty one.
  [[nodiscard]] Name name() const noexcept;

  /// Silence until resume(), hang-up and errors included.
  void pause();
  /// Undoes pause(), or else acts as set_interest(interest()).
  void resume();

 private:
  friend class Reactor;
  using Handle::Handle;
};

}  // namespace detent
