// SPDX-License-Identifier: BSL-1.0
// W1. What does a loop add to a read and a write? By the number of descriptors, by how many of them
// are ready at a time, and with an idle timer that each event puts off.

#include "workloads/ring.h"

#include <memory>
#include <string>

#include "peers/contestant.h"
#include "peers/trials.h"
#include "support/cpu.h"
#include "support/descriptors.h"
#include "support/in_process.h"

namespace {

using namespace bench;

// The one of the present case. Making one for each trial would take longer than the trials.
const Ring& ring_of(std::size_t size) {
  static std::unique_ptr<Ring> ring;
  if (!ring || ring->size() != size) {
    ring.reset();
    ring = std::make_unique<Ring>(size);
  }
  return *ring;
}

std::string name_of(std::size_t size, const RingCase& test_case) {
  return "N=" + std::to_string(size) + " M=" + std::to_string(test_case.in_flight) +
         " timers=" + std::to_string(static_cast<int>(test_case.timers));
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  Results results(options, "W1");
  InProcess trials(options, results);
  pin_to_core(0);
  for (const std::size_t size : {100U, 1000U, 9000U}) {
    if (!descriptors_suffice(2 * size) || (options.size == Size::smoke && size > 100)) continue;
    for (const std::size_t in_flight : {1U, 100U}) {
      for (const bool timers : {false, true}) {
        const RingCase test_case{in_flight, timers};
        for (int round = 0; round < options.rounds; ++round) {
          for (const Contestant& peer : contestants()) {
            if (!options.wants(peer.name) || descriptors_exceed(peer.descriptor_limit, 2 * size)) {
              continue;
            }
            trials.add(name_of(size, test_case), peer.name, round, [=](benchmark::State& state) {
              measure_ring(state, peer, ring_of(size), test_case);
            });
          }
        }
      }
    }
  }
  trials.run();
  results.print();
}
