// SPDX-License-Identifier: BSL-1.0
// W7. What does a server pay for a datagram that it sends back? A client on another core sends one
// at a time, or keeps many under way.
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "peers/contestant.h"
#include "support/check.h"
#include "support/cpu.h"
#include "support/loopback.h"
#include "support/percentiles.h"
#include "support/results.h"
#include "support/server_process.h"
#include <detent/unique_fd.h>

namespace {

using namespace bench;

class DatagramClient {
 public:
  explicit DatagramClient(std::uint16_t port) : socket_(datagram_socket()) {
    connect_datagrams(socket_.fd(), port);
  }

  // How long each took to come back, in microseconds. All come back: so few fit into any buffer.
  std::vector<double> ask(std::size_t in_flight, Nanoseconds time) {
    std::vector<double> latencies;
    const Nanoseconds end = elapsed() + time;
    for (std::size_t i = 0; i < in_flight; ++i) send();
    for (std::size_t under_way = in_flight; under_way > 0;) {
      latencies.push_back(receive());
      if (elapsed() < end) {
        send();
      } else {
        --under_way;
      }
    }
    return latencies;
  }

 private:
  struct Datagram {
    double sent_at;
    std::array<char, 56> rest;
  };

  void send() {
    Datagram datagram{elapsed().count(), {}};
    require(::send(socket_.fd(), &datagram, sizeof datagram, 0) == sizeof datagram,
            "a datagram was not sent");
  }
  double receive() {
    pollfd readable{socket_.fd(), POLLIN, 0};
    require(::poll(&readable, 1, 1000) == 1, "a datagram was lost");
    Datagram datagram{};
    require(::recv(socket_.fd(), &datagram, sizeof datagram, 0) == sizeof datagram,
            "a datagram did not come back whole");
    return (elapsed().count() - datagram.sent_at) / 1000;
  }

  detent::UniqueFd socket_;
};

void measure(Results& results, const Sample& sample, const Contestant& peer, std::size_t in_flight,
             Nanoseconds time) {
  const ServerProcess server(
      [&](const auto& listening) { peer.serve_datagrams(peer.name, listening); });
  DatagramClient client(server.port());
  client.ask(in_flight, time / 10);
  const Nanoseconds before = server.cpu();
  const Nanoseconds start = elapsed();
  std::vector<double> latencies = client.ask(in_flight, time);
  const Nanoseconds took = elapsed() - start;
  const Nanoseconds spent = server.cpu() - before;
  const auto datagrams = static_cast<double>(latencies.size());
  results.add(sample, "cpu_us_per_request", spent.count() / 1000 / datagrams);
  results.add(sample, "requests_per_s", datagrams / took.count() * 1e9);
  results.add(sample, "p50_us", percentile(latencies, 0.5));
  results.add(sample, "p99_us", percentile(latencies, 0.99));
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  Results results(options, "W7");
  const Nanoseconds time = std::chrono::milliseconds(options.pick(10, 150, 1000));
  pin_to_core(0);
  for (const std::size_t in_flight : {1U, 32U}) {
    for (int round = 0; round < options.rounds; ++round) {
      for (const Contestant& peer : contestants()) {
        if (!options.wants(peer.name)) continue;
        measure(results,
                {.test_case = "bytes=64 in_flight=" + std::to_string(in_flight),
                 .peer = peer.name,
                 .round = round},
                peer, in_flight, time);
      }
    }
  }
  results.print();
}
