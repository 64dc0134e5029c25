// SPDX-License-Identifier: BSL-1.0
// W5. What does it cost to hand a function to a loop from another thread, and how long does it take
// when that loop sleeps? The two threads run on different cores.
#include <string>

#include "peers/contestant.h"
#include "support/cpu.h"
#include "support/in_process.h"
#include "support/percentiles.h"

namespace {

using namespace bench;

void post_many(benchmark::State& state, const Contestant& peer, std::size_t count) {
  while (state.KeepRunning()) {
    const PostCosts costs = peer.posts(peer.name, count);
    state.SetIterationTime(costs.elapsed * static_cast<double>(count) / 1e9);
    state.counters["ns_per_post"] = costs.elapsed;
    state.counters["cpu_ns_per_post"] = costs.cpu;
  }
}

void to_and_fro(benchmark::State& state, const Contestant& peer, std::size_t trips) {
  while (state.KeepRunning()) {
    const Nanoseconds start = elapsed();
    std::vector<double> latencies = peer.ping_pong(peer.name, trips);
    state.SetIterationTime(std::chrono::duration<double>(elapsed() - start).count());
    state.counters["p50_us"] = percentile(latencies, 0.5);
    state.counters["p99_us"] = percentile(latencies, 0.99);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  Results results(options, "W5");
  InProcess trials(options, results);
  pin_to_core(0);
  const std::size_t count = options.pick<std::size_t>(1000, 200'000, 2'000'000);
  const std::size_t trips = options.pick<std::size_t>(10, 1000, 10'000);
  for (int round = 0; round < options.rounds; ++round) {
    for (const Contestant& peer : contestants()) {
      if (!options.wants(peer.name)) continue;
      trials.add(
          "one producer", peer.name, round,
          [=](benchmark::State& state) { post_many(state, peer, count); }, true);
    }
  }
  for (int round = 0; round < options.rounds; ++round) {
    for (const Contestant& peer : contestants()) {
      if (!options.wants(peer.name)) continue;
      trials.add(
          "ping-pong", peer.name, round,
          [=](benchmark::State& state) { to_and_fro(state, peer, trips); }, true);
    }
  }
  trials.run();
  results.print();
}
