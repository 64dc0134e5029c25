// SPDX-License-Identifier: BSL-1.0
#include "queue.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

namespace kqueue_double {
namespace {

// An epoll entry names a filter and an ident; these stand for what the queue itself needs.
constexpr std::uint64_t kOwn = 0;
constexpr std::uint64_t kFiles = 1;

std::uint64_t tag_of(const struct kevent& knote) {
  return (std::uint64_t{static_cast<std::uint16_t>(knote.filter)} << 32U) |
         static_cast<std::uint32_t>(knote.ident);
}

void add_own(int epoll, int fd, std::uint64_t tag = kOwn) {
  epoll_event entry = {.events = EPOLLIN, .data = {.u64 = tag}};
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &entry);
}

}  // namespace

Queue::Queue(int number)
    : number_(number),
      writers_(::epoll_create1(EPOLL_CLOEXEC)),
      exceptions_(::epoll_create1(EPOLL_CLOEXEC)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (const HiddenFd* fd : {&writers_, &exceptions_, &timer_, &bell_}) add_own(number, fd->fd());
}

Queue::~Queue() { close(); }

bool Queue::is_complete() const noexcept {
  return std::min({writers_.fd(), exceptions_.fd(), timer_.fd(), bell_.fd()}) != -1;
}

Knote* Queue::find(std::int16_t filter, std::uintptr_t ident) const {
  const auto place = knotes_.find({filter, ident});
  return place == knotes_.end() ? nullptr : place->second.get();
}

int Queue::apply(struct kevent change) {
  change.flags = static_cast<std::uint16_t>(change.flags & ~EV_SYSFLAGS);
  if ((change.flags & (EV_UDATA_SPECIFIC | EV_VANISHED)) != 0) return EINVAL;
  if (!has_filter(change.filter)) return EINVAL;
  if (is_of_descriptor(change.filter)) {
    const bool is_number = change.ident <= std::uintptr_t{std::numeric_limits<int>::max()};
    const int fd = is_number ? static_cast<int>(change.ident) : -1;
    if (::fcntl(fd, F_GETFD) == -1) return EBADF;
    if (fd == number_) return EINVAL;
  }

  const auto place = knotes_.find({change.filter, change.ident});
  int error = 0;
  if (place == knotes_.end()) {
    error = (change.flags & EV_ADD) != 0 ? add(change) : ENOENT;
  } else if ((change.flags & EV_DELETE) != 0) {
    drop(place);
  } else {
    place->second->event().udata = change.udata;
    error = place->second->touch(change);
  }
  Knote* const knote = error == 0 ? find(change.filter, change.ident) : nullptr;
  if (knote != nullptr) {
    knote->activate();
    if ((change.flags & EV_DISABLE) != 0) knote->disable();
    if ((change.flags & EV_ENABLE) != 0) knote->enable();
  }
  set_timer();
  settle_bell();
  return error;
}

int Queue::add(const struct kevent& change) {
  std::unique_ptr<Knote> knote = make_knote(*this, change);
  const int error = knote->attach();
  if (error == 0) knotes_.emplace(Key{change.filter, change.ident}, std::move(knote));
  return error;
}

void Queue::drop(Knotes::iterator place) {
  place->second->dequeue();
  place->second->detach();
  knotes_.erase(place);
}

int Queue::collect(struct kevent* events, int room) {
  for (const int epoll : {number_, writers_.fd(), exceptions_.fd()}) look_at(epoll);
  look_at_timers();

  int count = 0;
  // Each of those that are queued now has one turn; whoever comes back stands behind them.
  for (std::size_t turns = queued_.size(); turns > 0 && count < room; --turns) {
    Knote& knote = *queued_.front();
    knote.dequeue();
    if (knote.disabled()) continue;

    if (knote.has(EV_ONESHOT)) {  // not asked again, as in FreeBSD
      events[count++] = knote.event();
      drop(knotes_.find({knote.event().filter, knote.event().ident}));
      continue;
    }
    if (!knote.is_true()) {
      knote.deactivate();
      continue;
    }
    events[count++] = knote.event();
    if (knote.has(EV_CLEAR)) knote.clear();
    if (knote.has(EV_DISPATCH)) knote.disable();
    if (knote.has(EV_CLEAR | EV_DISPATCH)) {
      knote.deactivate();
    } else {
      knote.enqueue();
    }
  }
  set_timer();
  settle_bell();
  return count;
}

// --- What happens to descriptors

int Queue::epoll_of(std::int16_t filter) const noexcept {
  if (filter == EVFILT_WRITE) return writers_.fd();
  if (filter == EVFILT_EXCEPT) return exceptions_.fd();
  return number_;
}

int Queue::watch(const struct kevent& knote, int fd, std::uint32_t changes) const {
  epoll_event entry = {.events = changes | EPOLLET, .data = {.u64 = tag_of(knote)}};
  const int epoll = epoll_of(knote.filter);
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &entry) == 0) return 0;
  // The file came back under a number that was closed unseen.
  if (errno == EEXIST && ::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &entry) == 0) return 0;
  return errno;
}

void Queue::unwatch(const struct kevent& knote, int fd) const {
  ::epoll_ctl(epoll_of(knote.filter), EPOLL_CTL_DEL, fd, nullptr);
}

int Queue::inotify() {
  if (inotify_.fd() == -1) {
    inotify_ = HiddenFd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    add_own(number_, inotify_.fd(), kFiles);
  }
  return inotify_.fd();
}

// An edge is reported once, the queue's own entries each time: a batch that is not full was all.
void Queue::look_at(int epoll) const {
  std::array<epoll_event, 64> batch = {};
  int count = 0;
  do {
    count = ::epoll_wait(epoll, batch.data(), static_cast<int>(batch.size()), 0);
    for (int i = 0; i < count; ++i) {
      const std::uint64_t tag = batch.at(static_cast<std::size_t>(i)).data.u64;
      if (tag == kOwn) continue;
      if (tag == kFiles) {
        tell_of_files(*this, inotify_.fd());
        continue;
      }
      const auto filter = static_cast<std::int16_t>(tag >> 32U);
      if (Knote* const knote = find(filter, static_cast<std::uint32_t>(tag))) knote->activate();
    }
  } while (count == static_cast<int>(batch.size()));
}

void Queue::forget(unsigned first, unsigned last) {
  for (const auto filter :
       std::array<std::int16_t, 4>{EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT, EVFILT_VNODE}) {
    auto place = knotes_.lower_bound({filter, first});
    while (place != knotes_.end() && place->first.filter == filter && place->first.ident <= last) {
      drop(place++);
    }
  }
  settle_bell();
}

// --- The timer, which is set to the first time at which an enabled EVFILT_TIMER expires

void Queue::look_at_timers() const {
  for_each(EVFILT_TIMER, [](Knote& timer) { timer.activate(); });
}

void Queue::set_timer() {
  std::optional<Clock::time_point> first;
  for_each(EVFILT_TIMER, [&first](const Knote& timer) {
    const auto due = timer.disabled() ? std::nullopt : timer.due();
    if (due && (!first || *due < *first)) first = due;
  });
  if (first == timer_set_to_) return;
  timer_set_to_ = first;

  itimerspec setting = {};
  if (first) {
    const auto since_boot = std::max(first->time_since_epoch(), Clock::duration(1));
    setting.it_value.tv_sec = since_boot / std::chrono::seconds(1);
    setting.it_value.tv_nsec = (since_boot % std::chrono::seconds(1)).count();
  }
  ::timerfd_settime(timer_.fd(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

// --- The bell

// Rung again for each knote that is queued: another kqueue may wait for the edge.
void Queue::wake() {
  ::eventfd_write(bell_.fd(), 1);
  bell_is_on_ = true;
}

void Queue::settle_bell() {
  if (queued_.empty() != bell_is_on_) return;
  if (!bell_is_on_) return wake();
  eventfd_t rung = 0;
  ::eventfd_read(bell_.fd(), &rung);
  bell_is_on_ = false;
}

void Queue::close() {
  if (std::exchange(closed_, true)) return;
  while (!knotes_.empty()) drop(knotes_.begin());
  wake();
}

// First of all its descriptors: what they mean belongs to the parent too, and must stay as it is.
void Queue::abandon() {
  number_ = -1;
  for (HiddenFd* fd : {&writers_, &exceptions_, &timer_, &bell_, &inotify_}) *fd = HiddenFd();
  close();
}

}  // namespace kqueue_double
