// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Lets one program at a time begin or end to listen at a unix path, and removes a dead
/// socket there.
#pragma once

#include <string>

#include "detent/endpoint.h"
#include "detent/unique_fd.h"

namespace detent {

/// A lock on the file PATH.detent-lock, which exists for as long. (PATH.lock may be the program's
/// own.) Between bind(2) and listen(2) a socket
/// looks dead. Without the lock, of two programs that start together one would remove the socket of
/// the other, and both would seem to listen.
class PathLock {
 public:
  /// Takes the lock, unless another program has it or it cannot be had.
  explicit PathLock(const std::string& path);
  PathLock(const PathLock&) = delete;
  PathLock& operator=(const PathLock&) = delete;
  ~PathLock();

  /// Whether another program begins or ends to listen at this path now.
  [[nodiscard]] bool is_taken() const noexcept { return is_taken_; }

  /// Removes a socket that refuses a connection, so no process listens there. Leaves every other
  /// file, and all of them without the lock.
  void remove_dead_socket() noexcept;

 private:
  [[nodiscard]] bool lock() noexcept;
  [[nodiscard]] bool is_at_its_name() const noexcept;

  std::string path_;
  std::string name_;
  UniqueFd file_;  // empty: not held
  bool is_taken_ = false;
};

/// For a program that has closed its socket. Without memory the path stays.
void remove_dead_path(const Endpoint& endpoint) noexcept;

}  // namespace detent
