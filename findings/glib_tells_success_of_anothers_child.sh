#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# GLib 2.74.6 (Debian 12, libglib2.0-0 2.74.6-2+deb12u9), gcc 12, a kernel with pidfd_open(2).
#
# Guess: a watch of a process that is another's child does not tell that it ended well when it did
#        not, since nobody but its parent can ask for its status.
# Seen:  g_child_watch_add takes the number. The process exits with 7, and the callback gets the
#        status 0, which g_spawn_check_wait_status takes for success.
source "$(dirname "$0")/common.sh"
needs gcc
unpack libglib2.0-0=2.74.6-2+deb12u9 libglib2.0-dev=2.74.6-2+deb12u9 libpcre2-8-0=10.42-1
cat >watch.c <<'END'
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static GMainLoop* loop;
static int calls, told;

static void on_exit_told(GPid pid, gint status, gpointer unused) {
  ++calls;
  told = status;
  g_main_loop_quit(loop);
}
static gboolean on_end(gpointer unused) {
  g_main_loop_quit(loop);
  return FALSE;
}

int main(void) {
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
  loop = g_main_loop_new(NULL, FALSE);
  g_child_watch_add(others_child, on_exit_told, NULL);
  if (write(end[1], "x", 1) != 1) return 1;
  g_timeout_add_seconds(20, on_end, NULL);
  g_main_loop_run(loop);
  kill(parent, SIGKILL);
  printf("told %d time, status %d, a success: %d", calls, told,
         g_spawn_check_wait_status(told, NULL));
}
END
gcc -I root/usr/include/glib-2.0 -I "$(echo root/usr/lib/*/glib-2.0/include)" watch.c \
  -L "$(echo root/usr/lib/*/pkgconfig/..)" -lglib-2.0 -o watch 2>compiler.log ||
  not_tried "the program cannot be built here"
folders=$(find root -name 'lib*.so.*' -printf '%h:' )
conclude "$(LD_LIBRARY_PATH=$folders timeout 60 ./watch)" "told 1 time, status 0, a success: 1"
