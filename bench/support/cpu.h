// SPDX-License-Identifier: BSL-1.0
// Processor time, and which core a thread runs on.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>

namespace bench {

using Nanoseconds = std::chrono::duration<double, std::nano>;

/// What this thread has used, in user space and in the kernel.
Nanoseconds thread_cpu();

/// What all threads of a process have used; it must be running, or not yet waited for.
Nanoseconds process_cpu(pid_t process);

/// Time that passes while nobody works, too.
Nanoseconds elapsed();

/// Keeps the calling thread, and those that it starts, on one core: the `which`th that the program
/// was given, counted around. Nothing happens when there is but one.
void pin_to_core(unsigned which);

/// How many cores the program was given.
unsigned cores();

/// Bytes. What a thread writes to and what one on another core uses lie in different blocks of so
/// many, two cache lines, or a figure depends on where the stack or the heap happened to begin.
constexpr std::size_t kApart = 128;

}  // namespace bench
