// SPDX-License-Identifier: BSL-1.0
#include "support/in_process.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace bench {

namespace {

class Recorder : public benchmark::BenchmarkReporter {
 public:
  Recorder(const std::vector<Sample>& places, Results& results)
      : places_(places), results_(results) {}

  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const Sample& sample = places_[std::stoul(run.run_name.function_name)];
      if (run.error_occurred) {
        std::fprintf(stderr, "%s %s: %s\n", sample.test_case.c_str(), sample.peer.c_str(),
                     run.error_message.c_str());
        std::exit(1);
      }
      for (const auto& [metric, counter] : run.counters) {
        results_.add(sample, metric, counter.value);
      }
    }
  }

 private:
  const std::vector<Sample>& places_;
  Results& results_;
};

// What RegisterBenchmark does, where clang-tidy sees it, which thinks that nobody deletes it.
class TrialBenchmark : public benchmark::internal::Benchmark {
 public:
  TrialBenchmark(const std::string& name, Trial trial)
      : Benchmark(name.c_str()), trial_(std::move(trial)) {}
  void Run(benchmark::State& state) override { trial_(state); }

 private:
  Trial trial_;
};

}  // namespace

void InProcess::add(const std::string& test_case, const std::string& peer, int round,
                    const Trial& trial, bool once) {
  auto* const registered = new TrialBenchmark(std::to_string(places_.size()), trial);
  benchmark::internal::RegisterBenchmarkInternal(registered);
  registered->UseManualTime();
  if (once) {
    registered->Iterations(1);
  } else {
    registered->MinTime(options_.pick(0.0001, 0.02, 0.1));
  }
  places_.push_back({.test_case = test_case, .peer = peer, .round = round});
}

void InProcess::run() {
  Recorder recorder(places_, results_);
  benchmark::RunSpecifiedBenchmarks(&recorder);
}

}  // namespace bench
