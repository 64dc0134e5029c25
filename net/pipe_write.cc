// SPDX-License-Identifier: BSL-1.0
#include "pipe_write.h"

#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigset_t is POSIX

#include <cerrno>

#include "sys.h"

namespace detent {
namespace {

bool is_pending() noexcept {
  sigset_t pending;
  ::sigpending(&pending);
  return sigismember(&pending, SIGPIPE) == 1;
}

}  // namespace

// The signal of a write goes to the thread that writes. So it is blocked here, and taken back.
ssize_t write_without_sigpipe(int fd, IoParts& parts) noexcept {
  sigset_t pipe_signal;
  sigset_t before;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const bool was_blocked = sigismember(&before, SIGPIPE) == 1;
  const bool was_pending = was_blocked && is_pending();
  const ssize_t size = ::writev(fd, parts.data(), static_cast<int>(parts.count()));
  const sys::KeepErrno keep;
  if (size == -1 && errno == EPIPE && !was_pending && is_pending()) {
    int taken = 0;
    ::sigwait(&pipe_signal, &taken);
  }
  if (!was_blocked) ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return size;
}

}  // namespace detent
