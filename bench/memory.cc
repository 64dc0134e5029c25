// SPDX-License-Identifier: BSL-1.0
// W8. How much memory do a watch, a timer and a connection take? In user space: what malloc has
// given out for watches and timers, with the objects of their user; what a server process has to
// itself for connections, with the buffers that its way of reading takes.
#include "support/memory.h"

#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "peers/contestant.h"
#include "support/check.h"
#include "support/descriptors.h"
#include "support/results.h"
#include "support/server_process.h"
#include "workloads/echo_client.h"
#include <detent/unique_fd.h>

namespace {

using namespace bench;

// In a process of its own, whose heap nobody else has used.
double in_a_child(const std::function<double()>& measure) {
  int ends[2];
  succeeded(::pipe(ends), "pipe");
  const detent::UniqueFd reading(ends[0]);
  const detent::UniqueFd writing(ends[1]);
  const auto child = static_cast<pid_t>(succeeded(::fork(), "fork"));
  double value = 0;
  if (child == 0) {
    value = measure();
    ::_exit(::write(writing.fd(), &value, sizeof value) == sizeof value ? 0 : 1);
  }
  int status = 0;
  succeeded(::waitpid(child, &status, 0), "waitpid");
  require(status == 0 && ::read(reading.fd(), &value, sizeof value) == sizeof value,
          "a measurement failed");
  return value;
}

double bytes_of_loop(const Contestant& peer, std::size_t watches, bool timers) {
  return in_a_child([&] {
    const Ring ring(watches);
    const RingCase test_case{.in_flight = 1, .timers = timers};
    const double before = allocated();
    const auto ring_loop = peer.ring_loop(peer.name, test_case, ring);
    ring_loop->run(1);
    return allocated() - before;
  });
}

double bytes_of_server(const Contestant& peer, std::size_t connections) {
  const ServerProcess server([&](const auto& listening) { peer.serve_echo(peer.name, listening); });
  EchoClient client(server.port(), {.connections = connections});
  client.ask(Nanoseconds(0));
  return server.memory();
}

// What the constant part of a loop is, a small one has as well.
void measure(Results& results, const Sample& sample, const Contestant& peer, std::size_t small,
             std::size_t large) {
  const auto each = [&](double of_large, double of_small) {
    return (of_large - of_small) / static_cast<double>(large - small);
  };
  const double watches = each(bytes_of_loop(peer, large, false), bytes_of_loop(peer, small, false));
  const double both = each(bytes_of_loop(peer, large, true), bytes_of_loop(peer, small, true));
  results.add(sample, "bytes_per_watch", watches);
  results.add(sample, "bytes_per_timer", both - watches);
  results.add(sample, "bytes_per_connection",
              each(bytes_of_server(peer, large), bytes_of_server(peer, small)));
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  Results results(options, "W8");
  const std::size_t small = options.pick<std::size_t>(10, 100, 1000);
  const std::size_t large = options.pick<std::size_t>(100, 1000, 4000);
  if (!descriptors_suffice(2 * large)) return 0;
  for (int round = 0; round < options.rounds; ++round) {
    for (const Contestant& peer : contestants()) {
      if (!options.wants(peer.name) || descriptors_exceed(peer.descriptor_limit, 2 * large))
        continue;
      measure(results,
              {.test_case = "from " + std::to_string(small) + " to " + std::to_string(large),
               .peer = peer.name,
               .round = round},
              peer, small, large);
    }
  }
  results.print();
}
