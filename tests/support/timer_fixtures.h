// SPDX-License-Identifier: BSL-1.0
/// \file
/// The two kinds of loop with timers that tests run: on each poller with the kernel's time, and
/// simulated, with a time that the test moves.
#pragma once

#include "detent/reactor.h"
#include "detent/simulation.h"
#include "detent/timer_service.h"
#include "support/reactor_fixtures.h"
#include "support/recording_clock.h"
#include "support/standard.h"

namespace detent::testing_support {

/// A contract test: the real kernel, the poller that is the test's parameter.
class TimersOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  /// Turns until `count` callbacks have run in all.
  void run_callbacks(std::size_t count) {
    for (std::size_t ran = 0; ran < count;) ran += reactor_.run_once();
  }

  RecordingClock clock_{kernel_clock()};
  Reactor reactor_{{.poller = make_poller(GetParam()), .clock = &clock_}};
  std::optional<TimerService> timers_{std::in_place, reactor_};
};

/// Keeps the processor busy until the steady clock shows `t`: what a slow callback does.
inline void be_busy_until(TimePoint t) {
  while (kernel_clock().now() < t) {
  }
}

/// A logic test: no kernel, no sleep.
class SimulatedTimers : public testing::Test {
 protected:
  explicit SimulatedTimers(TimerServiceOptions options = {}) { make(options); }

  /// Starts anew, at the same virtual time.
  void make(TimerServiceOptions options = {}, std::optional<std::uint64_t> seed = std::nullopt) {
    timers_.reset();
    reactor_.reset();
    auto poller = clock_.make_poller(seed);
    poller_ = poller.get();
    reactor_ =
        std::make_unique<Reactor>(ReactorOptions{.poller = std::move(poller), .clock = &alarms_});
    timers_ = std::make_unique<TimerService>(*reactor_, options);
    trace_.reset();
    trace_ = std::make_unique<testing::ScopedTrace>(
        __FILE__, __LINE__, "DETENT_SEED=" + std::to_string(seed.value_or(clock_.seed())));
  }

  /// One turn that does not sleep; returns how many callbacks ran.
  std::size_t turn() { return reactor_->dispatch(); }

  Simulation clock_;
  RecordingClock alarms_{clock_};
  Poller* poller_ = nullptr;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<TimerService> timers_;

 private:
  std::unique_ptr<testing::ScopedTrace> trace_;
};

}  // namespace detent::testing_support
