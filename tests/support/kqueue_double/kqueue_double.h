// SPDX-License-Identifier: BSL-1.0
/// \file
/// A double of kqueue(2) and kevent(2) for Linux, so that code for the BSDs and macOS can be run
/// here. A program that links it includes <sys/event.h> as it does there.
///
/// It is built as a BSD kernel is: knotes (knote.h) are activated by what happens to their file,
/// stand in their kqueue's queue (queue.h), and are asked again when they are collected. What
/// happens is heard from epoll(7): one entry for each pair of a descriptor and a filter, always
/// edge-triggered, since it stands for the call with which a driver says "something happened".
///
/// Where kernels differ, the double does what is harder for its user:
///  - EV_ADD of a registration that exists does not enable it, nor change EV_CLEAR, EV_ONESHOT or
///    EV_DISPATCH (FreeBSD; macOS and FreeBSD's manual enable it). It does report again what is
///    ready. Any change but EV_DELETE sets udata (FreeBSD).
///  - A timer of 0 is EINVAL (observed on NetBSD; 1 on FreeBSD). NOTE_ABSOLUTE is EINVAL, as if it
///    were missing: its clock and what it does with the past are different everywhere.
///  - Adding a timer that exists starts it anew, but an expiration that has not been collected
///    stays (FreeBSD's manual says that it is thrown away, the others promise nothing).
///  - A change of a user event that has EV_CLEAR in its flags resets it, its own NOTE_TRIGGER
///    included (FreeBSD).
///  - A good receipt that finds no room ends the call with 0, and the changes behind it are not
///    applied (FreeBSD).
///  - The flags of a change stay beside EV_ERROR (macOS; FreeBSD clears them).
///  - NOTE_EXIT tells the status only with NOTE_EXITSTATUS, which is EACCES for a process that is
///  no
///    child (macOS; FreeBSD always tells it).
///  - kqueue() is not close-on-exec.
///  - EVFILT_VNODE tells of the notes what watched_file.h says. When any note of a change was asked
///    for, all of them are told (every kernel). A change of the registration, EV_ENABLE too, sets
///    anew what is asked for (FreeBSD). Without any note it is accepted and tells nothing.
///
/// What it cannot do:
///  - Descriptors that the C library closes itself (fclose, closedir) and those that come from
///    dup(kq) escape it.
///  - Data that came and went between two calls of kevent activates nothing.
///  - The space of an EVFILT_WRITE event is an estimate; a writer with EV_CLEAR hears of new space
///    only where Linux announces it.
///  - fflags of an event with EV_EOF: Linux has no way to ask for a socket's error that does not
///    take it away from the program. That there is one is certain, which one is inferred.
///  - A regular file is always ready, at its end too, as poll(2) says.
///  - EVFILT_SIGNAL counts by a handler of its own, which calls the program's: set the disposition
///    before adding, and do not block the signal. BSD kernels count blocked ones as well.
///  - EVFILT_VNODE compares a file with what it was at the last call of kevent(). Changes between
///    two calls merge: link() and unlink() of one file look like a change of attributes, and
///    chmod() before unlink() is lost. A file that ftruncate() makes longer looks written.
///  - It hears that a directory is removed only if it may read the directory around that one. It
///    loses changes beyond 16,384 between two calls. Named pipes and devices are EINVAL, as pipes
///    and sockets are in BSD kernels.
///  - The status of a child that other code has reaped before kevent() is called: only where Linux
///    has it. Elsewhere the event lacks NOTE_EXITSTATUS.
///  - Its lock orders more than a kernel's would: a thread sanitizer may miss a race across it.
#pragma once

#include <chrono>
#include <cstdint>

namespace kqueue_double {

/// From now on timers that are started fire that much early, but not before half of their time:
/// NetBSD's were seen to be early by up to a tick of 10 ms. Zero at first.
void set_timer_earliness(std::chrono::nanoseconds earliness) noexcept;

/// Whether EV_ADD of EVFILT_WRITE says EPIPE for a pipe whose reader is gone, as macOS does,
/// instead of reporting EV_EOF. Not at first.
void set_broken_pipe_refuses_writer(bool refuses) noexcept;

/// What EV_ADD of EVFILT_PROC does with a process that has ended and was not reaped. It reports the
/// exit at once; or it says ESRCH, as if there were none; or it registers what will never be true,
/// as a kernel may that is about to end the process. Reported at first.
enum class Zombies : std::uint8_t { reported, unknown, silent };
void set_zombies(Zombies are) noexcept;

/// How often kevent() was called in this process, by anybody, and with how many changes in all.
struct Calls {
  std::uint64_t made = 0;
  std::uint64_t changes = 0;
};
[[nodiscard]] Calls calls() noexcept;

/// True for a descriptor that the double has opened for itself: a BSD kernel would not show it.
/// They lie above the numbers that a program gets.
[[nodiscard]] bool is_hidden(int fd) noexcept;

}  // namespace kqueue_double
