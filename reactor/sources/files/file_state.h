// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What a path leads to at one moment, and what has changed between two moments.
#pragma once

#include <cstdint>

#include "detent/files.h"
#include "files/file_hints.h"

namespace detent {

/// stat(2), as far as it tells of changes. A path that may not be seen leads to no file.
struct FileState {
  bool exists = false;
  bool is_directory = false;
  bool is_link = false;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t born = 0;  // nanoseconds; 0 where the system does not know
  std::uint64_t links = 0;
  std::uint64_t size = 0;
  std::uint32_t mode = 0;
  std::uint32_t owner = 0;
  std::uint32_t group = 0;
  std::int64_t written = 0;  // mtime, in nanoseconds
  std::int64_t changed = 0;  // ctime

  friend bool operator==(const FileState&, const FileState&) = default;
};

/// Each system has its own. Keeps no errno.
[[nodiscard]] FileState state_of(const char* path) noexcept;
/// The same for a symbolic link itself.
[[nodiscard]] FileState state_of_link(const char* path) noexcept;

/// An inode's number may be used again at once. So compares the time of birth too, where known.
[[nodiscard]] inline bool is_same_file(const FileState& a, const FileState& b) noexcept {
  return a.exists == b.exists && a.device == b.device && a.inode == b.inode && a.born == b.born;
}

/// What to tell of a path whose state was `before` and is `now`. The hints are what the kernel has
/// told since then. Without any, the states alone decide. A hint is always believed: two changes
/// may have the same time, by a coarse clock.
[[nodiscard]] FileEvents difference(const FileState& before, const FileState& now,
                                    const FileHints& hints) noexcept;

}  // namespace detent
