// SPDX-License-Identifier: BSL-1.0
// Part of each program under the thread sanitizer. That of g++ 12 makes a thread's place for
// signals in the thread's first call that may block, and a signal that comes meanwhile is lost: it
// is noted in another one. So the first such call is made before main(), when nobody sends any.
#include <poll.h>

namespace {

[[maybe_unused]] const int kFirstCall = ::poll(nullptr, 0, 0);

}  // namespace
