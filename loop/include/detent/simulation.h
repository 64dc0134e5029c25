// SPDX-License-Identifier: BSL-1.0
/// \file
/// A world in which a test decides what time it is and what is ready: the way to test programs
/// built on detent without sleeping.
///
///     detent::Simulation simulation;
///     detent::Reactor reactor({.poller = simulation.make_poller(), .clock = &simulation});
///     detent::TimerService timers(reactor);
///     auto tick = timers.every(1s, [&] { ++count; });
///     simulation.advance(1h);                     // count is 3600 now, and no time has passed
///
/// A loop may have a real poller and the simulation's time, so that real sockets meet it.
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

/// The clock of its loops. Starts at a fixed instant; time passes only by the calls below. Loops
/// share it, and run when it is moved, in the order in which they were made. One thread. Must
/// outlive its alarms, its pollers and its loops.
class Simulation final : public Clock {
 public:
  /// The seed decides the order in which what is ready at once is told: see make_poller. Without
  /// one $DETENT_SEED is used, else a random one. When the environment is ignored: see
  /// make_poller() in poller.h.
  explicit Simulation(std::optional<std::uint64_t> seed = std::nullopt);
  ~Simulation() override;

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
  /// Lets `d` pass, `d` >= 0, stopping at each deadline on the way: the loops run until nothing is
  /// due, with now() exactly at the deadline, before time goes on. What a callback throws leaves
  /// here, with time standing where it was thrown. Throws std::logic_error inside a callback.
  void advance(Duration d);
  /// Lets `d` pass, `d` >= 0, while the loops do nothing: as in a callback that blocks that long.
  void pass(Duration d);
  /// As `pass`, with the machine asleep: boot and wall time go on, steady time stands still. Wall
  /// alarms become readable, as the kernel's do.
  void suspend(Duration d);
  /// Sets the wall clock, forward or backward. Wall alarms become readable, as the kernel's do.
  void set_wall(WallTime t);
  /// Whether a wait of a simulated poller that finds nothing ready lets time pass up to the next
  /// deadline or the end of the wait. Off by default: then such a wait throws, since nothing would
  /// ever end it.
  void set_auto_advance(bool on) noexcept { auto_advance_ = on; }

  // ---- readiness
  /// A poller without a kernel: numbers stand for descriptors, and are ready when set_ready() says
  /// so or, for an alarm of this clock, when its time has come. All of Poller's contract holds.
  /// When several are ready at once their order is shuffled, so that no test comes to rely on it:
  /// print seed() when a test fails, and set $DETENT_SEED to it to see the same order again. Where
  /// a batch has no room for all, none is told twice before each was told once.
  /// A seed given here is this poller's own.
  [[nodiscard]] std::unique_ptr<Poller> make_poller(
      std::optional<std::uint64_t> seed = std::nullopt);
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  /// What `fd`, registered or not yet, is ready for from now on; {} for nothing. `invalid` acts as
  /// a descriptor that was closed: it is reported once and ends the registration.
  void set_ready(int fd, Ready ready);
  /// Puts an event into the next wait as it is: a stale number, a spurious readiness.
  void inject(Event event) { injected_.push_back(event); }

 private:
  friend class SimulatedPoller;
  class VirtualAlarm;
  struct Readiness {
    Ready ready;
    std::uint64_t change = 0;  // which: an edge is told again after each
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
  std::uint64_t changes_ = 0;  // of readiness and of alarms
  std::vector<VirtualAlarm*> alarms_;
  HandlerList<std::size_t()> loops_;

  const std::uint64_t seed_;
  std::map<int, Readiness> ready_;
  std::vector<Event> injected_;
};

}  // namespace detent
