// SPDX-License-Identifier: BSL-1.0
#include "support/results.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <tuple>

#include "support/check.h"
#include "support/json.h"
#include "support/machine.h"

namespace bench {

namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// Of what is on the screen in one row: by round.
using Rounds = std::map<int, double>;

std::vector<double> values_of(const Rounds& rounds) {
  std::vector<double> values;
  for (const auto& [round, value] : rounds) values.push_back(value);
  return values;
}

std::vector<double> ratios(const Rounds& rounds, const Rounds& yardstick) {
  std::vector<double> result;
  for (const auto& [round, value] : rounds) {
    const auto other = yardstick.find(round);
    if (other != yardstick.end() && other->second != 0) result.push_back(value / other->second);
  }
  return result;
}

void print_row(const std::string& peer, const Rounds& rounds, const Rounds& yardstick) {
  const std::vector<double> values = values_of(rounds);
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double middle = median(values);
  std::printf("    %-18s %12.4g", peer.c_str(), middle);
  const std::vector<double> compared = ratios(rounds, yardstick);
  if (compared.empty()) {
    std::printf("  %8s", "");
  } else {
    std::printf("  x%-7.3g", median(compared));
  }
  if (middle > 0) std::printf("  spread %.0f%%", (*most - *least) / middle * 100);
  std::printf("\n");
}

JsonLine line(const char* kind, const std::string& workload, const Sample& sample) {
  return JsonLine()
      .field("kind", kind)
      .field("workload", workload)
      .field("case", sample.test_case)
      .field("peer", sample.peer)
      .field("round", sample.round);
}

}  // namespace

Results::Results(const Options& options, std::string workload) : workload_(std::move(workload)) {
  if (options.out.empty()) return;
  file_.open(options.out);
  require(file_.is_open(), "cannot open the file for the results");
  file_ << machine_line(options.commit) << std::endl;
  file_ << JsonLine().field("kind", "command").field("command", options.command).text()
        << std::endl;
}

void Results::add(Sample sample) {
  if (file_.is_open()) {
    file_ << line("sample", workload_, sample)
                 .field("metric", sample.metric)
                 .field("value", sample.value)
                 .text()
          << std::endl;
  }
  samples_.push_back(std::move(sample));
}

void Results::add(Sample where, std::string metric, double value) {
  where.metric = std::move(metric);
  where.value = value;
  add(std::move(where));
}

void Results::add_histogram(const Sample& where, const Bins& bins) {
  if (!file_.is_open()) return;
  std::string list = "[";
  for (const auto& [upper, count] : bins) {
    char bin[48];
    std::snprintf(bin, sizeof bin, "%s[%.6g, %llu]", list.size() > 1 ? ", " : "", upper,
                  static_cast<unsigned long long>(count));
    list += bin;
  }
  file_ << line("histogram", workload_, where).raw("bins", list + "]").text() << std::endl;
}

void Results::print(const std::string& yardstick) const {
  // Cases, metrics and peers in the order in which they were first measured.
  std::map<std::tuple<std::string, std::string, std::string>, Rounds> rows;
  std::vector<std::pair<std::string, std::string>> tables;
  std::vector<std::string> peers;
  const auto note = [](auto& list, auto value) {
    if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
  };
  for (const Sample& sample : samples_) {
    rows[{sample.test_case, sample.metric, sample.peer}][sample.round] = sample.value;
    note(tables, std::pair(sample.test_case, sample.metric));
    note(peers, sample.peer);
  }
  for (const auto& [test_case, metric] : tables) {
    std::printf("%s  %s: %s\n", workload_.c_str(), test_case.c_str(), metric.c_str());
    for (const std::string& peer : peers) {
      const auto row = rows.find({test_case, metric, peer});
      if (row != rows.end()) print_row(peer, row->second, rows[{test_case, metric, yardstick}]);
    }
  }
}

}  // namespace bench
