// SPDX-License-Identifier: BSL-1.0
// Of a watched path, the marks: on each directory on the way, and on what the path leads to.
#include <cerrno>
#include <system_error>
#include <utility>

#include "files/watched_path.h"

namespace detent {
namespace {

constexpr int kMostTries = 8;

}  // namespace

// Removes them at the end of a scope, also on a throw.
struct WatchedPath::FormerMarks {
  WatchedPath& path;
  const std::vector<int> marks;
  ~FormerMarks() { path.unmark_steps(marks); }
};

// What the path leads to, and is marked.
FileState WatchedPath::marked_state(const FileHints& hints) {
  const FileState now = state_of(absolute_.c_str());
  const bool is_settled =
      !is_stale_ && !hints.place && !hints.overflow && !hints.gone && is_same_file(now, marked_);
  if (is_settled) return now;
  is_stale_ = true;  // the way may have led elsewhere for a moment, and the marks with it
  return settle();
}

// Looks again after it has marked: of a change before that there is no notice. It has settled when
// what is there is what was marked.
FileState WatchedPath::settle() {
  FileState now;
  bool is_stale = std::exchange(is_stale_, false);
  for (int tries = 0; tries < kMostTries; ++tries) {
    std::vector<PathStep> steps = steps_to(absolute_);
    now = state_of(absolute_.c_str());
    if (!is_stale && steps == steps_ && is_same_file(now, marked_)) return now;
    const bool has_steps = mark_steps(std::move(steps));
    is_stale = !mark_target(now) || !has_steps;
  }
  root_.hints.place = true;  // it changes faster than it can be marked
  is_stale_ = true;
  queue_.push(root_);
  return now;
}

// The new marks come before the old ones go, so that a mark which stays is never removed. False
// when something has vanished meanwhile.
bool WatchedPath::mark_steps(std::vector<PathStep> steps) {
  const FormerMarks former = {*this, std::exchange(step_marks_, {})};
  steps_ = std::move(steps);
  step_marks_.reserve(steps_.size());
  bool is_whole = true;
  for (std::size_t step = 0; step < steps_.size(); ++step) is_whole &= mark_step(step);
  return is_whole;
}

// A directory that has entries can only be moved, and there is a notice of that. The last one may
// be removed, too. If it is held open then, only the directory above it hears of that.
bool WatchedPath::mark_step(std::size_t step) {
  const PathStep& at = steps_[step];
  const bool leads_to_last = step + 2 == steps_.size();
  const Notify what = at.may_change || leads_to_last ? Notify::names : Notify::removal;
  step_marks_.push_back(marks_.add(at.directory, what, {.path = this, .step = step}));
  if (step_marks_.back() != -1) return true;
  // One that may be searched and not read cannot be marked.
  if (errno == EACCES && !at.may_change) return true;
  if (has_vanished(errno)) return false;
  is_stale_ = true;  // to be tried again at the next look
  refuse(FileNotices::kAddCall, errno, at.directory);
  return true;
}

bool WatchedPath::mark_target(const FileState& target) {
  marked_ = target;
  if (!target.exists) {
    unmark(root_);
    return true;
  }
  const int error = mark_again(root_, absolute_, Notify::content);
  if (error == 0) return true;
  if (has_vanished(error)) return false;
  is_stale_ = true;
  refuse(FileNotices::kAddCall, error, absolute_);
  return true;
}

// The new mark comes before the old one goes; they may be the same. Returns the error, if any.
int WatchedPath::mark_again(FileNode& node, const std::string& path, Notify what) {
  const FileMarkUser user = {.path = this, .node = &node};
  const int former = node.mark;
  node.mark = marks_.add(path, what, user);
  const int error = node.mark == -1 ? errno : 0;
  marks_.remove(former, user);
  return error;
}

// Fails when it starts. Later that is told.
void WatchedPath::refuse(const char* call, int error, const std::string& path) {
  if (is_starting_) {
    throw std::system_error(error, std::system_category(),
                            std::string(call) + "(\"" + path + "\")");
  }
  is_refused_ = true;
}

bool WatchedPath::has_vanished(int error) noexcept {
  return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

void WatchedPath::unmark_steps(const std::vector<int>& marks) noexcept {
  for (std::size_t step = 0; step < marks.size(); ++step) {
    marks_.remove(marks[step], {.path = this, .step = step});
  }
}

void WatchedPath::unmark(FileNode& node) noexcept {
  marks_.remove(std::exchange(node.mark, -1), {.path = this, .node = &node});
}

void WatchedPath::unmark_all(FileNode& node) noexcept {
  unmark(node);
  for_each_entry(node, [this](FileNode& entry) { unmark_all(entry); });
}

}  // namespace detent
