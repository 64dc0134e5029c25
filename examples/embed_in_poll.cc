// SPDX-License-Identifier: BSL-1.0
// A program that has a poll(2) loop of its own already, and detent inside it: the whole reactor,
// timers and posted functions included, is one more descriptor there.
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include <detent/reactor.h>
#include <detent/timer_service.h>

using namespace std::chrono_literals;

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  detent::Reactor reactor;
  detent::TimerService timers(reactor);
  int ticks = 0;
  const auto tick = timers.every(100ms, [&ticks] { std::printf("tick %d\n", ++ticks); });

  int foreign[2];  // something that the foreign loop watches itself
  if (::pipe(foreign) == -1 || ::write(foreign[1], "x", 1) != 1) return 1;
  std::thread helper([poster = reactor.poster()] {
    poster.post([] { std::puts("posted from another thread"); });
  });

  bool foreign_done = false;
  while (ticks < 5 || !foreign_done) {
    pollfd fds[] = {{.fd = reactor.native_handle(), .events = POLLIN, .revents = 0},
                    {.fd = foreign_done ? -1 : foreign[0], .events = POLLIN, .revents = 0}};
    const auto may_sleep = reactor.prepare();  // before every sleep
    const int timeout = may_sleep ? static_cast<int>(*may_sleep / 1ms) : -1;
    if (::poll(fds, 2, timeout) == -1) continue;
    if (fds[1].revents != 0) {
      std::puts("the foreign loop's own descriptor");
      foreign_done = true;
    }
    reactor.dispatch();
  }
  helper.join();
  ::close(foreign[0]);
  ::close(foreign[1]);
}
