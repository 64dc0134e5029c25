// SPDX-License-Identifier: BSL-1.0
// stat(2). The time of birth is not needed: a watched file is kept open, so nothing else gets its
// number.
#include "files/file_state.h"

#include <sys/stat.h>

namespace detent {
namespace {

std::int64_t nanoseconds(const timespec& time) noexcept {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileState state_from(const struct stat& status) noexcept {
#ifdef __APPLE__
  const timespec written = status.st_mtimespec;
  const timespec changed = status.st_ctimespec;
#else
  const timespec written = status.st_mtim;
  const timespec changed = status.st_ctim;
#endif
  return {.exists = true,
          .is_directory = S_ISDIR(status.st_mode),
          .is_link = S_ISLNK(status.st_mode),
          .device = static_cast<std::uint64_t>(status.st_dev),
          .inode = static_cast<std::uint64_t>(status.st_ino),
          .links = static_cast<std::uint64_t>(status.st_nlink),
          .size = static_cast<std::uint64_t>(status.st_size),
          .mode = static_cast<std::uint32_t>(status.st_mode),
          .owner = status.st_uid,
          .group = status.st_gid,
          .written = nanoseconds(written),
          .changed = nanoseconds(changed)};
}

}  // namespace

FileState state_of(const char* path) noexcept {
  struct stat status = {};
  return ::stat(path, &status) == 0 ? state_from(status) : FileState{};
}

FileState state_of_link(const char* path) noexcept {
  struct stat status = {};
  return ::lstat(path, &status) == 0 ? state_from(status) : FileState{};
}

}  // namespace detent
