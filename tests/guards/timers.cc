// SPDX-License-Identifier: BSL-1.0
// What timers cost where there are a thousand. W2 and W3 in bench/.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "counted.h"
#include "detent/reactor.h"
#include "detent/simulation.h"
#include "detent/timer_service.h"
#include "workloads.h"

namespace detent::guards {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kTimers = 1'000;

class Timers {
 public:
  /// Each timer once, in an order that is not the one in which they were made.
  template <class Operation>
  void for_each(Operation operation) {
    std::size_t i = 0;
    for (std::size_t count = 0; count < kTimers; ++count) {
      operation(i);
      i += 617;
      if (i >= kTimers) i -= kTimers;
    }
  }
  /// Decides about instants before they are asked for.
  void draw(Duration least, Duration most) {
    const auto length = static_cast<std::uint64_t>((most - least).count());
    for (TimePoint& t : instant) t = clock.now() + least + Duration(random_() % length);
  }

  void add() {
    for_each([this](std::size_t i) { timer[i] = timers.at(instant[i], [this] { ++fired; }); });
  }
  void rearm() {
    for_each([this](std::size_t i) { timer[i].rearm_at(instant[i]); });
  }
  void cancel() {
    for_each([this](std::size_t i) { timer[i].cancel(); });
  }

  Simulation clock;
  Reactor reactor{on_epoll(&clock)};
  TimerService timers{reactor};
  std::vector<Timer> timer{kTimers};
  std::vector<TimePoint> instant{kTimers};
  std::size_t fired = 0;

 private:
  std::mt19937_64 random_{2026};  // the same each time
};

}  // namespace

void timer_add(std::size_t timers) {
  Timers t;
  for (std::size_t i = 0; i < timers; i += kTimers) {
    t.draw(10s, 110s);
    counted([&] { t.add(); });
    t.cancel();
  }
}

void timer_cancel(std::size_t timers) {
  Timers t;
  for (std::size_t i = 0; i < timers; i += kTimers) {
    t.draw(10s, 110s);
    t.add();
    counted([&] { t.cancel(); });
  }
}

void timer_rearm_random(std::size_t rearms) {
  Timers t;
  t.draw(10s, 110s);
  t.add();
  for (std::size_t i = 0; i < rearms; i += kTimers) {
    t.draw(10s, 110s);
    counted([&] { t.rearm(); });
  }
}

void timer_rearm_later(std::size_t rearms) {
  Timers t;
  t.draw(10s, 110s);
  t.add();
  TimePoint later = t.clock.now() + 200s;
  for (std::size_t i = 0; i < rearms; i += kTimers) {
    counted([&] { t.for_each([&](std::size_t index) { t.timer[index].rearm_at(later += 1us); }); });
  }
}

void timer_fire(std::size_t timers) {
  Timers t;
  t.draw(0ms, 5ms);
  t.add();
  for (std::size_t i = 0; i < timers; i += kTimers) {
    t.clock.pass(5ms);
    counted([&] { t.reactor.dispatch(); });
    t.draw(0ms, 5ms);
    t.rearm();
  }
  require(t.fired == timers, "not every timer fired");
}

// A hundred a turn, each with a deadline of its own.
void timer_periodic_tick(std::size_t ticks) {
  Timers t;
  for (std::size_t i = 0; i < kTimers; ++i) {
    const Duration first = (i + 1) * 10us;
    t.timer[i] = t.timers.every({.period = 10ms, .first = first}, [&t] { ++t.fired; });
  }
  for (std::size_t i = 0; i < ticks; i += 100) {
    t.clock.pass(1ms);
    counted([&] { t.reactor.dispatch(); });
  }
  require(t.fired == ticks, "not every tick came");
}

void timer_wake_up(std::size_t wake_ups) {
  Reactor reactor(on_epoll());
  TimerService timers(reactor);
  std::size_t fired = 0;
  // Due again whenever the loop looks.
  const Timer timer = timers.every(1ns, [&] { ++fired; });
  counted([&] {
    for (std::size_t i = 0; i < wake_ups; ++i) reactor.run_once();
  });
  require(fired == wake_ups, "a wake-up was not one tick");
}

}  // namespace detent::guards
