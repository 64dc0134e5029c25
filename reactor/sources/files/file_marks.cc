// SPDX-License-Identifier: BSL-1.0
#include "files/file_marks.h"

#include <algorithm>

namespace detent {

int FileMarks::add(const std::string& path, Notify what, const FileMarkUser& user) {
  const int mark = notices_.add(path, what);
  if (mark != -1) users_[mark].push_back(user);
  return mark;
}

void FileMarks::remove(int mark, const FileMarkUser& user) noexcept {
  const auto marked = users_.find(mark);
  if (marked == users_.end()) return;
  auto& users = marked->second;
  const auto found = std::ranges::find(users, user);
  if (found == users.end()) return;
  *found = users.back();
  users.pop_back();
  if (!users.empty()) return;
  users_.erase(marked);
  notices_.remove(mark);
}

}  // namespace detent
