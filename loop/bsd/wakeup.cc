// SPDX-License-Identifier: BSL-1.0
// A kqueue of its own, so that any poller can watch it: kqueue(2).
#include "wakeup.h"

#include "kqueue.h"
#include "sys.h"

namespace detent {

Wakeup::Wakeup() : fd_(sys::make_user_kqueue()) {}

// A forked child does not inherit it: there the number may be another file's.
Wakeup::~Wakeup() {
  if (affinity_.in_forked_child()) static_cast<void>(fd_.release());
}

void Wakeup::signal() const noexcept {
  const sys::KeepErrno keep;
  sys::trigger(fd());
}

void Wakeup::clear() const noexcept {
  const sys::KeepErrno keep;
  sys::collect(fd());
}

}  // namespace detent
