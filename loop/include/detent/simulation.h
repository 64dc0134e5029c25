// SPDX-License-Identifier: BSL-1.0
/// \file
/// Lets a test set the time and decide what is ready, to test programs built on detent without
/// sleeping.
///
///     detent::Simulation simulation;
///     detent::Reactor reactor({.poller = simulation.make_poller(), .clock = &simulation});
///     detent::TimerService timers(reactor);
///     auto tick = timers.every(1s, [&] { ++count; });
///     simulation.advance(1h);                     // count is 3600 now, and no time has passed
///
/// A loop may combine a real poller with the simulated time, to use real sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "detent/clock.h"
#include "detent/handler_list.h"
#include "detent/poller.h"

namespace detent {

/// The clock of its loops. Starts at a fixed instant; time passes only by the calls below. When it
/// moves, its loops run, in the order in which they were made. One thread. Must outlive its alarms,
/// its pollers and its loops.
class Simulation final : public Clock {
 public:
  /// The seed decides the order of events that are ready at once: see make_poller. The default is
  /// $DETENT_SEED, else a random seed. make_poller() in poller.h says when the environment is
  /// ignored.
  explicit Simulation(std::optional<std::uint64_t> seed = std::nullopt);

  [[nodiscard]] TimePoint now() const noexcept override { return now_; }
  [[nodiscard]] BootTime boot_now() const noexcept override {
    return BootTime(saturating_add(now_.time_since_epoch(), suspended_));
  }
  [[nodiscard]] WallTime wall_now() const noexcept override {
    return saturating_add(wall_, boot_now() - wall_set_at_);
  }
  [[nodiscard]] std::unique_ptr<Alarm> make_alarm(ClockId id) override;
  [[nodiscard]] Handle attach(Callback<std::size_t()> run_due) override;

  // ---- time
  /// Lets `d` pass, `d` >= 0, and stops at each deadline on the way. There the loops run until
  /// nothing is due, with now() exactly at the deadline. Throws what a callback throws, and time
  /// then stays at that instant. Throws std::logic_error inside a callback.
  void advance(Duration d);
  /// Lets `d` pass, `d` >= 0, while the loops do nothing, as a callback that blocks for `d` does.
  void pass(Duration d);
  /// Lets `d` pass, `d` >= 0, with the machine suspended: boot and wall time go on, steady time
  /// stands still. Wall alarms become readable, as the kernel's do.
  void suspend(Duration d);
  /// Sets the wall clock, forward or backward. Wall alarms become readable, as the kernel's do.
  void set_wall(WallTime t);
  /// Whether a simulated wait that finds nothing lets time pass to the next deadline or its own
  /// end. Off by default: then such a wait throws, since nothing would ever end it.
  void set_auto_advance(bool on) noexcept { auto_advance_ = on; }

  // ---- readiness
  /// A poller without a kernel, for which any number is a descriptor. A number is ready when
  /// set_ready() says so; an alarm of this clock, at its deadline. Keeps Poller's contract.
  /// Shuffles what is ready at once, so that no test relies on the order. When a test fails, print
  /// seed(), and set $DETENT_SEED to it to see the same order again. Where a batch has no room for
  /// all, each is reported once before any is reported twice. A seed given here is for this poller
  /// alone.
  [[nodiscard]] std::unique_ptr<Poller> make_poller(
      std::optional<std::uint64_t> seed = std::nullopt);
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  /// What `fd`, registered or not, is ready for from now on; {} for nothing. `invalid` acts as a
  /// closed descriptor: it is reported once and ends the registration.
  void set_ready(int fd, Ready ready);
  /// Adds an event, unchecked, to the next wait: for a stale number or a spurious readiness.
  void inject(Event event) { injected_.push_back(event); }

 private:
  friend class SimulatedPoller;
  class VirtualAlarm;
  struct Readiness {
    Ready ready;
    std::uint64_t change = 0;  // its number: after each, an edge is reported again
  };

  void move_to(TimePoint t);
  void signal_expired();
  void ring_wall_alarms() noexcept;
  void run_loops();
  std::size_t run_each_loop();
  [[nodiscard]] std::optional<TimePoint> next_deadline() const;
  [[nodiscard]] Readiness readiness(int fd) const;

  TimePoint now_;
  Duration suspended_ = {};
  WallTime wall_;         // as it was last set,
  BootTime wall_set_at_;  // and when
  bool auto_advance_ = false;
  bool advancing_ = false;
  std::uint64_t changes_ = 0;  // counts changes counts changes of readiness and of alarms
  std::vector<VirtualAlarm*> alarms_;
  HandlerList<std::size_t()> loops_;

  const std::uint64_t seed_;
  std::map<int, Readiness> ready_;
  std::vector<Event> injected_;
};

}  // namespace detent
