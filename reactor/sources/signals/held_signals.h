// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Signals that wait in the kernel until a loop has made room for them.
///
/// A signal that was sent while its handler ran is handled before the interrupted code goes on. So
/// a thread that gets signals faster than it handles them does nothing else. When the queue of its
/// loop is full, the handler blocks the signal in it: signal(7), "Execution of signal handlers".
#pragma once

namespace detent {

/// In a signal handler, with its third argument: the interrupted thread blocks `signal` when the
/// handler returns.
void hold_signal(int signal, void* context) noexcept;
/// Whether this thread blocks `signal` for that reason.
[[nodiscard]] bool is_held(int signal) noexcept;
/// This thread blocks none for that reason any more. No system call if it blocked none.
void release_held_signals() noexcept;

}  // namespace detent
