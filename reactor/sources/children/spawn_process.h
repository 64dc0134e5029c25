// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. posix_spawn(3), and what systems spell differently about it: linux/ and bsd/.
#pragma once

#include <spawn.h>

#include <array>

#include "detent/children.h"
#include "detent/unique_fd.h"

namespace detent {

struct Spawned {
  int pid = 0;
  std::array<UniqueFd, 3> streams = {};  // our ends of the pairs
};

/// Throws std::invalid_argument as Children::spawn.
void check(const SpawnOptions& options);
/// For options that were checked. Throws std::system_error, which names the call alone.
[[nodiscard]] Spawned spawn_process(const SpawnOptions& options);

// ---- Each system has its own; those that return a number return an errno, or 0.

struct StdioPair {
  UniqueFd ours;    // does not block
  UniqueFd theirs;  // blocks, as programs expect of their streams
};
/// Neither end outlives an exec. Throws std::system_error.
[[nodiscard]] StdioPair make_stdio_pair();
/// This program's environment.
[[nodiscard]] char** own_environment() noexcept;
/// The child starts in `directory`.
[[nodiscard]] int add_directory(posix_spawn_file_actions_t& actions, const char* directory);
/// The child keeps the standard stream `fd` as it is here.
[[nodiscard]] int add_inherited(posix_spawn_file_actions_t& actions, int fd);
/// The child has no descriptors beside its standard streams. Call it last.
[[nodiscard]] int close_others(posix_spawn_file_actions_t& actions);
/// For posix_spawnattr_setflags(3), beside the others.
extern const short kSpawnFlags;

}  // namespace detent
