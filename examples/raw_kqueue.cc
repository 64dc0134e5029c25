// SPDX-License-Identifier: BSL-1.0
// BSD and macOS: filters of kqueue that have no portable meaning. A kqueue made by hand takes them
// all; what the loop watches is that kqueue's own descriptor, which is readable while it has
// events.
#include <sys/event.h>

#include <cerrno>
#include <ctime>
#include <iostream>
#include <system_error>

#include <detent/reactor.h>
#include <detent/unique_fd.h>

namespace {

using Kevent = struct kevent;

int checked(int result, const char* call) {
  if (result == -1) throw std::system_error(errno, std::system_category(), call);
  return result;
}

void apply(const detent::UniqueFd& queue, const Kevent& change) {
  checked(::kevent(queue.fd(), &change, 1, nullptr, 0, nullptr), "kevent");
}

// The event that is there, if any: the kqueue is also readable for one that has gone meanwhile.
bool take_event(const detent::UniqueFd& queue, Kevent& event) {
  const timespec no_wait = {};
  return checked(::kevent(queue.fd(), nullptr, 0, &event, 1, &no_wait), "kevent") == 1;
}

}  // namespace

int main() {
  const detent::UniqueFd queue(checked(::kqueue(), "kqueue"));
  const char* const greeting = "hello";

  Kevent change;
  EV_SET(&change, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 50, nullptr);  // in milliseconds
  apply(queue, change);
  EV_SET(&change, 4711, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, const_cast<char*>(greeting));
  apply(queue, change);

  detent::Reactor reactor;
  const auto watch = reactor.watch(queue, {.readable = true}, [&](detent::Ready) {
    Kevent event;
    if (!take_event(queue, event)) return;
    if (event.filter == EVFILT_TIMER) {
      std::cout << "timer " << event.ident << " expired " << event.data << " times" << std::endl;
      Kevent trigger;
      EV_SET(&trigger, 4711, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFCOPY | 0xc0de, 42,
             const_cast<char*>(greeting));
      apply(queue, trigger);
      return;
    }
    std::cout << "ident " << event.ident << "\nfilter " << (event.filter == EVFILT_USER)
              << "\nflags " << ((event.flags & EV_CLEAR) != 0) << "\nfflags "
              << (event.fflags & NOTE_FFLAGSMASK) << "\ndata " << event.data << "\nudata "
              << static_cast<const char*>(event.udata) << std::endl;
    reactor.stop();
  });
  reactor.run();
}
