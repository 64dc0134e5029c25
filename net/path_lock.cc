// SPDX-License-Identifier: BSL-1.0
#include "path_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "sys.h"
#include "unix_address.h"

namespace detent {
namespace {

bool refuses_connections(const std::string& path) noexcept {
  const UniqueFd probe(sys::open_socket(AF_UNIX));
  const UnixAddress to = unix_path(path);
  return probe &&
         ::connect(probe.fd(), reinterpret_cast<const sockaddr*>(&to.address),
                   static_cast<socklen_t>(to.size)) == -1 &&
         errno == ECONNREFUSED;
}

// Asks about the path itself: of a symbolic link, neither the link nor its target is removed.
bool is_socket(const std::string& path) noexcept {
  struct stat status = {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

}  // namespace

PathLock::PathLock(const std::string& path) : path_(path), name_(path + ".detent-lock") {
  while (lock()) {
    if (is_at_its_name()) return;
  }
}

// The file that was opened may be the one that the former holder has just removed.
bool PathLock::is_at_its_name() const noexcept {
  struct stat here = {};
  struct stat there = {};
  return ::fstat(file_.fd(), &here) == 0 && ::lstat(name_.c_str(), &there) == 0 &&
         here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

bool PathLock::lock() noexcept {
  constexpr int kFlags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  file_.reset(::open(name_.c_str(), kFlags, S_IRUSR | S_IWUSR));
  if (!file_) return false;
  if (::flock(file_.fd(), LOCK_EX | LOCK_NB) == 0) return true;
  is_taken_ = errno == EWOULDBLOCK;
  file_.reset();
  return false;
}

// Unlocks by itself too: a child that another thread has forked meanwhile shares the lock.
PathLock::~PathLock() {
  if (!file_) return;
  struct stat status = {};
  const bool is_ours = ::fstat(file_.fd(), &status) == 0 && status.st_size == 0;
  if (is_ours) ::unlink(name_.c_str());
  ::flock(file_.fd(), LOCK_UN);
}

// connect(2) refuses also what is no socket.
void PathLock::remove_dead_socket() noexcept {
  if (file_ && is_socket(path_) && refuses_connections(path_)) ::unlink(path_.c_str());
}

void remove_dead_path(const Endpoint& endpoint) noexcept {
  try {
    PathLock(endpoint.path()).remove_dead_socket();
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace detent
