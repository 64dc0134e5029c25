// SPDX-License-Identifier: BSL-1.0
#include "hidden_fd.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "close.h"
#include "kernel.h"

namespace kqueue_double {
namespace {

// Half way to the limit, but the kernel's table of descriptors must not get too large.
int first_hidden_number() {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1U << 15U) / 2);
}

}  // namespace

HiddenFd::HiddenFd(int fd) {
  if (fd == -1) return;
  fd_ = ::fcntl(fd, F_DUPFD_CLOEXEC, first_hidden_number());
  if (fd_ == -1) errno = EMFILE;
  const int error = errno;
  close_unwatched(fd);
  errno = error;
  if (fd_ != -1) kernel().hidden.insert(fd_);
}

HiddenFd::~HiddenFd() {
  if (fd_ == -1) return;
  kernel().hidden.erase(fd_);
  close_unwatched(fd_);
}

}  // namespace kqueue_double
