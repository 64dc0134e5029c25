// SPDX-License-Identifier: BSL-1.0
// Of a watched path, what is in a directory.
#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "detent/unique_fd.h"
#include "files/watched_path.h"

namespace detent {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// Null, with errno, on failure.
Directory open_directory(const char* path, bool follows) noexcept {
  const int flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC | (follows ? 0 : O_NOFOLLOW);
  UniqueFd fd(::open(path, flags));
  if (!fd) return nullptr;
  Directory directory(::fdopendir(fd.fd()));
  if (directory != nullptr) static_cast<void>(fd.release());
  return directory;
}

// Null at the end, with errno 0, and on failure: readdir(3).
const dirent* next_entry(DIR* directory) noexcept {
  errno = 0;
  return ::readdir(directory);
}

bool is_entry(std::string_view name) noexcept { return name != "." && name != ".."; }

}  // namespace

// The entries of a directory that has gone are told before it is. Each finds out for itself that it
// has gone. True when there are some, and the directory has to wait. A symbolic link may be in its
// place by now, and the entries' paths may lead to what is elsewhere: those do not count.
bool WatchedPath::forget_entries_first(FileNode& node, const FileState& now,
                                       const FileHints& hints) {
  if (now.is_directory) return false;
  node.has_entries = false;
  if (node.up != nullptr) unmark(node);  // its directory may live on elsewhere
  if (!node.entries || node.entries->by_name.empty()) return false;
  for_each_entry(node, [this](FileNode& entry) { queue_.push(entry); });
  node.hints |= hints;
  queue_.push(node);
  return true;
}

// Below the watched path, marks a directory when it is new, or may be another one. A directory is
// listed after it was marked, so that no entry is missed: one that came before is listed, and one
// that comes after is a notice.
void WatchedPath::look_into(FileNode& node, const FileState& now, const FileHints& hints,
                            int former_mark) {
  if (!now.is_directory || !tells_entries_of(node)) return;
  const bool is_back = !std::exchange(node.has_entries, true);
  const bool may_be_another =
      !is_same_file(node.state, now) || hints.gone || hints.left || hints.overflow || is_back;
  if (node.up != nullptr && (may_be_another || node.mark == -1)) mark_directory(node);
  const bool is_marked_anew = node.mark != -1 && node.mark != former_mark;
  // Other rights may show or hide all its entries.
  const bool may_show_others = is_marked_anew || hints.entries || hints.attributes;
  if (may_be_another || may_show_others) list(node, hints.overflow);
}

void WatchedPath::mark_directory(FileNode& node) {
  const int error = mark_again(node, real_, Notify::directory);
  if (error != 0) refuse_directory(node, FileNotices::kAddCall, error);
}

// If it has vanished, there is a notice of that. One below the watched path that may not be read
// has no entries that could be told.
void WatchedPath::refuse_directory(FileNode& node, const char* call, int error) {
  const bool is_below = node.up != nullptr;
  node.hints.entries = true;  // the next look lists it, whenever there is one
  if (has_vanished(error) || (is_below && error == EACCES)) return;
  refuse(call, error, real_);
  if (is_below) queue_.push(root_);
}

// What was known before is looked at too: it may have gone.
void WatchedPath::list(FileNode& node, bool is_deep) {
  for_each_entry(node, [this, is_deep](FileNode& entry) {
    entry.hints.overflow |= is_deep;
    queue_.push(entry);
  });
  const auto directory = open_directory(real_.c_str(), node.up == nullptr);
  if (directory == nullptr) return refuse_directory(node, "open", errno);
  while (const dirent* entry = next_entry(directory.get())) {
    if (is_entry(entry->d_name)) queue_.push(entry_of(node, entry->d_name));
  }
  if (errno != 0) refuse_directory(node, "readdir", errno);
}

void WatchedPath::erase(FileNode& node) noexcept {
  unmark(node);
  node.up->entries->by_name.erase(*node.name);
}

}  // namespace detent
