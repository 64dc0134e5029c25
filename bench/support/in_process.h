// SPDX-License-Identifier: BSL-1.0
// Runs measurements that need no second process with Google Benchmark, in rounds.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "support/results.h"

namespace bench {

/// What is measured: like any benchmark of that library, with manual time in seconds of CPU. Each
/// counter that it sets becomes a sample whose metric is the counter's name.
using Trial = std::function<void(benchmark::State&)>;

class InProcess {
 public:
  InProcess(const Options& options, Results& results) : options_(options), results_(results) {}

  /// `once`: the trial measures everything in a single iteration.
  void add(const std::string& test_case, const std::string& peer, int round, const Trial& trial,
           bool once = false);
  /// In the order in which they were added.
  void run();

 private:
  const Options& options_;
  Results& results_;
  std::vector<Sample> places_;  // by the benchmark's name, which is an index
};

}  // namespace bench
