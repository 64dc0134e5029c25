// SPDX-License-Identifier: BSL-1.0
// W6. What does a server pay for a connection that comes, has one byte echoed, and goes? Eight at a
// time, from another core.
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
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

// One of the connections that are there at a time.
class Visitor {
 public:
  void come(int epoll, std::uint16_t port) {
    began_ = elapsed();
    socket_ = connect_to_loopback(port);
    set_reset_on_close(socket_.fd());
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = this;
    succeeded(::epoll_ctl(epoll, EPOLL_CTL_ADD, socket_.fd(), &event), "epoll_ctl");
    require(::write(socket_.fd(), "v", 1) == 1, "a new connection took no byte");
  }
  // Returns how long the visit took, in microseconds.
  double leave() {
    char byte = 0;
    require(::read(socket_.fd(), &byte, 1) == 1 && byte == 'v', "the byte did not come back");
    socket_.reset();
    return (elapsed() - began_).count() / 1000;
  }

 private:
  Nanoseconds began_{};
  detent::UniqueFd socket_;
};

std::vector<double> visit(std::uint16_t port, Nanoseconds time) {
  const detent::UniqueFd epoll(opened(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
  std::array<Visitor, 8> visitors;
  for (Visitor& visitor : visitors) visitor.come(epoll.fd(), port);
  std::vector<double> latencies;
  const Nanoseconds end = elapsed() + time;
  std::array<epoll_event, 8> events;
  for (std::size_t here = visitors.size(); here > 0;) {
    const int count = ::epoll_wait(epoll.fd(), events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      auto& visitor = *static_cast<Visitor*>(events[static_cast<std::size_t>(i)].data.ptr);
      latencies.push_back(visitor.leave());
      if (elapsed() < end) {
        visitor.come(epoll.fd(), port);
      } else {
        --here;
      }
    }
  }
  return latencies;
}

void measure(Results& results, const Sample& sample, const Contestant& peer, Nanoseconds time) {
  const ServerProcess server([&](const auto& listening) { peer.serve_echo(peer.name, listening); });
  visit(server.port(), time / 10);
  const Nanoseconds before = server.cpu();
  const Nanoseconds start = elapsed();
  std::vector<double> latencies = visit(server.port(), time);
  const Nanoseconds took = elapsed() - start;
  const Nanoseconds spent = server.cpu() - before;
  const auto visits = static_cast<double>(latencies.size());
  results.add(sample, "cpu_us_per_connection", spent.count() / 1000 / visits);
  results.add(sample, "connections_per_s", visits / took.count() * 1e9);
  results.add(sample, "p50_us", percentile(latencies, 0.5));
  results.add(sample, "p99_us", percentile(latencies, 0.99));
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  Results results(options, "W6");
  const Nanoseconds time = std::chrono::milliseconds(options.pick(10, 200, 1000));
  pin_to_core(0);
  for (int round = 0; round < options.rounds; ++round) {
    for (const Contestant& peer : contestants()) {
      if (!options.wants(peer.name)) continue;
      measure(results, {.test_case = "8 at a time", .peer = peer.name, .round = round}, peer, time);
    }
  }
  results.print();
}
