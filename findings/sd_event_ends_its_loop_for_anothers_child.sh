#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# sd-event 252 (Debian 12, libsystemd0 252.39-1~deb12u2), gcc 12.
#
# Guess: a watch of a process that is another's child is refused when it is made.
# Seen:  sd_event_add_child takes the number. When that process ends, its callback is not called,
#        and sd_event_loop returns -ECHILD: one source ends the whole loop.
source "$(dirname "$0")/common.sh"
needs gcc
unpack libsystemd0=252.39-1~deb12u2 libsystemd-dev=252.39-1~deb12u2
cat >watch.c <<'END'
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

static int calls;

static int on_exit_told(sd_event_source* source, const siginfo_t* info, void* unused) {
  ++calls;
  return sd_event_exit(sd_event_source_get_event(source), 0);
}
static int on_end(sd_event_source* source, uint64_t time, void* unused) {
  return sd_event_exit(sd_event_source_get_event(source), 0);
}

int main(void) {
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  int numbers[2], end[2];
  if (pipe(numbers) != 0 || pipe(end) != 0) return 1;
  const pid_t parent = fork();
  if (parent == 0) {
    const pid_t child = fork();
    if (child == 0) {
      char byte;
      close(end[1]);
      _exit(read(end[0], &byte, 1) == 1 ? 7 : 1);
    }
    if (write(numbers[1], &child, sizeof child) != sizeof child) _exit(1);
    waitpid(child, NULL, 0);
    pause();
  }
  pid_t others_child;
  if (read(numbers[0], &others_child, sizeof others_child) != sizeof others_child) return 1;
  sd_event* event;
  if (sd_event_new(&event) < 0) return 1;
  const int added = sd_event_add_child(event, NULL, others_child, WEXITED, on_exit_told, NULL);
  sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, 20000000, 1, on_end, NULL);
  if (write(end[1], "x", 1) != 1) return 1;
  const int result = sd_event_loop(event);
  kill(parent, SIGKILL);
  printf("taken: %d, calls: %d, the loop ends with ECHILD: %d", added >= 0, calls,
         result == -ECHILD);
}
END
gcc -I root/usr/include watch.c -L "$(echo root/usr/lib/*/pkgconfig/..)" \
  "$(find root -name 'libsystemd.so.0')" -o watch 2>compiler.log ||
  not_tried "the program cannot be built here"
folders=$(find root -name 'lib*.so.*' -printf '%h:')
conclude "$(LD_LIBRARY_PATH=$folders timeout 60 ./watch)" \
  "taken: 1, calls: 0, the loop ends with ECHILD: 1"
