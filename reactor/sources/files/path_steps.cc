// SPDX-License-Identifier: BSL-1.0
#include "files/path_steps.h"

#include <unistd.h>

#include <array>
#include <climits>
#include <utility>

#include "files/file_state.h"

namespace detent {
namespace {

constexpr int kMostLinks = 40;  // as the kernel: path_resolution(7)

class Walk {
 public:
  explicit Walk(std::string_view path) { put_in_front(path); }

  std::vector<PathStep> to_the_end() {
    directory_ = state_of_link("/");
    while (!names_.empty()) {
      std::string name = std::move(names_.back());
      names_.pop_back();
      if (!take(std::move(name))) break;
    }
    if (!steps_.empty()) steps_.back().may_change = true;
    return std::move(steps_);
  }

 private:
  // The names are kept from the last to the first.
  void put_in_front(std::string_view path) {
    while (!path.empty()) {
      const std::size_t slash = path.rfind('/');
      const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
      if (!name.empty() && name != ".") names_.emplace_back(name);
      path = slash == std::string_view::npos ? "" : path.substr(0, slash);
    }
  }

  // False when the way ends here. The path so far has no links, so
  // ".." may stay in it.
  bool take(std::string name) {
    const std::string next = at_ + '/' + name;
    steps_.push_back({.directory = at_.empty() ? "/" : at_,
                      .name = std::move(name),
                      .device = directory_.device,
                      .inode = directory_.inode});
    const FileState found = state_of_link(next.c_str());
    if (found.is_link) return follow(next);
    if (!found.is_directory) return false;
    at_ = next;
    directory_ = found;
    return true;
  }

  bool follow(const std::string& link) {
    steps_.back().may_change = true;
    std::array<char, PATH_MAX> target;
    const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
    if (size <= 0 || ++links_ > kMostLinks) return false;
    const std::string_view path(target.data(), static_cast<std::size_t>(size));
    if (path.starts_with('/')) {
      at_.clear();
      directory_ = state_of_link("/");
    }
    put_in_front(path);
    return true;
  }

  std::vector<std::string> names_;
  std::string at_;  // where it is: empty for the root
  FileState directory_;
  std::vector<PathStep> steps_;
  int links_ = 0;
};

}  // namespace

std::vector<PathStep> steps_to(std::string_view path) { return Walk(path).to_the_end(); }

}  // namespace detent
