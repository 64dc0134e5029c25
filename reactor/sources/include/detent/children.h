// SPDX-License-Identifier: BSL-1.0
/// \file
/// Starts processes, and tells when a process ends: a child or any other. Part of
/// `detent::sources`, `find_package(detent COMPONENTS sources)`.
///
///     detent::Children children(reactor);
///     const detent::Child backup =
///         children.spawn({.arguments = {"tar", "cf", archive, "."}, .directory = folder},
///                        [&](const detent::ProcessExit& exit) { is_saved = exit.code == 0; });
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "detent/callback.h"
#include "detent/handle.h"
#include "detent/name.h"
#include "detent/time.h"
#include "detent/unique_fd.h"

namespace detent {

class ChildrenState;
class Reactor;

/// How a process ended. It has a code or a signal; neither when the system does not tell.
struct ProcessExit {
  int pid = 0;
  std::optional<int> code = {};    ///< What it returned from main() or gave to exit(3): 0 to 255.
  std::optional<int> signal = {};  ///< The signal that ended it.
  bool dumped_core = false;

  [[nodiscard]] bool is_known() const noexcept { return code || signal; }
};

/// Where a standard stream of a child leads: to that of this program, to /dev/null, or to a unix
/// socket, whose other end the Child hands out.
enum class Stdio : std::uint8_t { inherit, null, pair };

struct SpawnOptions {
  /// The first is the program. Without a slash it is looked for in this program's $PATH.
  std::vector<std::string> arguments = {};
  /// "NAME=value". None: this program's.
  std::optional<std::vector<std::string>> environment = {};
  /// Where it starts; empty: where this program is. A relative path of the program starts there.
  std::string directory = {};
  bool own_group = false;  ///< Leads a new process group. kill() and terminate() reach all of it.
  Stdio input = Stdio::inherit;
  Stdio output = Stdio::inherit;
  Stdio error = Stdio::inherit;
};

/// A process that Children::spawn started. When this goes, the callback goes and the process lives
/// on; Children still reaps it. Signalling by an empty or cancelled one is std::logic_error.
class [[nodiscard]] Child : public Handle {
 public:
  Child() noexcept = default;
  Child(Child&& other) noexcept
      : Handle(std::move(other)),
        pid_(std::exchange(other.pid_, 0)),
        streams_(std::move(other.streams_)) {}
  Child& operator=(Child&& other) noexcept {
    if (this == &other) return *this;
    pid_ = std::exchange(other.pid_, 0);
    streams_ = std::move(other.streams_);
    Handle::operator=(std::move(other));  // last: the former captures may destroy *this
    return *this;
  }

  /// Its number, or 0. Once the exit was told, another process may have the number.
  [[nodiscard]] int pid() const noexcept { return pid_; }

  /// kill(2), of its group if it has its own. False, and without effect, when its exit was told or
  /// Children is gone. Throws std::system_error, as for a signal that does not exist.
  bool kill(int signal);
  /// SIGTERM now, and SIGKILL if it still runs when `grace` is over, even if this handle has gone
  /// by then. A second call sets the time anew. Of a group, those that outlive their leader get
  /// SIGKILL too. Until then the leader stays a zombie, which keeps the group's number. Children
  /// must live until the grace is over, or there is no SIGKILL. Else as kill(); also throws when it
  /// can have no alarm.
  bool terminate(Duration grace);

  /// Our end of its standard input, output or error, if that is a Stdio::pair and was not taken:
  /// a stream socket, non-blocking and close-on-exec. This handle closes what is not taken.
  [[nodiscard]] UniqueFd take_input() noexcept { return std::move(streams_[0]); }
  [[nodiscard]] UniqueFd take_output() noexcept { return std::move(streams_[1]); }
  [[nodiscard]] UniqueFd take_error() noexcept { return std::move(streams_[2]); }

 private:
  friend class ChildrenState;
  Child(Handle handle, int pid, std::array<UniqueFd, 3> streams) noexcept
      : Handle(std::move(handle)), pid_(pid), streams_(std::move(streams)) {}

  int pid_ = 0;
  std::array<UniqueFd, 3> streams_;
};

struct ProcessWatchOptions {
  /// Tells the exit only when its parent has waited for it; then Linux knows the status of any
  /// process. Without it, the status is known at once of children of this program, and on BSD. But
  /// before Linux 6.15 it is unknown of a child that other code reaps before the loop looks.
  bool wait_for_status = false;
};

struct ChildrenOptions {
  std::size_t exits_per_turn = 64;  ///< How many one turn tells at most; the next does the rest.
};

/// Tells each exit exactly once: of what ends before, while or after it is registered. A callback
/// stays until its handle goes. Needs no handler of SIGCHLD, and waits only for what it spawned.
/// Functions here throw std::invalid_argument for an empty callback.
class Children final {
 public:
  using OnExit = Callback<void(const ProcessExit&)>;

  /// Throws std::system_error, or std::invalid_argument for a budget of 0.
  explicit Children(Reactor& reactor, const ChildrenOptions& options = {});
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;
  /// Kills nothing and waits for nothing. What it spawned and still runs becomes a zombie at its
  /// end, until the program makes or destroys a Children, spawns another child, or ends.
  ~Children();

  /// Starts a program by posix_spawn(3). It has no descriptors but its three streams, no blocked
  /// signals, and the default action for each signal, also for those that this program ignores.
  /// Throws std::system_error that names the program and `name`; then there is no child. Throws
  /// std::invalid_argument for no program, or for a text with a NUL in it.
  [[nodiscard]] Child spawn(const SpawnOptions& options, OnExit on_exit, Name name = {});

  /// Tells the exit of a process that runs or is a zombie, and leaves reaping it to its parent.
  /// Throws std::system_error: no_such_process, or not_supported for `wait_for_status` where the
  /// system never tells the status. Throws std::invalid_argument for this process and for a number
  /// below 1.
  [[nodiscard]] Handle watch(int pid, const ProcessWatchOptions& options, OnExit on_exit,
                             Name name = {});
  [[nodiscard]] Handle watch(int pid, OnExit on_exit, Name name = {}) {
    return watch(pid, {}, std::move(on_exit), name);
  }

 private:
  std::unique_ptr<ChildrenState> state_;
};

}  // namespace detent
