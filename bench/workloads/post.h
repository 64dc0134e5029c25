// SPDX-License-Identifier: BSL-1.0
// W5. Functions handed to a loop by another thread: many, and one at a time to and fro.
#pragma once

#include <unistd.h>

#include <barrier>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "support/check.h"
#include "support/cpu.h"

namespace bench {

/// Nanoseconds for each function.
struct PostCosts {
  double elapsed = 0;
  double cpu = 0;  // of both threads
};

/// A loop whose functions come from elsewhere.
template <class Peer>
struct alignas(kApart) Posted {
  explicit Posted(const std::string& name) : peer(name), inbox(peer) {}
  Peer peer;
  typename Peer::Inbox inbox;
};

template <class Peer>
PostCosts measure_posts(const std::string& name, std::size_t count) {
  Posted<Peer> consumer(name);
  struct alignas(kApart) Expected {
    std::size_t number = 0;
  } expected;
  Nanoseconds ended{};
  struct Function {
    Expected* expected;
    std::size_t number;
    void operator()() const {
      require(expected->number == number, "posted functions ran out of order");
      ++expected->number;
    }
  };
  const auto last = [&] {
    ended = elapsed();
    consumer.peer.stop();
  };

  const Nanoseconds cpu_before = process_cpu(::getpid());
  Nanoseconds began{};
  std::thread producer([&] {
    pin_to_core(1);
    // Copies on its own stack: the closure lies among what the consumer has on the heap.
    auto& inbox = consumer.inbox;
    Expected* const checked = &expected;
    const std::size_t end = count;
    began = elapsed();
    for (std::size_t i = 0; i < end; ++i) inbox.post(Function{checked, i});
    inbox.post(last);
  });
  consumer.peer.run();
  producer.join();
  require(expected.number == count, "not every posted function ran");
  const auto each = [&](Nanoseconds all) { return all.count() / static_cast<double>(count); };
  return {each(ended - began), each(process_cpu(::getpid()) - cpu_before)};
}

/// How long each round trip between two loops took, in microseconds.
template <class Peer>
class PingPong {
 public:
  static std::vector<double> measure(const std::string& name, std::size_t trips) {
    PingPong game(name, trips);
    return std::move(game.latencies_);
  }

 private:
  PingPong(const std::string& name, std::size_t trips) : here_(name), trips_(trips) {
    std::barrier ready(2);
    std::thread other([&] {
      pin_to_core(1);
      Posted<Peer> there(name);
      there_ = &there;
      ready.arrive_and_wait();
      there.peer.run();
    });
    ready.arrive_and_wait();
    serve();
    here_.peer.run();
    there_->inbox.post([there = there_] { there->peer.stop(); });
    other.join();
    require(latencies_.size() == trips, "a ball was lost");
  }

  void serve() {
    served_at_ = elapsed();
    there_->inbox.post([this] { here_.inbox.post([this] { come_back(); }); });
  }
  void come_back() {
    latencies_.push_back((elapsed() - served_at_).count() / 1000);
    if (latencies_.size() < trips_) {
      serve();
    } else {
      here_.peer.stop();
    }
  }

  Posted<Peer> here_;
  Posted<Peer>* there_ = nullptr;
  std::size_t trips_;
  Nanoseconds served_at_{};
  std::vector<double> latencies_;
};

}  // namespace bench
