// SPDX-License-Identifier: BSL-1.0
// W9. How do costs grow? Those of an event with the number of idle descriptors, and those of a
// timer with the number of timers.
#include <cstddef>
#include <memory>
#include <string>

#include "peers/contestant.h"
#include "peers/trials.h"
#include "support/cpu.h"
#include "support/descriptors.h"
#include "support/in_process.h"
#include "workloads/ring.h"

namespace {

using namespace bench;

const Ring& ring_with(std::size_t idle) {
  static std::unique_ptr<Ring> ring;
  if (!ring || ring->idle() != idle) {
    ring.reset();
    ring = std::make_unique<Ring>(2, idle);
  }
  return *ring;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  Results results(options, "W9");
  InProcess trials(options, results);
  pin_to_core(0);
  const auto for_each_trial = [&](int rounds, const auto& add) {
    for (int round = 0; round < rounds; ++round) {
      for (const Contestant& peer : contestants()) {
        if (options.wants(peer.name)) add(round, peer);
      }
    }
  };

  const std::size_t most_idle = options.pick<std::size_t>(100, 1000, 15'000);
  for (const std::size_t idle : {10U, 100U, 1000U, 5000U, 10'000U, 15'000U}) {
    if (idle > most_idle || !descriptors_suffice(idle)) continue;
    for_each_trial(options.rounds, [&](int round, const Contestant& peer) {
      if (descriptors_exceed(peer.descriptor_limit, idle)) return;
      trials.add("idle=" + std::to_string(idle), peer.name, round,
                 [=](benchmark::State& state) { measure_ring(state, peer, ring_with(idle), {}); });
    });
  }
  const std::size_t most_timers = options.pick<std::size_t>(1000, 100'000, 10'000'000);
  const std::size_t least = options.pick<std::size_t>(1, 100'000, 100'000);
  for (std::size_t timers = 100; timers <= most_timers; timers *= 10) {
    // Ten million take minutes: once, to see whether the curve goes on.
    const int rounds = timers > 1'000'000 ? 1 : options.rounds;
    for_each_trial(rounds, [&](int round, const Contestant& peer) {
      if (!peer.first_of_its_library || timers > peer.most_timers) return;
      trials.add(
          "timers=" + std::to_string(timers), peer.name, round,
          [=](benchmark::State& state) { measure_timers(state, peer, timers, least); }, true);
    });
  }
  trials.run();
  results.print();
}
