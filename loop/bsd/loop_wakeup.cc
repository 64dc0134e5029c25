// SPDX-License-Identifier: BSL-1.0
// Two kqueues, each with an EVFILT_USER. The loop watches both, since closing one ends its watch
// even if it has a duplicate. kevent(2) fails for a number that is closed or is no kqueue. So a
// signal does nothing to the file of other code.
#include "loop_wakeup.h"

#include "kqueue.h"
#include "sys.h"

namespace detent {

const bool LoopWakeup::kWatchesBoth = true;

LoopWakeup::LoopWakeup()
    : watched_(sys::make_user_kqueue()),
      spare_(sys::make_user_kqueue()),
      first_(watched_.fd()),
      second_(spare_.fd()) {}

// A forked child does not inherit them: there the numbers may be other files'.
LoopWakeup::~LoopWakeup() {
  if (!affinity_.in_forked_child()) return;
  static_cast<void>(watched_.release());
  static_cast<void>(spare_.release());
}

void LoopWakeup::signal() const noexcept {
  const sys::KeepErrno keep;
  if (!sys::trigger(first_.load())) sys::trigger(second_.load());
}

Interest LoopWakeup::interest(const Poller& /*poller*/) noexcept { return {.readable = true}; }

bool LoopWakeup::clear() noexcept { return sys::collect(watched_.fd()) == sys::Collected::trigger; }

bool LoopWakeup::is_whole() noexcept {
  const sys::Collected collected = sys::collect(watched_.fd());
  if (collected == sys::Collected::nothing) return find_out();
  return collected == sys::Collected::trigger;
}

// signal() uses the spare only when the watched one fails.
bool LoopWakeup::find_out() noexcept {
  return !spare_ || sys::collect(spare_.fd()) == sys::Collected::nothing;
}

}  // namespace detent
