// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What a Files has: the callbacks, the kernel's marks, and the list of those paths that
/// have to be looked at.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "detent/files.h"
#include "detent/handler_table.h"
#include "detent/reactor.h"
#include "files/file_marks.h"
#include "files/watched_path.h"
#include "wakeup.h"

namespace detent {

struct Files::State {
  using Callbacks = HandlerTable<void(const FileChange&), std::shared_ptr<WatchedPath>>;

  State(Reactor& reactor, std::size_t looks);
  /// After a callback was added: for what hear() will note of it, without allocating.
  void make_room();
  /// For an owner that is going: drops the callbacks.
  void end() noexcept;

  Reactor& reactor;
  FileMarks marks;
  Callbacks callbacks;

 private:
  std::size_t serve();
  void hear();
  void leave_over(bool any);
  std::size_t look();
  void make_due(WatchedPath& path);
  [[nodiscard]] Callbacks::Entry* next_due();
  [[nodiscard]] bool call(Callbacks::Entry& entry, const FileChange& change);

  const std::size_t looks_per_turn_;
  // The paths that have work, in this round and in the next. A round looks once at each. A callback
  // that throws leaves the rest of the round for the next turn.
  std::vector<HandlerId> due_;
  std::size_t next_ = 0;
  std::vector<HandlerId> due_again_;
  // While looks are left over for the next turn, the wakeup is readable and no notices are heard.
  bool has_left_over_ = false;
  Wakeup left_over_;
  Watch watch_;
  Watch watch_left_over_;
};

}  // namespace detent
