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

/// Move-only. Once it is destroyed, the callback is never entered again. Declare it after the
/// descriptor, so that the descriptor is closed later. Changing an empty or cancelled one is
/// std::logic_error. Changing one that has ended by itself throws std::system_error with
/// no_such_file_or_directory. One whose loop is gone is inert and ignores changes. Use it on the
/// loop's thread.
class [[nodiscard]] Watch : public Handle {
 public:
  Watch() noexcept = default;

  /// Replaces the interest from the next wait on. Revives a watch that fell silent after a one-shot
  /// or a hang-up that was not asked for. Costs no system call by itself, and none at all when it
  /// is changed back before the wait. If the descriptor was closed, its callback gets
  /// Ready{.invalid = true} and the watch has ended.
  void set_interest(Interest interest);
  /// The interest that was set last, even while paused.
  [[nodiscard]] Interest interest() const noexcept;
  /// The watched descriptor, or -1.
  [[nodiscard]] int fd() const noexcept;
  /// The Name that the watch was made with; an empty one when the watch is gone.
  [[nodiscard]] Name name() const noexcept;

  /// Reports nothing until resume(), not even hang-up and errors.
  void pause();
  /// Undoes pause(), or else acts as set_interest(interest()).
  void resume();

 private:
  friend class Reactor;
  using Handle::Handle;
};

}  // namespace detent
