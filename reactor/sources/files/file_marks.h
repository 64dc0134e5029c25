// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Each mark, and who hears of its notices. The kernel gives a file one mark, whatever its
/// paths and however many hear of it.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "files/file_notices.h"

namespace detent {

struct FileNode;
class WatchedPath;

/// Who hears: a file of a watched path, or a step on the way to it.
struct FileMarkUser {
  WatchedPath* path = nullptr;
  FileNode* node = nullptr;  // null: the step
  std::size_t step = 0;
  friend bool operator==(const FileMarkUser&, const FileMarkUser&) = default;
};

class FileMarks {
 public:
  [[nodiscard]] int fd() const noexcept { return notices_.fd(); }

  /// -1, with errno, when the system refuses it. A user that adds twice has to remove twice.
  [[nodiscard]] int add(const std::string& path, Notify what, const FileMarkUser& user);
  /// Does nothing when the mark has ended. -1 is legal.
  void remove(int mark, const FileMarkUser& user) noexcept;

  /// Gets notices from the kernel and calls hear(notice, user) for each of their users.
  /// overflow() stands for all users, when the kernel has lost notices. Neither may add or remove.
  template <class Hear, class Overflow>
  void hear(Hear hear, Overflow overflow) {
    notices_.receive();
    if (std::exchange(is_hearing_, true)) overflow();  // a throw has lost the rest of the last ones
    while (const auto notice = notices_.take()) {
      if (notice->hints.overflow) overflow();
      const auto marked = users_.find(notice->mark);
      if (marked == users_.end()) continue;
      for (const FileMarkUser& user : marked->second) hear(*notice, user);
      if (notice->is_last) users_.erase(marked);
    }
    is_hearing_ = false;
  }

 private:
  FileNotices notices_;
  bool is_hearing_ = false;
  std::unordered_map<int, std::vector<FileMarkUser>> users_;  // by mark
};

}  // namespace detent
