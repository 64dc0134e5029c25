// SPDX-License-Identifier: BSL-1.0
// W3. How late are periodic timers, are any of them missed, and do they drift? A hundred of them,
// of 1 to 100 ms, which do nothing else.
#include <cmath>
#include <string>
#include <vector>

#include "peers/contestant.h"
#include "support/cpu.h"
#include "support/percentiles.h"
#include "support/results.h"

namespace {

using namespace bench;

// Five bins for each power of ten; the first is for what came early.
Bins histogram(const std::vector<double>& sorted) {
  Bins bins;
  auto from = sorted.begin();
  for (int i = -1; from != sorted.end(); ++i) {
    const double upper = i < 0 ? 0 : std::pow(10.0, i / 5.0);
    const auto to = std::upper_bound(from, sorted.end(), upper);
    bins.emplace_back(upper, static_cast<std::uint64_t>(to - from));
    from = to;
  }
  return bins;
}

void measure(Results& results, const Sample& sample, const Contestant& peer, std::size_t timers,
             Nanoseconds time) {
  Punctuality found = peer.periodic(peer.name, timers, time);
  results.add(sample, "p50_us", percentile(found.late_us, 0.5));
  results.add(sample, "p99_us", percentile(found.late_us, 0.99));
  results.add(sample, "max_us", found.late_us.back());
  results.add(sample, "missed", found.missed);
  results.add(sample, "drift_us", found.drift_us);
  results.add(sample, "cpu_us_per_fire", found.cpu_us_per_fire);
  results.add_histogram(sample, histogram(found.late_us));
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  Results results(options, "W3");
  const Nanoseconds time = std::chrono::milliseconds(options.pick(20, 300, 5000));
  const auto timers = options.pick<std::size_t>(10, 100, 100);
  pin_to_core(0);
  for (int round = 0; round < options.rounds; ++round) {
    for (const Contestant& peer : contestants()) {
      if (!options.wants(peer.name)) continue;
      measure(results,
              {.test_case = "timers=" + std::to_string(timers), .peer = peer.name, .round = round},
              peer, timers, time);
    }
  }
  results.print();
}
