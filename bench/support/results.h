// SPDX-License-Identifier: BSL-1.0
// What was measured: as lines of JSON in a file, and as a table on the screen.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "support/options.h"

namespace bench {

struct Sample {
  std::string test_case;
  std::string peer;
  int round = 0;
  std::string metric = {};
  double value = 0;
};

/// Upper bounds in microseconds, and how many values lie at or below each and above the one before.
using Bins = std::vector<std::pair<double, std::uint64_t>>;

class Results {
 public:
  /// Opens the file and writes down in it the machine and the command.
  Results(const Options& options, std::string workload);

  void add(Sample sample);
  /// `where` with that metric and value.
  void add(Sample where, std::string metric, double value);
  void add_histogram(const Sample& where, const Bins& bins);

  /// Medians, spreads and, in the same round, ratios to `yardstick`.
  void print(const std::string& yardstick = "raw_epoll") const;

 private:
  std::string workload_;
  std::ofstream file_;
  std::vector<Sample> samples_;
};

}  // namespace bench
