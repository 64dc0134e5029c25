// SPDX-License-Identifier: BSL-1.0
#include "wakeup.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "sys.h"

namespace detent {

Wakeup::Wakeup() : fd_(sys::check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {}

Wakeup::~Wakeup() = default;

// Both ignore EAGAIN: a full counter is readable, an empty one is not (eventfd(2)).
void Wakeup::signal() const noexcept {
  const sys::KeepErrno keep;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd(), &one, sizeof one);
}

void Wakeup::clear() const noexcept {
  const sys::KeepErrno keep;
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(fd(), &count, sizeof count);
}

}  // namespace detent
