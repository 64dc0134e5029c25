// SPDX-License-Identifier: BSL-1.0
// W2. What does it cost to add, re-arm, cancel and fire a timer? By how many there are.

#include <string>

#include "peers/contestant.h"
#include "peers/trials.h"
#include "support/cpu.h"
#include "support/in_process.h"

int main(int argc, char** argv) {
  using namespace bench;
  const Options options = parse_options(argc, argv);
  Results results(options, "W2");
  InProcess trials(options, results);
  pin_to_core(0);
  const std::size_t least = options.pick<std::size_t>(1, 100'000, 1'000'000);
  const std::size_t most = options.pick<std::size_t>(1000, 100'000, 1'000'000);
  for (const std::size_t timers : {1'000U, 100'000U, 1'000'000U}) {
    if (timers > most) continue;
    for (int round = 0; round < options.rounds; ++round) {
      for (const Contestant& peer : contestants()) {
        // How a loop waits does not matter here.
        if (!options.wants(peer.name) || !peer.first_of_its_library) continue;
        trials.add(
            "timers=" + std::to_string(timers), peer.name, round,
            [=](benchmark::State& state) { measure_timers(state, peer, timers, least); }, true);
      }
    }
  }
  trials.run();
  results.print();
}
