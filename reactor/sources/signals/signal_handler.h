// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What the process has one of: the signal handler, the inboxes that it puts signals into,
/// and the dispositions that were there before.
#pragma once

#include "signals/signal_inbox.h"

namespace detent {

/// From now on the handler puts signals into `inbox`. Throws std::system_error, std::bad_alloc.
void open_inbox(SignalInbox& inbox);
/// The opposite. When it returns, no handler in any thread uses the inbox any more.
void close_inbox(const SignalInbox& inbox) noexcept;

/// `signal` is from 1 to kHighestSignal. Makes the handler that of `signal`, until release_signal()
/// was called as often as this. Returns sigaction(2)'s error, or 0.
[[nodiscard]] int catch_signal(int signal) noexcept;
/// The last one puts the former disposition back if the handler is still there.
void release_signal(int signal) noexcept;

}  // namespace detent
