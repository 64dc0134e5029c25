// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. How a system tells that processes have ended, and how they ended. Each system has its
/// own: linux/ and bsd/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "children/process_table.h"

namespace detent {

/// News of a process that has ended.
struct Ended {
  ProcessTable::Number number = ProcessTable::kNone;
  std::optional<int> status = {};  // as of wait(2), if it came with the news
  bool is_last = false;            // else there is more news if collect() cannot have it yet
};

/// One descriptor for any number of processes, so that they need no slots of the poller.
class ExitQueue {
 public:
  /// Takes at most so many at once. Throws std::system_error.
  explicit ExitQueue(std::size_t most);
  ExitQueue(const ExitQueue&) = delete;
  ExitQueue& operator=(const ExitQueue&) = delete;
  ~ExitQueue();

  /// Readable while take() would find something.
  [[nodiscard]] int fd() const noexcept;

  /// Keeps, until it goes, the descriptor that add() will need. So a limit shows before there is a
  /// child. Throws std::system_error.
  [[nodiscard]] UniqueFd reserve() const;
  /// A process that has ended is in the queue at once. So is a spawned one that is gone already,
  /// because other code reaped it or the program ignores SIGCHLD. Throws std::system_error.
  void add(ProcessTable::Number number, Process& process);
  /// In a forked child leaves the parent's queue alone.
  void remove(ProcessTable::Number number, Process& process) noexcept;
  /// Replaces `ended`.
  void take(std::vector<Ended>& ended);

 private:
  struct System;
  std::unique_ptr<System> system_;
};

/// What is known of a process that was in the queue.
struct Collected {
  bool has_ended = true;           // false: a tracer holds it back (ptrace(2))
  std::optional<int> status = {};  // as of wait(2); none where the system does not tell
};
enum class Collect : std::uint8_t { look, reap };
/// Reaps it if told so, and if it is our child.
[[nodiscard]] Collected collect(const Process& process, Collect how) noexcept;

/// kill(2) of the process, or of the group that it leads. Returns an errno, or 0; ESRCH when it is
/// gone.
[[nodiscard]] int send_signal(const Process& process, int signal) noexcept;

}  // namespace detent
