// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. One watched path: what it led to when it was told last, and what it leads to now.
///
/// A notice of the kernel says only that it is time to look. What is told is the difference between
/// the states before and after. So a change that the kernel tells in three notices, in none of the
/// path itself, or of a file that is not there any more, is still told as what it is.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "detent/files.h"
#include "detent/handler_id.h"
#include "files/file_marks.h"
#include "files/file_node.h"
#include "files/path_steps.h"

namespace detent {

class WatchedPath {
 public:
  WatchedPath(FileMarks& marks, std::string path, bool is_recursive);
  WatchedPath(const WatchedPath&) = delete;
  WatchedPath& operator=(const WatchedPath&) = delete;

  /// Marks what is on the way and what is there, and takes its state for told. Throws
  /// std::system_error. Then, too, end() has to be called: the marks refer to this object.
  void start();
  /// Removes the marks. The text of a path that is being told stays.
  void end() noexcept;

  void hear(const FileNotice& notice, const FileMarkUser& user);
  void hear_overflow();

  [[nodiscard]] bool has_work() const noexcept { return !queue_.empty(); }
  /// Looks at the next file of those that have to be looked at. Returns what to tell of it, if
  /// anything. Its path is valid until the next look.
  FileChange look();

  HandlerId id;         // of its callback
  bool is_due = false;  // for the owner, who lists those that have work

 private:
  struct FormerMarks;

  void hear_step(const FileNotice& notice, std::size_t step);

  FileEvents look_at_path(const FileHints& hints);
  FileEvents look_at_entry(FileNode& node, const FileHints& hints);

  FileState marked_state(const FileHints& hints);
  FileState settle();
  [[nodiscard]] bool mark_steps(std::vector<PathStep> steps);
  [[nodiscard]] bool mark_step(std::size_t step);
  [[nodiscard]] bool mark_target(const FileState& target);
  void unmark_steps(const std::vector<int>& marks) noexcept;
  void unmark(FileNode& node) noexcept;
  void unmark_all(FileNode& node) noexcept;
  [[nodiscard]] int mark_again(FileNode& node, const std::string& path, Notify what);
  void refuse(const char* call, int error, const std::string& path);
  void refuse_directory(FileNode& node, const char* call, int error);
  [[nodiscard]] static bool has_vanished(int error) noexcept;

  [[nodiscard]] bool tells_entries_of(const FileNode& node) const noexcept {
    return node.up == nullptr || is_recursive_;
  }
  [[nodiscard]] bool forget_entries_first(FileNode& node, const FileState& now,
                                          const FileHints& hints);
  void look_into(FileNode& node, const FileState& now, const FileHints& hints, int former_mark);
  void mark_directory(FileNode& node);
  void list(FileNode& node, bool is_deep);
  void erase(FileNode& node) noexcept;

  FileMarks& marks_;
  const std::string path_;      // as it was given
  const std::string absolute_;  // the same from the root
  const bool is_recursive_;
  bool is_starting_ = true;

  std::vector<PathStep> steps_;  // those that are marked,
  std::vector<int> step_marks_;  // and their marks; -1: the system refused it, or it has ended
  bool is_stale_ = true;         // one of these is missing, or of the path itself
  bool is_refused_ = false;      // to be told as overflow
  FileState marked_;             // what the path itself led to when it was marked

  FileNode root_;
  FileQueue queue_;
  std::string told_;  // the path in a FileChange
  std::string real_;  // the same from the root
};

}  // namespace detent
