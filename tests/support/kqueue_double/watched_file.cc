// SPDX-License-Identifier: BSL-1.0
// inotify says that a file was modified, or its attributes; fstat(2) says how.
#include "watched_file.h"

#include <sys/event.h>
#include <sys/inotify.h>

#include <utility>

namespace kqueue_double {
namespace {

struct stat status_of(int fd) {
  struct stat status = {};
  ::fstat(fd, &status);
  return status;
}

std::uint32_t notes_of_entry(const inotify_event& change) {
  const bool has_come_or_gone = (change.mask & (IN_CREATE | IN_DELETE)) != 0;
  if (has_come_or_gone && (change.mask & IN_ISDIR) != 0) return NOTE_WRITE | NOTE_LINK;
  return has_come_or_gone || (change.mask & IN_MOVE) != 0 ? NOTE_WRITE : 0;
}

}  // namespace

WatchedFile::WatchedFile(int fd) : fd_(fd), known_(status_of(fd)) {}

std::uint32_t WatchedFile::notes_of(const inotify_event& change) {
  if ((change.mask & IN_MOVE_SELF) != 0) return NOTE_RENAME;
  if (change.len > 0) return notes_of_entry(change);
  const struct stat now = status_of(fd_);
  if ((change.mask & IN_MODIFY) != 0) return notes_of_size(now.st_size);
  if ((change.mask & IN_ATTRIB) == 0) return 0;
  return is_directory() && now.st_nlink > 0 ? NOTE_ATTRIB : notes_of_links(now.st_nlink);
}

std::uint32_t WatchedFile::notes_of_parent() {
  const nlink_t now = status_of(fd_).st_nlink;
  return now == 0 && known_.st_nlink != 0 ? notes_of_links(now) : 0;
}

std::uint32_t WatchedFile::notes_of_size(off_t now) {
  const off_t before = std::exchange(known_.st_size, now);
  if (now < before) return NOTE_ATTRIB;
  return now > before ? NOTE_WRITE | NOTE_EXTEND : NOTE_WRITE;
}

std::uint32_t WatchedFile::notes_of_links(nlink_t now) {
  const nlink_t before = std::exchange(known_.st_nlink, now);
  if (now < before) return NOTE_DELETE;
  return now > before ? NOTE_LINK : NOTE_ATTRIB;
}

}  // namespace kqueue_double
