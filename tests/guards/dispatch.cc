// SPDX-License-Identifier: BSL-1.0
// A ring of a hundred socket pairs: whoever receives a byte sends one on to the next. W1 in bench/.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>

#include "counted.h"
#include "detent/reactor.h"
#include "detent/timer_service.h"
#include "detent/unique_fd.h"
#include "workloads.h"

namespace detent::guards {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPairs = 100;

class Ring {
 public:
  explicit Ring(bool idle_timers) {
    if (idle_timers) timers_.emplace(reactor_);
    for (std::size_t i = 0; i < kPairs; ++i) make(pairs_[i], i);
  }

  void run(std::size_t events, std::size_t in_flight) {
    to_send_ = events - in_flight;
    to_receive_ = events;
    for (std::size_t i = 0; i < in_flight; ++i) send(i * kPairs / in_flight);
    reactor_.run();
    require(to_send_ == 0 && to_receive_ == 0, "not every byte went its way");
  }

 private:
  struct Pair {
    UniqueFd receiving, sending;
    Watch watch;
    Timer idle;
  };

  void make(Pair& pair, std::size_t index) {
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0, "socketpair");
    pair.receiving.reset(ends[0]);
    pair.sending.reset(ends[1]);
    pair.watch = reactor_.watch(pair.receiving, {.readable = true},
                                [this, index](Ready) { on_byte(index); });
    if (timers_) pair.idle = timers_->after(100s, [] { require(false, "an idle timer fired"); });
  }
  void send(std::size_t index) {
    require(::write(pairs_[index].sending.fd(), "x", 1) == 1, "a pair did not take a byte");
  }
  void on_byte(std::size_t index) {
    Pair& pair = pairs_[index];
    char byte = 0;
    require(::read(pair.receiving.fd(), &byte, 1) == 1, "there was no byte");
    if (timers_) pair.idle.rearm_at(reactor_.now() + 100s);
    if (to_send_ > 0) {
      --to_send_;
      send((index + 1) % kPairs);
    }
    if (--to_receive_ == 0) reactor_.stop();
  }

  Reactor reactor_{on_epoll()};
  std::optional<TimerService> timers_;
  std::array<Pair, kPairs> pairs_;
  std::size_t to_send_ = 0;
  std::size_t to_receive_ = 0;
};

void dispatch(std::size_t events, std::size_t in_flight, bool idle_timers) {
  Ring ring(idle_timers);
  counted([&] { ring.run(events, in_flight); });
}

}  // namespace

void dispatch_m1(std::size_t events) { dispatch(events, 1, false); }
void dispatch_m1_idle_timer(std::size_t events) { dispatch(events, 1, true); }
void dispatch_m100(std::size_t events) { dispatch(events, 100, false); }
void dispatch_m100_idle_timer(std::size_t events) { dispatch(events, 100, true); }

}  // namespace detent::guards
