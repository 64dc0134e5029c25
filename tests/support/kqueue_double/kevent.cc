// SPDX-License-Identifier: BSL-1.0
// The two calls.
#include <sys/epoll.h>
#include <sys/event.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "close.h"
#include "kernel.h"
#include "knote.h"
#include "kqueue_double.h"
#include "queue.h"

namespace kqueue_double {
namespace {

constinit std::atomic<std::uint64_t> calls_made = 0;
constinit std::atomic<std::uint64_t> changes_given = 0;

// How a call ends: a count, or an errno.
struct Result {
  int count = 0;
  int error = 0;
};

int to_return_value(Result result, int error_before) {
  errno = result.error == 0 ? error_before : result.error;
  return result.error == 0 ? result.count : -1;
}

// How long a call may still sleep.
class WaitTime {
 public:
  /// Null is for ever.
  explicit WaitTime(const timespec* most) {
    if (most == nullptr) return;
    constexpr std::chrono::seconds kYears = std::chrono::years(100);
    const auto seconds = std::min(std::chrono::seconds(most->tv_sec), kYears);
    end_ = Clock::now() + seconds + std::chrono::nanoseconds(most->tv_nsec);
    is_over_ = most->tv_sec == 0 && most->tv_nsec == 0;
  }

  [[nodiscard]] static bool is_valid(const timespec* most) {
    constexpr long kSecond = 1'000'000'000;
    return most == nullptr || (most->tv_sec >= 0 && most->tv_nsec >= 0 && most->tv_nsec < kSecond);
  }

  [[nodiscard]] bool is_over() const { return is_over_ || (end_ && Clock::now() >= *end_); }

  [[nodiscard]] std::optional<timespec> left() const {
    if (!end_) return std::nullopt;
    const auto left = std::max(*end_ - Clock::now(), Clock::duration::zero());
    return timespec{.tv_sec = left / std::chrono::seconds(1),
                    .tv_nsec = (left % std::chrono::seconds(1)).count()};
  }

 private:
  std::optional<Clock::time_point> end_;
  bool is_over_ = false;
};

Result make_queue() {
  const InKernel in_kernel;
  const int number = ::epoll_create1(0);
  if (number == -1) return {.error = errno};
  auto queue = std::allocate_shared<Queue>(UnseenAllocator<Queue>(), number);
  if (!queue->is_complete()) {
    close_unwatched(number);
    return {.error = EMFILE};
  }
  adopt(number, std::move(queue));
  return {.count = number};
}

Result wait(const InKernel& in_kernel, Queue& queue, struct kevent* events, int room,
            const timespec* timeout) {
  if (!WaitTime::is_valid(timeout)) return {.error = EINVAL};
  const WaitTime time(timeout);
  for (;;) {
    const int count = queue.collect(events, room);
    if (count > 0 || time.is_over()) return {.count = count};
    if (!in_kernel.sleep(queue.number(), time.left())) return {.error = EINTR};
    if (queue.is_closed()) return {.error = EBADF};
  }
}

Result change_and_wait(int kq, const struct kevent* changes, int change_count,
                       struct kevent* events, int room, const timespec* timeout) {
  if (change_count < 0 || room < 0) return {.error = EINVAL};
  const InKernel in_kernel;
  const auto place = kernel().queues.find(kq);
  if (place == kernel().queues.end()) return {.error = EBADF};
  const std::shared_ptr<Queue> queue = place->second;

  int told = 0;
  for (int i = 0; i < change_count; ++i) {
    struct kevent change = changes[i];  // the two lists may be one
    const int error = queue->apply(change);
    if (error == 0 && (change.flags & EV_RECEIPT) == 0) continue;
    if (told == room) return {.error = error};
    change.flags = static_cast<std::uint16_t>(change.flags | EV_ERROR);
    change.data = error;
    events[told++] = change;
  }
  if (told > 0 || room == 0) return {.count = told};
  return wait(in_kernel, *queue, events, room, timeout);
}

}  // namespace

Calls calls() noexcept { return {.made = calls_made, .changes = changes_given}; }

}  // namespace kqueue_double

using namespace kqueue_double;

extern "C" {

int kqueue() {
  const int error_before = errno;
  return to_return_value(make_queue(), error_before);
}

int kevent(int kq, const struct kevent* changes, int nchanges, struct kevent* events, int nevents,
           const struct timespec* timeout) {
  const int error_before = errno;
  ++calls_made;
  changes_given += static_cast<std::uint64_t>(std::max(nchanges, 0));
  return to_return_value(change_and_wait(kq, changes, nchanges, events, nevents, timeout),
                         error_before);
}

}  // extern "C"
