// SPDX-License-Identifier: BSL-1.0
// What the systems have added to posix_spawn(3), each by itself. Where one cannot close the
// program's other descriptors, the child gets those that are not close-on-exec.
#include "children/spawn_process.h"

#ifdef __APPLE__
#include <crt_externs.h>  // a shared library has no environ: environ(7)
#endif
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"

#ifndef __APPLE__
extern "C" char** environ;
#endif

namespace detent {

#ifdef __APPLE__
char** own_environment() noexcept { return *::_NSGetEnviron(); }
#else
char** own_environment() noexcept { return environ; }
#endif

#ifdef POSIX_SPAWN_CLOEXEC_DEFAULT  // macOS
const short kSpawnFlags = POSIX_SPAWN_CLOEXEC_DEFAULT;

// The spawn would fail for one that is closed.
int add_inherited(posix_spawn_file_actions_t& actions, int fd) {
  if (::fcntl(fd, F_GETFD) == -1) return 0;
  return ::posix_spawn_file_actions_addinherit_np(&actions, fd);
}
#else
const short kSpawnFlags = 0;

int add_inherited(posix_spawn_file_actions_t& /*actions*/, int /*fd*/) { return 0; }
#endif

int close_others([[maybe_unused]] posix_spawn_file_actions_t& actions) {
#ifdef __FreeBSD__
  return ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
#else
  return 0;
#endif
}

int add_directory(posix_spawn_file_actions_t& actions, const char* directory) {
#ifdef __NetBSD__
  return ::posix_spawn_file_actions_addchdir(&actions, directory);
#else
  return ::posix_spawn_file_actions_addchdir_np(&actions, directory);
#endif
}

StdioPair make_stdio_pair() {
  std::array<int, 2> ends = {};
  sys::check(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), "socketpair");
  StdioPair pair = {UniqueFd(ends[0]), UniqueFd(ends[1])};
  sys::adopt_socket(pair.ours.fd());
  if (!sys::set_close_on_exec(pair.theirs.fd())) sys::fail("fcntl");
  return pair;
}

}  // namespace detent
