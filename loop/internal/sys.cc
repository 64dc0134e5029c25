// SPDX-License-Identifier: BSL-1.0
#include "sys.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <system_error>

namespace detent::sys {
namespace {

bool add_flag(int fd, int get, int set, int flag) noexcept {
  const int flags = ::fcntl(fd, get);
  return flags != -1 && ::fcntl(fd, set, flags | flag) != -1;
}

// -1 where there is no such option.
int option_of(int fd, int option) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

}  // namespace

void fail(const char* call) { fail(call, errno); }

void fail(const char* call, int code) {
  throw std::system_error(code, std::system_category(), call);
}

bool set_non_blocking(int fd) noexcept { return add_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK); }

bool set_close_on_exec(int fd) noexcept { return add_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC); }

bool is_stream(int fd) noexcept {
  struct stat status = {};
  if (::fstat(fd, &status) == -1) return false;
  if (S_ISFIFO(status.st_mode)) return true;
  return option_of(fd, SO_TYPE) == SOCK_STREAM && option_of(fd, SO_ACCEPTCONN) == 0;
}

}  // namespace detent::sys
