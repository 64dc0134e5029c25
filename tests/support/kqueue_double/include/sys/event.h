// SPDX-License-Identifier: BSL-1.0
/// \file
/// kqueue(2) for Linux: the double's stand-in for the BSDs' and macOS's <sys/event.h>. The types,
/// the names and the numbers are Apple's. What the double does where kernels differ is told in
/// ../../kqueue_double.h.
#pragma once

#include <stdint.h>
#include <time.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_AIO (-3)  // refused by the double: EINVAL
#define EVFILT_VNODE (-4)
#define EVFILT_PROC (-5)
#define EVFILT_SIGNAL (-6)
#define EVFILT_TIMER (-7)
#define EVFILT_MACHPORT (-8)  // likewise
#define EVFILT_FS (-9)        // likewise
#define EVFILT_USER (-10)
#define EVFILT_VM (-12)  // likewise
#define EVFILT_EXCEPT (-15)

// What a change asks for.
#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
// How a registration behaves.
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_DISPATCH 0x0080
#define EV_UDATA_SPECIFIC 0x0100  // refused by the double: EINVAL
#define EV_DISPATCH2 (EV_DISPATCH | EV_UDATA_SPECIFIC)
#define EV_VANISHED 0x0200  // likewise
// What an event says; ignored in a change.
#define EV_SYSFLAGS 0xF000
#define EV_FLAG0 0x1000
#define EV_FLAG1 0x2000
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

// EVFILT_USER
#define NOTE_TRIGGER 0x01000000U
#define NOTE_FFNOP 0x00000000U
#define NOTE_FFAND 0x40000000U
#define NOTE_FFOR 0x80000000U
#define NOTE_FFCOPY 0xc0000000U
#define NOTE_FFCTRLMASK 0xc0000000U
#define NOTE_FFLAGSMASK 0x00ffffffU
// EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT
#define NOTE_LOWAT 0x00000001U
#define NOTE_OOB 0x00000002U
// EVFILT_VNODE, in the words of the manual pages but shorter
#define NOTE_DELETE 0x00000001U  // unlink() was called: a name of it is gone
#define NOTE_WRITE 0x00000002U   // it was written; an entry of the directory came or went
#define NOTE_EXTEND 0x00000004U  // it has grown
#define NOTE_ATTRIB 0x00000008U  // its attributes have changed
#define NOTE_LINK 0x00000010U    // its number of links has changed; a subdirectory came or went
#define NOTE_RENAME 0x00000020U  // it has another name
#define NOTE_REVOKE 0x00000040U  // revoke(), or unmounted; never reported by the double
// EVFILT_PROC
#define NOTE_EXIT 0x80000000U
#define NOTE_FORK 0x40000000U    // refused by the double: EINVAL
#define NOTE_EXEC 0x20000000U    // likewise
#define NOTE_SIGNAL 0x08000000U  // likewise
#define NOTE_EXITSTATUS 0x04000000U
// EVFILT_TIMER; the unit is milliseconds when no other is named
#define NOTE_SECONDS 0x00000001U
#define NOTE_USECONDS 0x00000002U
#define NOTE_NSECONDS 0x00000004U
#define NOTE_ABSOLUTE 0x00000008U  // refused by the double: EINVAL
#define NOTE_LEEWAY 0x00000010U
#define NOTE_CRITICAL 0x00000020U
#define NOTE_BACKGROUND 0x00000040U

struct kevent {
  uintptr_t ident;
  int16_t filter;
  uint16_t flags;
  uint32_t fflags;
  intptr_t data;
  void* udata;
};

#define EV_SET(kevp, a, b, c, d, e, f) \
  do {                                 \
    struct kevent* kevp_ = (kevp);     \
    kevp_->ident = (a);                \
    kevp_->filter = (b);               \
    kevp_->flags = (c);                \
    kevp_->fflags = (d);               \
    kevp_->data = (e);                 \
    kevp_->udata = (f);                \
  } while (0)

extern "C" {

int kqueue(void);
int kevent(int kq, const struct kevent* changes, int nchanges, struct kevent* events, int nevents,
           const struct timespec* timeout);

}  // extern "C"
