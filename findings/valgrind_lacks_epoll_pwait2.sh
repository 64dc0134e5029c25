#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# valgrind 3.19.0 (Debian 12, valgrind 1:3.19.0-1), gcc 12, glibc 2.36, Linux 6.
#
# Guess: under valgrind a program makes the system calls that it makes without.
# Seen:  epoll_pwait2(2), number 441, which the kernel and glibc have, fails with ENOSYS. A program
#        that then falls back to epoll_wait(2) is measured on a path that it never takes otherwise.
source "$(dirname "$0")/common.sh"
needs gcc
unpack valgrind=1:3.19.0-1
cat >wait.c <<'END'
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

int main(void) {
  struct epoll_event event;
  const struct timespec millisecond = {0, 1000000};
  const int result = epoll_pwait2(epoll_create1(0), &event, 1, &millisecond, NULL);
  printf("%s", result == 0 ? "waits" : errno == ENOSYS ? "ENOSYS" : "fails");
}
END
gcc wait.c -o wait 2>compiler.log || not_tried "this C library has no epoll_pwait2"
native=$(timeout 20 ./wait)
[[ $native == waits ]] || not_tried "this kernel has no epoll_pwait2"
traced=$(VALGRIND_LIB=$PWD/root/usr/libexec/valgrind timeout 60 root/usr/bin/valgrind -q ./wait 2>log) ||
  not_tried "valgrind cannot run here"
conclude "without: $native, under valgrind: $traced" "without: waits, under valgrind: ENOSYS"
