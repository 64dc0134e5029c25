// SPDX-License-Identifier: BSL-1.0
/// \file
/// What a change that inotify(7) tells of is for a BSD kernel.
///
/// The notes, by the manual pages and, where they say too little, by the kernels' sources:
///  - NOTE_DELETE: unlink() was called, and a name of the file is gone; or a rename has replaced
///  it.
///    Another name may be left (FreeBSD, OpenBSD, macOS; NetBSD waits for the last). That the
///    number of links has changed is not told with it (macOS adds NOTE_LINK).
///  - NOTE_WRITE: the file was written; an entry of the directory came, went or has another name.
///    What happens within the entry is no change of the directory.
///  - NOTE_EXTEND: a write has made the file longer. Ask for NOTE_WRITE too: what Apple's kernel
///  does
///    for every file system tells that alone. A directory never tells it (FreeBSD's does when a
///    rename has moved an entry in or out).
///  - NOTE_ATTRIB: mode, owner, times and so on have changed. Truncating is this, and no write.
///  - NOTE_LINK: link() was called for the file; a subdirectory was made or removed (FreeBSD and
///    macOS also count one that is moved in or out).
///  - NOTE_RENAME: the file has another name, here or elsewhere.
///  - NOTE_REVOKE: revoke() or an unmount. Linux has neither for an open file: it is never told.
#pragma once

#include <sys/stat.h>

#include <cstdint>

struct inotify_event;

namespace kqueue_double {

class WatchedFile {
 public:
  WatchedFile() = default;
  explicit WatchedFile(int fd);

  [[nodiscard]] bool is_directory() const noexcept { return S_ISDIR(known_.st_mode); }
  [[nodiscard]] bool is_regular() const noexcept { return S_ISREG(known_.st_mode); }

  /// The watch of the file itself has told of `change`.
  [[nodiscard]] std::uint32_t notes_of(const inotify_event& change);
  /// The watch of the directory that it is in has.
  [[nodiscard]] std::uint32_t notes_of_parent();

 private:
  [[nodiscard]] std::uint32_t notes_of_size(off_t now);
  [[nodiscard]] std::uint32_t notes_of_links(nlink_t now);

  int fd_ = -1;
  struct stat known_ = {};  // each of its numbers as it was when one was last asked for
};

}  // namespace kqueue_double
