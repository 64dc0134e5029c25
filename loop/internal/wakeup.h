// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. A descriptor that another thread, or a signal handler, can make readable.
#pragma once

#include "detent/affinity.h"
#include "detent/unique_fd.h"

namespace detent {

/// Level: readable from signal() until clear(). Throws std::system_error when it cannot be made.
class Wakeup {
 public:
  Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;
  ~Wakeup();

  /// From any thread and any signal handler; keeps errno.
  void signal() const noexcept;
  void clear() const noexcept;
  [[nodiscard]] int fd() const noexcept { return fd_.fd(); }

 private:
  UniqueFd fd_;
  Affinity affinity_;
};

}  // namespace detent
