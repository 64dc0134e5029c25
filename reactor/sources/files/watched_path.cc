// SPDX-License-Identifier: BSL-1.0
#include "files/watched_path.h"

#include <filesystem>
#include <utility>

namespace detent {
namespace {

std::string without_final_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

void append_entry(std::string& path, const FileNode& node) {
  if (node.up == nullptr) return;
  append_entry(path, *node.up);
  if (!path.ends_with('/')) path += '/';
  path += *node.name;
}

}  // namespace

WatchedPath::WatchedPath(FileMarks& marks, std::string path, bool is_recursive)
    : marks_(marks),
      path_(without_final_slashes(std::move(path))),
      absolute_(std::filesystem::absolute(path_).native()),
      is_recursive_(is_recursive) {}

void WatchedPath::start() {
  queue_.push(root_);
  while (has_work()) look();
  is_starting_ = false;
}

void WatchedPath::end() noexcept {
  unmark_steps(step_marks_);
  step_marks_.clear();
  unmark_all(root_);
}

// ---- notices

void WatchedPath::hear(const FileNotice& notice, const FileMarkUser& user) {
  if (user.node == nullptr) return hear_step(notice, user.step);
  FileNode& node = *user.node;
  if (notice.is_last) {
    node.mark = -1;
    is_stale_ |= &node == &root_;
  }
  FileNode& concerned = notice.name.empty() ? node : entry_of(node, notice.name);
  concerned.hints |= notice.hints;
  queue_.push(concerned);
}

void WatchedPath::hear_step(const FileNotice& notice, std::size_t step) {
  if (notice.is_last) {
    step_marks_[step] = -1;
    is_stale_ = true;
  }
  const FileHints& hints = notice.hints;
  const bool is_of_entry = !notice.name.empty();
  if (is_of_entry && notice.name != steps_[step].name) return;
  if (!hints.place && !hints.entries && !hints.revoked) return;
  root_.hints.place = true;
  queue_.push(root_);
}

void WatchedPath::hear_overflow() {
  is_stale_ = true;
  root_.hints.overflow = true;
  queue_.push(root_);
}

// ---- a look

FileChange WatchedPath::look() {
  FileNode& node = queue_.pop();
  append_entry(told_ = path_, node);
  append_entry(real_ = absolute_, node);
  const FileHints hints = std::exchange(node.hints, {});
  const bool is_path_itself = node.up == nullptr;
  return {told_, is_path_itself ? look_at_path(hints) : look_at_entry(node, hints)};
}

FileEvents WatchedPath::look_at_path(const FileHints& hints) {
  const int former_mark = root_.mark;
  const FileState now = marked_state(hints);
  if (forget_entries_first(root_, now, hints)) return {};
  look_into(root_, now, hints, former_mark);
  FileEvents events = difference(root_.state, now, hints);
  root_.state = now;
  events.overflow = hints.overflow || std::exchange(is_refused_, false);
  return events;
}

FileEvents WatchedPath::look_at_entry(FileNode& node, const FileHints& hints) {
  const FileState now = node.up->has_entries ? state_of_link(real_.c_str()) : FileState{};
  if (forget_entries_first(node, now, hints)) return {};
  look_into(node, now, hints, node.mark);
  FileEvents events = difference(node.state, now, hints);
  node.state = now;
  if (!now.exists) erase(node);
  events.linked = events.revoked = false;  // a look that has other reasons might find them
  if (FileNotices::kTellOfEntries) return events;
  return {.created = events.created, .deleted = events.deleted, .replaced = events.replaced};
}

}  // namespace detent
