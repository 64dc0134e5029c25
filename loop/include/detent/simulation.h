// SPDX-License-Identifier: BSL-1.0
/// \file
/// A clock that stands still until a test moves it, and a poller whose readiness a test decides:
/// the way to test programs built on detent without sleeping.
///
///     detent::VirtualClock clock;
///     detent::Reactor reactor({.poller = std::make_unique<detent::SimulatedPoller>(clock),
///                              .clock = &clock});
///     detent::TimerService timers(reactor);
///     auto tick = timers.every(1s, [&] { ++count; });
///     clock.advance(1h);                          // count is 3600 now, and no time has passed
///
/// A VirtualClock works with a real poller too, so that real sockets meet a virtual time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "detent/clock.h"
#include "detent/handler_list.h"
#include "detent/poller.h"

namespace detent {

class Batch;

/// Starts at a fixed instant and moves only by the calls below. One thread. Must outlive its
/// alarms and the loops made with it.
class VirtualClock final : public Clock {
 public:
  VirtualClock();

  [[nodiscard]] TimePoint now() const noexcept override { return now_; }
  [[nodiscard]] BootTime boot_now() const noexcept override {
    return BootTime(saturating_add(now_.time_since_epoch(), suspended_));
  }
  [[nodiscard]] WallTime wall_now() const noexcept override {
    return saturating_add(wall_, boot_now() - wall_set_at_);
  }
  [[nodiscard]] std::unique_ptr<Alarm> make_alarm(ClockId id) override;
  [[nodiscard]] Handle attach(Callback<std::size_t()> run_due) override;

  /// Lets `d` pass, `d` >= 0, stopping at each deadline on the way: the loops made with this clock
  /// run until nothing is due, with now() exactly at the deadline, before time goes on. What a
  /// callback throws leaves here, with time standing where it was thrown. Throws std::logic_error
  /// inside a callback.
  void advance(Duration d);

  /// Lets `d` pass, `d` >= 0, while the loops do nothing: as in a callback that blocks that long.
  void pass(Duration d);
  /// As `pass`, with the machine asleep: boot and wall time go on, steady time stands still. Wall
  /// alarms become readable, as the kernel's do.
  void suspend(Duration d);
  /// Sets the wall clock, forward or backward. Wall alarms become readable, as the kernel's do.
  void set_wall(WallTime t);

  /// Whether a wait of a SimulatedPoller that finds nothing ready lets time pass up to the next
  /// deadline or the end of the wait. Off by default: then such a wait throws, since nothing would
  /// ever end it.
  void set_auto_advance(bool on) noexcept { auto_advance_ = on; }

 private:
  friend class SimulatedPoller;
  class VirtualAlarm;

  void move_to(TimePoint t);
  void signal_expired();
  void ring_wall_alarms() noexcept;
  void run_loops();
  std::size_t run_each_loop();
  [[nodiscard]] std::optional<TimePoint> next_deadline() const;
  [[nodiscard]] std::uint64_t expiry(int alarm_fd) const noexcept;

  TimePoint now_;
  Duration suspended_ = {};
  WallTime wall_;         // as it was last set,
  BootTime wall_set_at_;  // and when
  bool auto_advance_ = false;
  bool advancing_ = false;
  std::uint64_t armings_ = 0;
  std::vector<VirtualAlarm*> alarms_;
  HandlerList<std::size_t()> loops_;
};

/// A poller without a kernel: numbers stand for descriptors, and are ready when a test says so or,
/// for a virtual alarm, when the clock does. All of Poller's contract holds. When several are ready
/// at once their order is shuffled, so that no test comes to rely on it: print seed() when a test
/// fails, and set $DETENT_SEED to it to see the same order again. Where a batch has no room for
/// all, none is told twice before each was told once.
class SimulatedPoller final : public Poller {
 public:
  /// Without a seed $DETENT_SEED is used, else a random one. `clock` must outlive the poller. When
  /// the environment is ignored: see make_poller.
  explicit SimulatedPoller(VirtualClock& clock, std::optional<std::uint64_t> seed = std::nullopt);

  /// What `fd`, registered or not yet, is ready for from now on; {} for nothing. `invalid` acts as
  /// a descriptor that was closed: it is reported once and ends the registration.
  void set_ready(int fd, Ready ready);
  /// Puts an event into the next wait as it is: a stale number, a spurious readiness.
  void inject(Event event) { injected_.push_back(event); }
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

  void add(int fd, Interest interest, HandlerId id) override;
  void modify(int fd, Interest interest, HandlerId id) override;
  void remove(int fd) override;
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override;
  [[nodiscard]] Capabilities capabilities() const noexcept override;
  [[nodiscard]] std::string_view name() const noexcept override { return "simulated"; }
  [[nodiscard]] int native_handle() override;

 private:
  struct Entry {
    Interest interest;
    HandlerId id;
    Ready reported = {};       // edge: what has been told already
    std::uint64_t expiry = 0;  // and of which arming of an alarm
    bool silent = false;       // one-shot: fired
    std::uint64_t lap = 0;     // the last in which it was told
  };

  Entry& entry_of(int fd, const char* call);
  [[nodiscard]] Ready readiness(int fd) const;
  void collect(Batch& batch);
  void collect_injected(Batch& batch);
  void choose_order();
  void collect_lap(Batch& batch);
  bool tell(int fd, Batch& batch);
  [[nodiscard]] std::optional<Ready> report(int fd, Entry& entry) const;

  VirtualClock& clock_;
  std::uint64_t seed_;
  std::mt19937_64 random_;
  std::map<int, Entry> entries_;
  std::map<int, Ready> ready_;
  std::vector<Event> injected_;
  std::vector<int> order_;
  std::uint64_t lap_ = 0;  // in which each that is ready is told once, by however many waits
  bool was_full_ = false;  // the last batch
};

}  // namespace detent
