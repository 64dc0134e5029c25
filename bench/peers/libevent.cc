// SPDX-License-Identifier: BSL-1.0
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/time.h>

#include <chrono>
#include <cstdint>

#include "peers/byte_reader.h"
#include "peers/contestant.h"
#include "peers/peers.h"
#include "support/check.h"
#include "workloads/datagram_server.h"
#include "workloads/echo_server.h"
#include "workloads/inbox.h"

namespace bench {

namespace {

class Libevent {
 public:
  static constexpr std::size_t kMostTimers = 1'000'000;
  static constexpr std::size_t kMostDue = SIZE_MAX;

  explicit Libevent(const std::string& /*name*/) : base_(event_base_new()) {
    require(base_ != nullptr, "event_base_new failed");
  }
  ~Libevent() { event_base_free(base_); }
  Libevent(const Libevent&) = delete;
  Libevent& operator=(const Libevent&) = delete;

  template <class F>
  class Readable {
   public:
    Readable(Libevent& peer, int fd, F f) : f_(f) {
      event_assign(&event_, peer.base_, fd, EV_READ | EV_PERSIST, on_ready, this);
      require(event_add(&event_, nullptr) == 0, "event_add failed");
    }
    ~Readable() { event_del(&event_); }
    Readable(const Readable&) = delete;
    Readable& operator=(const Readable&) = delete;

   private:
    static void on_ready(evutil_socket_t, short, void* self) { static_cast<Readable*>(self)->f_(); }

    event event_;
    F f_;
  };
  template <class F>
  using ByteReader = ReadableByteReader<Libevent, Readable, F>;
  using EchoServer = ReadableEchoServer<Libevent, Readable>;
  using DatagramServer = ReadableDatagramServer<Libevent, Readable>;
  using Inbox = ReadableInbox<Libevent, Readable>;

  template <class F>
  class Timer {
   public:
    Timer(Libevent& peer, std::chrono::microseconds delay, F f) : f_(f) {
      evtimer_assign(&event_, peer.base_, on_expiry, this);
      rearm(delay);
    }
    ~Timer() { cancel(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void rearm(std::chrono::microseconds delay) {
      const timeval time{delay.count() / 1'000'000, delay.count() % 1'000'000};
      require(evtimer_add(&event_, &time) == 0, "evtimer_add failed");
    }
    void cancel() { evtimer_del(&event_); }

   private:
    static void on_expiry(evutil_socket_t, short, void* self) { static_cast<Timer*>(self)->f_(); }

    event event_;
    F f_;
  };

  template <class F>
  class Periodic {
   public:
    Periodic(Libevent& peer, std::chrono::microseconds period, F f) : f_(f) {
      event_assign(&event_, peer.base_, -1, EV_PERSIST, on_tick, this);
      const timeval time{period.count() / 1'000'000, period.count() % 1'000'000};
      require(event_add(&event_, &time) == 0, "event_add failed");
    }
    ~Periodic() { event_del(&event_); }
    Periodic(const Periodic&) = delete;
    Periodic& operator=(const Periodic&) = delete;

   private:
    static void on_tick(evutil_socket_t, short, void* self) { static_cast<Periodic*>(self)->f_(1); }

    event event_;
    F f_;
  };

  void run() { event_base_dispatch(base_); }
  void stop() { event_base_loopbreak(base_); }

 private:
  event_base* base_;
};

}  // namespace

void enter_libevent(std::vector<Contestant>& all) {
  all.push_back(contestant<Libevent>("libevent"));
}

}  // namespace bench
