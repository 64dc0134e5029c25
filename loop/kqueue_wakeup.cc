// SPDX-License-Identifier: BSL-1.0
// EVFILT_USER, in a kqueue of its own, so that any poller can watch it: kqueue(2).
#include <array>

#include "kqueue.h"
#include "sys.h"
#include "wakeup.h"

namespace detent {
namespace {

constexpr int kOnlyOne = 0;

int change(int kqueue, unsigned flags, std::uint32_t notes) noexcept {
  const std::array changes = {sys::make_change(kOnlyOne, EVFILT_USER, flags, notes)};
  return sys::kevents(kqueue, changes, {}, Duration::zero());
}

}  // namespace

Wakeup::Wakeup() : fd_(sys::make_kqueue()) {
  sys::check(change(fd(), EV_ADD | EV_CLEAR, NOTE_FFNOP), "kevent");
}

// A forked child does not inherit it: there the number may be anybody's.
Wakeup::~Wakeup() {
  if (affinity_.in_forked_child()) static_cast<void>(fd_.release());
}

void Wakeup::signal() const noexcept {
  const sys::KeepErrno keep;
  change(fd(), 0, NOTE_TRIGGER);
}

// EV_CLEAR: collecting it takes the trigger back.
void Wakeup::clear() const noexcept {
  const sys::KeepErrno keep;
  std::array<struct kevent, 1> event = {};
  sys::kevents(fd(), {}, event, Duration::zero());
}

}  // namespace detent
