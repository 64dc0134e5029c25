// SPDX-License-Identifier: BSL-1.0
/// \file
/// Files and directories for the tests of EVFILT_VNODE.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/temporary_folder.h"
#include "test_queue.h"

namespace kqueue_double {

namespace fs = std::filesystem;

using detent::testing_support::TemporaryFolder;

inline UniqueFd open_to_watch(const fs::path& path) {
  return UniqueFd(checked(::open(path.c_str(), O_RDONLY | O_CLOEXEC), path.c_str()));
}

/// One write at the end of the file, which is made if there is none.
inline void append(const fs::path& path) { std::ofstream(path, std::ios::app) << "abc"; }
/// One write over its first byte.
inline void overwrite(const fs::path& path) { std::fstream(path) << 'x'; }

}  // namespace kqueue_double
