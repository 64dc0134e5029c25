// SPDX-License-Identifier: BSL-1.0
/// \file
/// Calls a function of yours when the file at a path changes, or comes, goes or is replaced.
///
///     detent::Files files(reactor);
///     auto watch = files.watch("service.conf", [&](const detent::FileChange& change) {
///       if (change.what.has_new_content()) reload();
///     });
///
/// What is watched is the path, not the file that happens to be there. An editor may write a new
/// file and rename it over the old one. The path may not exist yet. A symbolic link on the way may
/// be changed. All that is told as a change of the path. docs/sources.md has a table of what each
/// system can tell.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "detent/callback.h"
#include "detent/handle.h"
#include "detent/name.h"
#include "detent/service.h"

namespace detent {

class Reactor;

/// What has changed at a path since it was told last. Several may be true at once.
struct FileEvents {
  bool created = false;     ///< The path leads to a file, and did not before.
  bool deleted = false;     ///< The path leads to no file any more, for whatever reason.
  bool replaced = false;    ///< The path leads to another file than before.
  bool written = false;     ///< The file was written to or truncated.
  bool extended = false;    ///< The file is longer than before; written is true as well.
  bool attributes = false;  ///< Mode, owner, times or extended attributes were set.
  bool linked = false;      ///< The number of the file's hard links has changed.
  bool renamed = false;     ///< With deleted or replaced: the former file was moved elsewhere.
  bool revoked = false;     ///< The file system was unmounted; on BSD and macOS also revoke(2).
  /// Changes were lost. All is looked at again, and what differs is told; what was between may be
  /// missing. Or a limit of the system keeps some files from being seen. Nothing tries these again
  /// until the kernel has another notice of them.
  bool overflow = false;

  friend bool operator==(const FileEvents&, const FileEvents&) = default;
  [[nodiscard]] bool any() const noexcept { return *this != FileEvents{}; }
  /// Whether a file is there to be read again.
  [[nodiscard]] bool has_new_content() const noexcept { return created || replaced || written; }
};

/// One call. Changes of one path that came since the last turn are one call.
struct FileChange {
  /// As it was given to watch(), or with the entry's name behind it: valid during the call.
  std::string_view path;
  FileEvents what;
};

struct FileWatchOptions {
  /// Tells of all that is below a directory, not only of its entries. Linux only.
  bool recursive = false;
};

struct FilesOptions {
  /// How many files one turn looks at, and so how many callbacks it makes at most; the next turn
  /// does the rest. At least 1. Listing a directory counts as one. Until all are looked at, no
  /// further notices are taken from the kernel. Those that find no room there are an overflow.
  std::size_t looks_per_turn = 256;
};

/// Watches paths. Two descriptors for all of them on Linux; on BSD and macOS one more for each
/// watched file and for each directory on its way. Lives on its reactor's thread. Destroy it before
/// the reactor. Its functions throw std::logic_error on another thread, in a forked child, and when
/// the reactor is gone. A callback may do anything to any handle, its own included, and may destroy
/// this object.
class Files final : private Service {
 public:
  using OnChange = Callback<void(const FileChange&)>;

  /// Throws std::system_error; std::invalid_argument for an option of 0.
  explicit Files(Reactor& reactor, FilesOptions options = {});
  ~Files() override;

  /// Calls `on_change` after each change at `path`, until the handle is destroyed. Symbolic links
  /// are followed. A relative path starts at the current directory of this call. If the path leads
  /// to a directory, tells of its entries too. There a link is not followed. A path that does not
  /// exist is told when it is created. One that may not be seen counts as not there. This
  /// call lists a directory; with `recursive` it walks the whole tree. Below the path, a directory
  /// that may not be read is left out until its attributes change.
  ///
  /// Throws std::system_error when the system refuses a watch, with `path` and `name` in its text:
  /// at its limit (no_space_on_device, too_many_files_open), or when the file or the directory that
  /// holds it may not be read (permission_denied). Where docs/sources.md says so: not_supported.
  /// std::invalid_argument for an empty callback, an empty path, or one with a NUL.
  [[nodiscard]] Handle watch(const std::string& path, OnChange on_change, Name name = {});
  [[nodiscard]] Handle watch(const std::string& path, FileWatchOptions options, OnChange on_change,
                             Name name = {});

 private:
  struct State;

  void cancel(HandlerId id) noexcept override;
  [[nodiscard]] bool active(HandlerId id) const noexcept override;

  std::unique_ptr<State> state_;
};

}  // namespace detent
