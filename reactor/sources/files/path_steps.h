// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The way that the kernel takes from the root to a path, one name after another:
/// path_resolution(7).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace detent {

/// A name that is looked up in a directory.
struct PathStep {
  std::string directory;  // a path without symbolic links
  std::string name;
  std::uint64_t device = 0;  // of the directory
  std::uint64_t inode = 0;
  /// Whether the name may lead elsewhere without a notice about what it leads to now: it leads to
  /// a symbolic link, or it is the last. Any other leads to a directory.
  bool may_change = false;

  friend bool operator==(const PathStep&, const PathStep&) = default;
};

/// The steps to `path`, which is absolute, as far as there are any now: the last one's name is the
/// last of the path, or leads nowhere.
[[nodiscard]] std::vector<PathStep> steps_to(std::string_view path);

}  // namespace detent
