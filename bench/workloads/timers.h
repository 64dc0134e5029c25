// SPDX-License-Identifier: BSL-1.0
// W2. What the operations on one-shot timers cost, by how many there are.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/check.h"
#include "support/cpu.h"

namespace bench {

/// Nanoseconds of CPU for one operation.
struct TimerCosts {
  double add = 0;
  double random_rearm = 0;  // to any deadline
  double idle_rearm = 0;    // to a later one, always
  double cancel = 0;
  std::optional<double> fire = {};        // nullopt: too many of them for this peer
  std::optional<double> fire_moved = {};  // each was re-armed once before
};

/// What is decided by chance is decided before the clock runs, and alike for all peers.
class TimerPlan {
 public:
  using Delay = std::chrono::microseconds;

  explicit TimerPlan(std::size_t timers) : order(timers) {
    std::mt19937 random(2026);  // NOLINT(bugprone-random-*,cert-msc*): the same for all
    std::iota(order.begin(), order.end(), 0U);
    std::shuffle(order.begin(), order.end(), random);
    const auto fill = [&](std::vector<Delay>& delays, std::int64_t least, std::int64_t most) {
      std::uniform_int_distribution<std::int64_t> any(least, most);
      delays.resize(timers);
      for (Delay& delay : delays) delay = Delay(any(random));
    };
    fill(far, 10'000'000, 110'000'000);
    fill(other, 10'000'000, 110'000'000);
    fill(near, 100, kNearest.count());
    fill(soon, 100, kNearest.count());
  }

  static constexpr Delay kNearest{5000};

  std::vector<std::uint32_t> order;  // in which timers are changed
  std::vector<Delay> far;
  std::vector<Delay> other;
  std::vector<Delay> near;  // within kNearest
  std::vector<Delay> soon;  // within kNearest
};

template <class Peer>
class TimersOf {
 public:
  TimersOf(const std::string& name, const TimerPlan& plan)
      : plan_(plan), peer_(name), timers_(plan.order.size()) {}

  /// Adds to `sum` what one operation of each kind costs, but for firing.
  void change(TimerCosts& sum) {
    // Re-arming is so cheap that reading the clock would show: few timers take several turns.
    const std::size_t passes = std::max<std::size_t>(1, 20'000 / timers_.size());
    in_a_callback([&] {
      sum.add += cost(1, [&](std::size_t) {
        for (std::size_t i = 0; i < timers_.size(); ++i) add(i, plan_.far[i]);
      });
      sum.random_rearm += cost(passes, [&](std::size_t pass) {
        const auto& delays = pass % 2 == 0 ? plan_.other : plan_.far;
        for (const std::uint32_t i : plan_.order) timers_[i]->rearm(delays[i]);
      });
      auto later = TimerPlan::Delay(std::chrono::seconds(200));
      sum.idle_rearm += cost(passes, [&](std::size_t) {
        for (const std::uint32_t i : plan_.order) timers_[i]->rearm(++later);
      });
      sum.cancel += cost(1, [&](std::size_t) {
        for (const std::uint32_t i : plan_.order) timers_[i]->cancel();
      });
    });
    require(fired_ == 0, "a timer fired before its time");
    remove_all();
  }

  /// The same for firing, of timers that were moved before or not: whoever puts the work of moving
  /// off does it now.
  void fire(std::optional<double>& sum, bool moved) {
    Nanoseconds start{};
    in_a_callback([&] {
      for (std::size_t i = 0; i < timers_.size(); ++i) add(i, plan_.near[i]);
      if (moved) {
        for (const std::uint32_t i : plan_.order) timers_[i]->rearm(plan_.soon[i]);
      }
      std::this_thread::sleep_for(TimerPlan::kNearest + std::chrono::milliseconds(2));
      require(fired_ == 0, "a timer fired outside of the loop");
      start = thread_cpu();
    });
    while (fired_ < timers_.size()) peer_.run();
    sum = sum.value_or(0) + each(fired_at_ - start);
    require(fired_ == timers_.size(), "not every timer fired");
    fired_ = 0;
    remove_all();
  }

 private:
  struct OnExpiry {
    TimersOf* timers;
    std::size_t index;
    void operator()() { timers->on_expiry(index); }
  };
  using Timer = typename Peer::template Timer<OnExpiry>;

  void add(std::size_t i, TimerPlan::Delay delay) {
    timers_[i].emplace(peer_, delay, OnExpiry{this, i});
  }
  void remove_all() {
    for (auto& timer : timers_) timer.reset();
  }
  void on_expiry(std::size_t index) {
    seen_ += index;
    if (++fired_ < timers_.size()) return;
    fired_at_ = thread_cpu();
    require(seen_ == timers_.size() * (timers_.size() - 1) / 2, "a timer fired twice");
    seen_ = 0;
    peer_.stop();
  }

  // Loops know the time in there, and where they are called a user's code is.
  template <class Work>
  void in_a_callback(Work work) {
    called_ = false;
    const auto on_expiry = [&] {
      work();
      called_ = true;
      peer_.stop();
    };
    typename Peer::template Timer<decltype(on_expiry)> now(peer_, TimerPlan::Delay(0), on_expiry);
    while (!called_) peer_.run();
  }

  template <class Pass>
  [[nodiscard]] double cost(std::size_t passes, Pass pass) const {
    const Nanoseconds start = thread_cpu();
    for (std::size_t i = 0; i < passes; ++i) pass(i);
    return each(thread_cpu() - start) / static_cast<double>(passes);
  }
  [[nodiscard]] double each(Nanoseconds all) const {
    return all.count() / static_cast<double>(timers_.size());
  }

  const TimerPlan& plan_;
  bool called_ = false;
  std::size_t fired_ = 0;
  std::size_t seen_ = 0;  // the sum of the indices of those that fired
  Nanoseconds fired_at_{};
  Peer peer_;
  std::vector<std::optional<Timer>> timers_;
};

/// `least` operations of each kind, at the least: with few timers, all is repeated.
template <class Peer>
TimerCosts timer_costs(const std::string& name, const TimerPlan& plan, std::size_t least) {
  TimersOf<Peer> timers(name, plan);
  const std::size_t repeats = std::max<std::size_t>(1, least / plan.order.size());
  // What the kernel takes for memory that is touched for the first time is paid once in a program.
  TimerCosts warm_up;
  timers.change(warm_up);
  TimerCosts sum;
  for (std::size_t i = 0; i < repeats; ++i) timers.change(sum);
  // Each takes a sleep.
  const std::size_t fire_repeats = std::min<std::size_t>(repeats, 10);
  if (plan.order.size() <= Peer::kMostDue) {
    for (std::size_t i = 0; i < fire_repeats; ++i) {
      timers.fire(sum.fire, false);
      timers.fire(sum.fire_moved, true);
    }
  }
  const auto mean = [](double& cost, std::size_t of) { cost /= static_cast<double>(of); };
  for (double* cost : {&sum.add, &sum.random_rearm, &sum.idle_rearm, &sum.cancel}) {
    mean(*cost, repeats);
  }
  for (auto* cost : {&sum.fire, &sum.fire_moved}) {
    if (*cost) mean(**cost, fire_repeats);
  }
  return sum;
}

}  // namespace bench
