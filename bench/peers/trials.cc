// SPDX-License-Identifier: BSL-1.0
#include "peers/trials.h"

#include "support/cpu.h"

namespace bench {

namespace {

// The one of the present case: making one for each trial would take longer than the trials.
const TimerPlan& plan_of(std::size_t timers) {
  static TimerPlan plan(0);
  if (plan.order.size() != timers) plan = TimerPlan(timers);
  return plan;
}

}  // namespace

void measure_ring(benchmark::State& state, const Contestant& peer, const Ring& ring,
                  const RingCase& test_case) {
  constexpr std::size_t kBatch = 100;
  const Nanoseconds before = thread_cpu();
  const auto ring_loop = peer.ring_loop(peer.name, test_case, ring);
  ring_loop->run(test_case.in_flight);  // some put registering off until they wait
  const Nanoseconds set_up = thread_cpu() - before;
  ring_loop->run(kBatch);  // the first time is another thing

  Nanoseconds sum{};
  while (state.KeepRunning()) {
    const Nanoseconds start = thread_cpu();
    ring_loop->run(kBatch);
    const Nanoseconds spent = thread_cpu() - start;
    sum += spent;
    state.SetIterationTime(std::chrono::duration<double>(spent).count());
  }
  state.counters["ns_per_event"] = sum.count() / (static_cast<double>(state.iterations()) * kBatch);
  if (test_case.in_flight == 1) {
    const auto registered = static_cast<double>(ring.size() + ring.idle());
    state.counters["set_up_ns_per_fd"] = set_up.count() / registered;
  }
}

void measure_timers(benchmark::State& state, const Contestant& peer, std::size_t timers,
                    std::size_t least) {
  const TimerPlan& plan = plan_of(timers);
  while (state.KeepRunning()) {
    const Nanoseconds start = thread_cpu();
    const TimerCosts costs = peer.timers(peer.name, plan, least);
    state.SetIterationTime(std::chrono::duration<double>(thread_cpu() - start).count());
    state.counters["add_ns"] = costs.add;
    state.counters["random_rearm_ns"] = costs.random_rearm;
    state.counters["idle_rearm_ns"] = costs.idle_rearm;
    state.counters["cancel_ns"] = costs.cancel;
    if (costs.fire) state.counters["fire_ns"] = *costs.fire;
    if (costs.fire_moved) state.counters["fire_moved_ns"] = *costs.fire_moved;
  }
}

}  // namespace bench
