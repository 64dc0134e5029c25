// SPDX-License-Identifier: BSL-1.0
/// \file
/// One kqueue: its registrations, and those of them that wait to be collected.
#pragma once

#include <sys/event.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "hidden_fd.h"
#include "kernel.h"
#include "knote.h"

namespace kqueue_double {

/// Everything here is for whoever is InKernel.
///
/// The number that the program has is an epoll descriptor, so that poll(2) and others can watch it.
/// It becomes readable by an edge that has not been looked at, by the timer, or by the bell, which
/// is on while a knote is queued. An epoll has one entry for a descriptor, so each filter has an
/// epoll of its own: what happens to one side is not heard by the other.
class Queue {
 public:
  /// `number` is an epoll descriptor of the program's.
  explicit Queue(int number);
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue();

  /// False when there were too few descriptors.
  [[nodiscard]] bool is_complete() const noexcept;
  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] bool is_closed() const noexcept { return closed_; }

  /// Does what a change says. An errno, 0 for none.
  [[nodiscard]] int apply(struct kevent change);
  /// Looks at what has happened, and takes at most `room` events out.
  [[nodiscard]] int collect(struct kevent* events, int room);

  /// Drops the registrations of those descriptors.
  void forget(unsigned first, unsigned last);
  /// The number is about to be closed. Whoever sleeps for it wakes up.
  void close();
  /// In a forked child: closes the descriptors, but the number, and drops all.
  void abandon();

  // For its knotes.

  [[nodiscard]] KnoteList& queued() noexcept { return queued_; }
  void wake();
  /// Has the knote activated when `fd` changes in one of these ways (EPOLLIN and so on).
  [[nodiscard]] int watch(const struct kevent& knote, int fd, std::uint32_t changes) const;
  void unwatch(const struct kevent& knote, int fd) const;
  [[nodiscard]] Knote* find(std::int16_t filter, std::uintptr_t ident) const;
  void for_each(std::int16_t filter, auto function) const {
    auto place = knotes_.lower_bound({filter, 0});
    for (; place != knotes_.end() && place->first.filter == filter; ++place) {
      function(*place->second);
    }
  }
  /// What tells its EVFILT_VNODE knotes of their files; opened for the first. -1 when it cannot be.
  [[nodiscard]] int inotify();

 private:
  struct Key {
    std::int16_t filter = 0;
    std::uintptr_t ident = 0;
    auto operator<=>(const Key&) const = default;
  };
  using Knotes = UnseenMap<Key, std::unique_ptr<Knote>>;

  [[nodiscard]] int add(const struct kevent& change);
  void drop(Knotes::iterator place);
  [[nodiscard]] int epoll_of(std::int16_t filter) const noexcept;
  void look_at(int epoll) const;
  void look_at_timers() const;
  void set_timer();
  void settle_bell();

  int number_;
  HiddenFd writers_;
  HiddenFd exceptions_;
  HiddenFd timer_;
  HiddenFd bell_;
  HiddenFd inotify_;
  std::optional<Clock::time_point> timer_set_to_;
  bool bell_is_on_ = false;
  bool closed_ = false;
  KnoteList queued_;
  Knotes knotes_;
};

}  // namespace kqueue_double
