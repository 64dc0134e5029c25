// SPDX-License-Identifier: BSL-1.0
// A kernel sees every descriptor that is closed. The double sees those that the program closes by
// the calls below, which stand before the C library's when it is linked: they tell the kqueues, and
// pass the call on to whoever comes next, a sanitizer or the library.
#include "close.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <vector>

#include "kernel.h"

namespace kqueue_double {
namespace {

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

// Null before they are initialized, as where another file's initialization closes something.
int (*const next_close)(int) = next<int(int)>("close");
int (*const next_dup2)(int, int) = next<int(int, int)>("dup2");
int (*const next_dup3)(int, int, int) = next<int(int, int, int)>("dup3");

int raw(long number, auto... arguments) {
  return static_cast<int>(::syscall(number, arguments...));
}

// The new number is closed unless the call fails.
void forget_replaced(int old_fd, int new_fd) {
  const int error = errno;
  if (old_fd != new_fd && new_fd >= 0 && ::fcntl(old_fd, F_GETFD) != -1) {
    const auto number = static_cast<unsigned>(new_fd);
    forget(number, number);
  }
  errno = error;
}

// What the double keeps open survives, since no program can name it on a BSD.
int close_around_hidden(unsigned first, unsigned last, int flags) {
  std::vector<unsigned, UnseenAllocator<unsigned>> hidden;
  {
    const InKernel in_kernel;
    for (const int fd : kernel().hidden) hidden.push_back(static_cast<unsigned>(fd));
  }
  for (const unsigned fd : hidden) {
    if (fd < first || fd > last) continue;
    if (first < fd && raw(SYS_close_range, first, fd - 1, flags) == -1) return -1;
    if (fd == last) return 0;
    first = fd + 1;
  }
  return raw(SYS_close_range, first, last, flags);
}

}  // namespace

int close_unwatched(int fd) noexcept {
  return next_close != nullptr ? next_close(fd) : raw(SYS_close, fd);
}

}  // namespace kqueue_double

using namespace kqueue_double;

extern "C" {

int close(int fd) {
  if (fd >= 0) forget(static_cast<unsigned>(fd), static_cast<unsigned>(fd));
  return close_unwatched(fd);
}

int dup2(int old_fd, int new_fd) noexcept {
  forget_replaced(old_fd, new_fd);
  return next_dup2 != nullptr ? next_dup2(old_fd, new_fd) : raw(SYS_dup2, old_fd, new_fd);
}

int dup3(int old_fd, int new_fd, int flags) noexcept {
  forget_replaced(old_fd, new_fd);
  return next_dup3 != nullptr ? next_dup3(old_fd, new_fd, flags)
                              : raw(SYS_dup3, old_fd, new_fd, flags);
}

int close_range(unsigned first, unsigned last, int flags) noexcept {
  if (!in_use() || (static_cast<unsigned>(flags) & CLOSE_RANGE_CLOEXEC) != 0) {
    return raw(SYS_close_range, first, last, flags);
  }
  if (first <= last) forget(first, last);
  return close_around_hidden(first, last, flags);
}

void closefrom(int first) noexcept {
  close_range(first < 0 ? 0U : static_cast<unsigned>(first), std::numeric_limits<unsigned>::max(),
              0);
}

}  // extern "C"
