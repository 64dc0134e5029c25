// SPDX-License-Identifier: BSL-1.0
// W4. What does a server pay for a request? A client on another core asks on one connection and on
// many, and sends large requests one after the other without waiting.
#include <string>

#include "peers/contestant.h"
#include "support/cpu.h"
#include "support/descriptors.h"
#include "support/percentiles.h"
#include "support/results.h"
#include "support/server_process.h"
#include "workloads/echo_client.h"

namespace {

using namespace bench;

constexpr std::size_t kLargeRequest = std::size_t{16} * 1024;

void measure(Results& results, const Sample& sample, const Contestant& peer,
             const EchoCase& test_case, Nanoseconds time) {
  const ServerProcess server([&](const auto& listening) { peer.serve_echo(peer.name, listening); });
  EchoClient client(server.port(), test_case);
  client.ask(time / 10);
  const Nanoseconds before = server.cpu();
  const Nanoseconds start = elapsed();
  std::vector<double> latencies = client.ask(time);
  const Nanoseconds took = elapsed() - start;
  const Nanoseconds spent = server.cpu() - before;

  const auto requests = static_cast<double>(latencies.size());
  results.add(sample, "cpu_us_per_request", spent.count() / 1000 / requests);
  if (test_case.request_size == kLargeRequest) {
    results.add(sample, "gb_per_s",
                requests * static_cast<double>(test_case.request_size) / took.count());
  } else {
    results.add(sample, "requests_per_s", requests / took.count() * 1e9);
    results.add(sample, "p50_us", percentile(latencies, 0.5));
    results.add(sample, "p99_us", percentile(latencies, 0.99));
  }
}

std::string name_of(const EchoCase& test_case) {
  const std::string name = "connections=" + std::to_string(test_case.connections) +
                           " bytes=" + std::to_string(test_case.request_size);
  return test_case.in_flight == 1 ? name
                                  : name + " in_flight=" + std::to_string(test_case.in_flight);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  Results results(options, "W4");
  const Nanoseconds time = std::chrono::milliseconds(options.pick(10, 100, 1000));
  pin_to_core(0);
  for (const EchoCase& test_case :
       {EchoCase{.connections = 1}, EchoCase{.connections = 100}, EchoCase{.connections = 1000},
        EchoCase{.connections = 1, .request_size = kLargeRequest, .in_flight = 16}}) {
    if (!descriptors_suffice(test_case.connections)) continue;
    if (options.size == Size::smoke && test_case.connections > 100) continue;
    for (int round = 0; round < options.rounds; ++round) {
      for (const Contestant& peer : contestants()) {
        if (!options.wants(peer.name) ||
            descriptors_exceed(peer.descriptor_limit, test_case.connections)) {
          continue;
        }
        measure(results, {.test_case = name_of(test_case), .peer = peer.name, .round = round}, peer,
                test_case, time);
      }
    }
  }
  results.print();
}
