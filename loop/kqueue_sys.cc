// SPDX-License-Identifier: BSL-1.0
#include "kqueue.h"

namespace detent::sys {

#ifdef NOTE_CRITICAL  // macOS, which else moves timers together: kevent(2)
const std::uint32_t kTimerNotes = NOTE_NSECONDS | NOTE_CRITICAL;
#else
const std::uint32_t kTimerNotes = NOTE_NSECONDS;
#endif

}  // namespace detent::sys
