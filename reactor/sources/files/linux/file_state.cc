// SPDX-License-Identifier: BSL-1.0
// statx(2), since stat(2) does not tell the time of birth.
#include "files/file_state.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace detent {
namespace {

std::int64_t nanoseconds(const statx_timestamp& time) noexcept {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

// A look must not mount anything: AT_NO_AUTOMOUNT.
FileState look_at(const char* path, int flags) noexcept {
  struct statx status = {};
  const unsigned wanted = STATX_BASIC_STATS | STATX_BTIME;
  if (::statx(AT_FDCWD, path, AT_NO_AUTOMOUNT | flags, wanted, &status) == -1) return {};
  return {.exists = true,
          .is_directory = S_ISDIR(status.stx_mode),
          .is_link = S_ISLNK(status.stx_mode),
          .device = std::uint64_t{status.stx_dev_major} << 32 | status.stx_dev_minor,
          .inode = status.stx_ino,
          .born = (status.stx_mask & STATX_BTIME) != 0 ? nanoseconds(status.stx_btime) : 0,
          .links = status.stx_nlink,
          .size = status.stx_size,
          .mode = status.stx_mode,
          .owner = status.stx_uid,
          .group = status.stx_gid,
          .written = nanoseconds(status.stx_mtime),
          .changed = nanoseconds(status.stx_ctime)};
}

}  // namespace

FileState state_of(const char* path) noexcept { return look_at(path, 0); }

FileState state_of_link(const char* path) noexcept { return look_at(path, AT_SYMLINK_NOFOLLOW); }

}  // namespace detent
