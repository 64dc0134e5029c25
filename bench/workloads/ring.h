// SPDX-License-Identifier: BSL-1.0
// W1. A ring of socket pairs: whoever receives a byte sends one on to the next.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "support/check.h"
#include <detent/unique_fd.h>

namespace bench {

class Ring {
 public:
  /// `idle`: so many descriptors more, of which nothing ever comes.
  explicit Ring(std::size_t size, std::size_t idle = 0) {
    for (std::size_t i = 0; i < size; ++i) {
      int ends[2];
      succeeded(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), "socketpair");
      receiving_.emplace_back(ends[0]);
      sending_.emplace_back(ends[1]);
    }
    for (std::size_t i = 0; i < idle; ++i) {
      idle_.emplace_back(opened(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), "socket"));
    }
  }
  [[nodiscard]] std::size_t size() const { return receiving_.size(); }
  [[nodiscard]] std::size_t idle() const { return idle_.size(); }
  [[nodiscard]] int idle(std::size_t i) const { return idle_[i].fd(); }
  [[nodiscard]] int receiving(std::size_t i) const { return receiving_[i].fd(); }
  void send(std::size_t i) const {
    require(::write(sending_[i].fd(), "x", 1) == 1, "a pipe did not take a byte");
  }

 private:
  std::vector<detent::UniqueFd> receiving_;
  std::vector<detent::UniqueFd> sending_;
  std::vector<detent::UniqueFd> idle_;
};

struct RingCase {
  std::size_t in_flight = 1;
  bool timers = false;  // with one for each pair, put off by each of its events
};

/// A loop with all of the ring's receiving ends registered, and its idle descriptors.
class RingLoop {
 public:
  RingLoop() = default;
  RingLoop(const RingLoop&) = delete;
  RingLoop& operator=(const RingLoop&) = delete;
  virtual ~RingLoop() = default;
  /// Returns when so many bytes have been received and none is under way.
  virtual void run(std::size_t events) = 0;
};

template <class Peer>
class RingLoopOf final : public RingLoop {
 public:
  RingLoopOf(const std::string& name, const RingCase& test_case, const Ring& ring)
      : ring_(ring), test_case_(test_case), peer_(name) {
    for (std::size_t i = 0; i < ring.size(); ++i) {
      readers_.emplace_back(peer_, ring.receiving(i), OnByte{this, i});
      if (test_case.timers) timers_.emplace_back(peer_, kIdle, OnIdle{});
    }
    for (std::size_t i = 0; i < ring.idle(); ++i) {
      readers_.emplace_back(peer_, ring.idle(i), OnByte{this, SIZE_MAX});
    }
  }

  void run(std::size_t events) override {
    const std::size_t started = test_case_.in_flight;
    require(events >= started, "fewer events than bytes in flight");
    to_send_ = events - started;
    to_receive_ = events;
    for (std::size_t i = 0; i < started; ++i) ring_.send(i * ring_.size() / started);
    peer_.run();
    require(to_send_ == 0 && to_receive_ == 0, "not every byte went its way");
  }

 private:
  struct OnByte {
    RingLoopOf* ring_loop;
    std::size_t index;
    void operator()() { ring_loop->on_byte(index); }
  };
  struct OnIdle {
    void operator()() { require(false, "an idle timer fired"); }
  };

  static constexpr std::chrono::seconds kIdle{100};

  void on_byte(std::size_t index) {
    if (test_case_.timers) timers_[index].rearm(kIdle);
    if (to_send_ > 0) {
      --to_send_;
      ring_.send(index + 1 == ring_.size() ? 0 : index + 1);
    }
    if (--to_receive_ == 0) peer_.stop();
  }

  const Ring& ring_;
  RingCase test_case_;
  std::size_t to_send_ = 0;
  std::size_t to_receive_ = 0;
  Peer peer_;
  std::deque<typename Peer::template ByteReader<OnByte>> readers_;
  std::deque<typename Peer::template Timer<OnIdle>> timers_;
};

template <class Peer>
std::unique_ptr<RingLoop> make_ring_loop(const std::string& name, const RingCase& test_case,
                                         const Ring& ring) {
  return std::make_unique<RingLoopOf<Peer>>(name, test_case, ring);
}

}  // namespace bench
