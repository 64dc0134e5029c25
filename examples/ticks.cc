// SPDX-License-Identifier: BSL-1.0
// Jobs at regular times: what each callback is told, what becomes of missed periods, and a timer
// that changes its own period. Ends by itself after two seconds.
#include <chrono>
#include <cstdio>
#include <thread>

#include <detent/reactor.h>
#include <detent/timer_service.h>

using namespace std::chrono_literals;

namespace {

void print(const char* job, const detent::Tick& tick) {
  const auto late =
      std::chrono::duration_cast<std::chrono::microseconds>(tick.now - tick.scheduled);
  std::printf("%-8s %llu expirations, %lld us late\n", job,
              static_cast<unsigned long long>(tick.expirations),
              static_cast<long long>(late.count()));
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  detent::Reactor reactor;
  detent::TimerService timers(reactor);

  const auto metrics = timers.every(200ms, [](const detent::Tick& t) { print("metrics", t); });
  const auto billing = timers.every({.period = 300ms, .missed = detent::Missed::each},
                                    [](const detent::Tick& t) { print("billing", t); });
  detent::Timer probe = timers.every(100ms, [&probe](const detent::Tick& t) {
    print("probe", t);
    probe.set_period(400ms);  // the next tick comes 400 ms after this one was due
  });
  // For 700 ms nobody is served: metrics then hears of several periods at once, billing of each.
  const auto busy = timers.after(900ms, [] {
    std::puts("busy");
    std::this_thread::sleep_for(700ms);
  });
  const auto end = timers.after(2s, [&reactor] { reactor.stop(); });
  reactor.run();
}
