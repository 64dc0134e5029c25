// SPDX-License-Identifier: BSL-1.0
#include "kernel.h"

#include <poll.h>
#include <pthread.h>

#include <cerrno>
#include <mutex>
#include <utility>

#include "close.h"
#include "kqueue_double.h"
#include "queue.h"

namespace kqueue_double {
namespace {

constinit std::mutex lock;
constinit std::atomic<std::size_t> queue_count = 0;
constinit thread_local volatile sig_atomic_t hidden_interruptions = 0;
constinit sigset_t mask_before_fork = {};

void enter(sigset_t& mask_before) noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &mask_before);
  lock.lock();
}

void leave(const sigset_t& mask_before) noexcept {
  lock.unlock();
  ::pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
}

// kqueue(2): "The queue is not inherited by a child created with fork(2)."
void leave_in_child() {
  for (const auto& [number, queue] : kernel().queues) {
    queue->abandon();
    close_unwatched(number);
  }
  kernel().queues.clear();
  queue_count = 0;
  leave(mask_before_fork);
}

}  // namespace

InKernel::InKernel() noexcept { enter(mask_); }
InKernel::~InKernel() { leave(mask_); }

bool InKernel::sleep(int fd, const std::optional<timespec>& most) const noexcept {
  pollfd query = {.fd = fd, .events = POLLIN, .revents = 0};
  hidden_interruptions = 0;
  lock.unlock();
  const int count = ::ppoll(&query, 1, most ? &*most : nullptr, &mask_);
  const bool interrupted = count == -1 && errno == EINTR;
  lock.lock();
  return !interrupted || hidden_interruptions > 0;
}

void hide_this_interruption() noexcept { hidden_interruptions = 1; }

// Never destroyed: descriptors are closed until the very end of the program.
Kernel& kernel() noexcept {
  static Kernel& the_one = *new Kernel;
  return the_one;
}

bool in_use() noexcept { return queue_count > 0; }

void adopt(int number, std::shared_ptr<Queue> queue) {
  static const int once = ::pthread_atfork([] { enter(mask_before_fork); },
                                           [] { leave(mask_before_fork); }, leave_in_child);
  static_cast<void>(once);
  kernel().queues.insert_or_assign(number, std::move(queue));
  queue_count = kernel().queues.size();
}

void forget(unsigned first, unsigned last) noexcept {
  if (!in_use()) return;
  const InKernel in_kernel;
  for (auto place = kernel().queues.begin(); place != kernel().queues.end();) {
    const auto& [number, queue] = *place;
    const bool closes =
        first <= static_cast<unsigned>(number) && static_cast<unsigned>(number) <= last;
    if (closes) {
      queue->close();
      place = kernel().queues.erase(place);
    } else {
      queue->forget(first, last);
      ++place;
    }
  }
  queue_count = kernel().queues.size();
}

bool is_hidden(int fd) noexcept {
  const InKernel in_kernel;
  return kernel().hidden.contains(fd);
}

}  // namespace kqueue_double
