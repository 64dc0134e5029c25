// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What is known of a file whose changes are told, and the queue of those to look at.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "files/file_hints.h"
#include "files/file_state.h"

namespace detent {

struct FileEntries;

/// The watched path itself, or something below it. Its address is stable.
struct FileNode {
  FileNode* up = nullptr;                // the directory; null for the watched path
  const std::string* name = nullptr;     // in that directory
  FileState state;                       // as told
  FileHints hints;                       // since the last look
  int mark = -1;                         // -1: none, or the system refused it
  std::unique_ptr<FileEntries> entries;  // null: none are told
  FileNode* next = nullptr;              // in the queue
  bool is_queued = false;
  bool has_entries = false;  // at the last look; false: none exists, whatever its path leads to
};

struct FileEntries {
  std::map<std::string, FileNode, std::less<>> by_name;
};

/// The entry of that name, which may be new.
[[nodiscard]] inline FileNode& entry_of(FileNode& directory, std::string_view name) {
  if (!directory.entries) directory.entries = std::make_unique<FileEntries>();
  auto& entries = directory.entries->by_name;
  const auto found = entries.find(name);
  if (found != entries.end()) return found->second;
  const auto added = entries.try_emplace(std::string(name)).first;
  added->second.up = &directory;
  added->second.name = &added->first;
  return added->second;
}

/// Calls use(entry) for each entry of a directory.
template <class Use>
void for_each_entry(FileNode& directory, Use use) {
  if (!directory.entries) return;
  for (auto& [name, entry] : directory.entries->by_name) use(entry);
}

/// First in, first out. A node is in it once at most, and must not be destroyed meanwhile.
class FileQueue {
 public:
  void push(FileNode& node) noexcept {
    if (std::exchange(node.is_queued, true)) return;
    node.next = nullptr;
    (last_ == nullptr ? first_ : last_->next) = &node;
    last_ = &node;
  }
  /// There must be one.
  [[nodiscard]] FileNode& pop() noexcept {
    FileNode& node = *first_;
    first_ = node.next;
    if (first_ == nullptr) last_ = nullptr;
    node.is_queued = false;
    return node;
  }
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

 private:
  FileNode* first_ = nullptr;
  FileNode* last_ = nullptr;
};

}  // namespace detent
