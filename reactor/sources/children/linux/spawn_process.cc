// SPDX-License-Identifier: BSL-1.0
#include "children/spawn_process.h"

#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"

namespace detent {

const short kSpawnFlags = 0;

StdioPair make_stdio_pair() {
  std::array<int, 2> ends = {};
  sys::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
  StdioPair pair = {UniqueFd(ends[0]), UniqueFd(ends[1])};
  if (!sys::set_non_blocking(pair.ours.fd())) sys::fail("fcntl");
  return pair;
}

char** own_environment() noexcept { return environ; }

int add_directory(posix_spawn_file_actions_t& actions, const char* directory) {
  return ::posix_spawn_file_actions_addchdir_np(&actions, directory);
}

int add_inherited(posix_spawn_file_actions_t& /*actions*/, int /*fd*/) { return 0; }

// Without this call, as with musl, the child gets those descriptors of the program that are not
// close-on-exec.
int close_others([[maybe_unused]] posix_spawn_file_actions_t& actions) {
#ifdef __GLIBC__
  return ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
#else
  return 0;
#endif
}

}  // namespace detent
