// SPDX-License-Identifier: BSL-1.0
/// \file
/// The descriptors that this process has open.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <set>
#include <system_error>
#include <tuple>

#include "support/kernel_double.h"

namespace detent::testing_support {

[[nodiscard]] inline std::set<int> open_descriptors() {
  std::set<int> open;
  DIR* const directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) std::abort();
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] != '.') open.insert(std::atoi(entry->d_name));
  }
  open.erase(::dirfd(directory));
  ::closedir(directory);
  std::erase_if(open, is_hidden);
  return open;
}

[[nodiscard]] inline bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }
[[nodiscard]] inline bool is_close_on_exec(int fd) {
  const int flags = ::fcntl(fd, F_GETFD);
  return flags != -1 && (flags & FD_CLOEXEC) != 0;
}

/// Tells what has been opened, and what was left open, since it was made.
class DescriptorsBefore {
 public:
  [[nodiscard]] std::set<int> opened_since() const {
    std::set<int> opened;
    const std::set<int> now = open_descriptors();
    std::set_difference(now.begin(), now.end(), before_.begin(), before_.end(),
                        std::inserter(opened, opened.begin()));
    return opened;
  }

 private:
  std::set<int> before_ = open_descriptors();
};

/// For tests that open thousands.
inline void allow_many_descriptors() {
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

/// While it lives, no descriptor can be opened: EMFILE. Only the call in question should be in its
/// scope: the undefined behaviour sanitizer opens a pipe to look at a class that it sees first.
class NoFreeDescriptor {
 public:
  /// No number from `end` on; those before it are to be open. Not fewer than poll(2) has to look
  /// at, which refuses more than the limit.
  explicit NoFreeDescriptor(rlim_t end = 3) {
    std::ignore = std::error_code(EMFILE, std::system_category()).message();  // shows it this one
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    none.rlim_cur = end;
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  NoFreeDescriptor(const NoFreeDescriptor&) = delete;
  NoFreeDescriptor& operator=(const NoFreeDescriptor&) = delete;
  ~NoFreeDescriptor() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_ = {};
};

/// While it lives, only so many descriptors can be opened. As with NoFreeDescriptor, only the call
/// in question should be in its scope.
class DescriptorsLeft {
 public:
  explicit DescriptorsLeft(std::size_t count) {
    std::ignore = std::error_code(EMFILE, std::system_category()).message();
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const std::set<int> open = open_descriptors();
    int end = 0;  // behind the last number that may be used
    for (std::size_t left = count; left > 0; ++end) left -= open.contains(end) ? 0U : 1U;
    rlimit low = before_;
    low.rlim_cur = static_cast<rlim_t>(end);
    ::setrlimit(RLIMIT_NOFILE, &low);
  }
  DescriptorsLeft(const DescriptorsLeft&) = delete;
  DescriptorsLeft& operator=(const DescriptorsLeft&) = delete;
  ~DescriptorsLeft() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_ = {};
};

}  // namespace detent::testing_support
