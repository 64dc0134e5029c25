// SPDX-License-Identifier: BSL-1.0
#include "detent/simulation.h"

#include <algorithm>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>

#include "environment.h"
#include "simulated_poller.h"
#include "wakeup.h"

namespace detent {
namespace {

// Any fixed day would do; a real one keeps printed dates readable.
constexpr TimePoint kStart{std::chrono::hours(24)};
constexpr WallTime kWallStart{std::chrono::sys_days{std::chrono::year{2024} / 1 / 1}};

constexpr int kMostTurnsInAnInstant = 1'000'000;

std::uint64_t choose_seed(std::optional<std::uint64_t> seed) {
  if (seed) return *seed;
  if (const char* text = environment("DETENT_SEED")) return std::strtoull(text, nullptr, 10);
  return std::random_device()();
}

void check_not_negative(Duration d, const char* call) {
  if (d < Duration::zero()) throw std::invalid_argument(std::string(call) + ": negative duration");
}

}  // namespace

// Pollers of the kernel see it ready by its wakeup, SimulatedPoller by expired().
class Simulation::VirtualAlarm final : public Alarm {
 public:
  VirtualAlarm(Simulation& clock, ClockId id) : clock_(clock), id_(id) {
    clock_.alarms_.push_back(this);
  }
  ~VirtualAlarm() override { std::erase(clock_.alarms_, this); }

  void disarm() override { set(std::nullopt); }
  [[nodiscard]] int fd() const noexcept override { return wakeup_.fd(); }

  [[nodiscard]] bool expired() const noexcept {
    return deadline_ && (clock_was_set_ || *deadline_ <= time());
  }
  /// The number of the change that armed it.
  [[nodiscard]] std::uint64_t arming() const noexcept { return arming_; }
  /// In steady time; nullopt when disarmed, at the end of time, or beyond it.
  [[nodiscard]] std::optional<TimePoint> deadline() const noexcept {
    if (!deadline_ || *deadline_ == Duration::max()) return std::nullopt;
    const TimePoint then = saturating_add(clock_.now(), saturating_subtract(*deadline_, time()));
    return then == TimePoint::max() ? std::nullopt : std::optional(then);
  }
  void signal_if_expired() const noexcept {
    if (expired()) wakeup_.signal();
  }
  void clock_set() noexcept { clock_was_set_ = id_ == ClockId::wall || id_ == ClockId::wall_alarm; }

 private:
  void arm_at(Duration since_epoch) override { set(since_epoch); }

  void set(std::optional<Duration> deadline) {
    deadline_ = deadline;
    clock_was_set_ = false;
    arming_ = ++clock_.changes_;
    wakeup_.clear();
    signal_if_expired();
  }

  // Now, on this alarm's clock.
  [[nodiscard]] Duration time() const noexcept {
    switch (id_) {
      case ClockId::steady:
        return clock_.now().time_since_epoch();
      case ClockId::boot:
      case ClockId::boot_alarm:
        return clock_.boot_now().time_since_epoch();
      case ClockId::wall:
      case ClockId::wall_alarm:
        break;
    }
    return clock_.wall_now().time_since_epoch();
  }

  Simulation& clock_;
  ClockId id_;
  std::optional<Duration> deadline_;
  bool clock_was_set_ = false;
  std::uint64_t arming_ = 0;
  Wakeup wakeup_;
};

Simulation::Simulation(std::optional<std::uint64_t> seed)
    : now_(kStart),
      wall_(kWallStart),
      wall_set_at_(kStart.time_since_epoch()),
      seed_(choose_seed(seed)) {}

std::unique_ptr<Alarm> Simulation::make_alarm(ClockId id) {
  return std::make_unique<VirtualAlarm>(*this, id);
}

Handle Simulation::attach(Callback<std::size_t()> run_due) {
  return loops_.add(std::move(run_due));
}

void Simulation::advance(Duration d) {
  check_not_negative(d, "Simulation::advance");
  if (advancing_) throw std::logic_error("Simulation::advance: called inside a callback");
  struct Advancing {
    bool& flag;
    ~Advancing() { flag = false; }
  } const advancing = {advancing_ = true};
  const TimePoint target = saturating_add(now_, d);
  run_loops();
  for (auto next = next_deadline(); next && *next <= target; next = next_deadline()) {
    move_to(*next);
    run_loops();
  }
  move_to(std::max(now_, target));  // a callback may have let more time pass
  run_loops();
}

void Simulation::pass(Duration d) {
  check_not_negative(d, "Simulation::pass");
  move_to(saturating_add(now_, d));
}

void Simulation::suspend(Duration d) {
  check_not_negative(d, "Simulation::suspend");
  suspended_ = saturating_add(suspended_, d);
  if (d > Duration::zero()) ring_wall_alarms();
  signal_expired();
}

void Simulation::set_wall(WallTime t) {
  wall_ = t;
  wall_set_at_ = boot_now();
  ring_wall_alarms();
  signal_expired();
}

// The kernel does the same when the offset of the two clocks changed: timerfd_create(2).
void Simulation::ring_wall_alarms() noexcept {
  for (VirtualAlarm* alarm : alarms_) alarm->clock_set();
}

void Simulation::move_to(TimePoint t) {
  now_ = t;
  signal_expired();
}

void Simulation::signal_expired() {
  for (const VirtualAlarm* alarm : alarms_) alarm->signal_if_expired();
}

// Repeat until a round runs no callback and arms no timer. A hook is no callback, but may arm one.
void Simulation::run_loops() {
  for (int turns = 0; turns < kMostTurnsInAnInstant; ++turns) {
    const std::uint64_t changes = changes_;
    if (run_each_loop() == 0 && changes_ == changes) return;
  }
  throw std::logic_error("Simulation::advance: callbacks keep scheduling each other now");
}

std::size_t Simulation::run_each_loop() {
  std::size_t callbacks = 0;
  loops_.for_each([&callbacks](auto& run_due) { callbacks += run_due(); });
  return callbacks;
}

std::optional<TimePoint> Simulation::next_deadline() const {
  std::optional<TimePoint> next;
  for (const VirtualAlarm* alarm : alarms_) {
    const auto deadline = alarm->deadline();
    if (deadline && *deadline > now_ && (!next || *deadline < *next)) next = deadline;
  }
  return next;
}

std::unique_ptr<Poller> Simulation::make_poller(std::optional<std::uint64_t> seed) {
  return std::make_unique<SimulatedPoller>(*this, seed.value_or(seed_));
}

void Simulation::set_ready(int fd, Ready ready) {
  if (ready.hangup) ready.readable = true;
  ready_[fd] = {.ready = ready, .change = ++changes_};
}

Simulation::Readiness Simulation::readiness(int fd) const {
  const auto found = ready_.find(fd);
  Readiness readiness = found == ready_.end() ? Readiness{} : found->second;
  for (const VirtualAlarm* alarm : alarms_) {
    if (alarm->fd() != fd || !alarm->expired()) continue;
    readiness.ready.readable = true;
    readiness.change += alarm->arming();
  }
  return readiness;
}

}  // namespace detent
