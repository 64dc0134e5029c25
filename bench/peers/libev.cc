// SPDX-License-Identifier: BSL-1.0
#include <ev.h>

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

double seconds(std::chrono::microseconds delay) {
  return std::chrono::duration<double>(delay).count();
}

class Libev {
 public:
  static constexpr std::size_t kMostTimers = SIZE_MAX;
  static constexpr std::size_t kMostDue = SIZE_MAX;

  explicit Libev(const std::string& /*name*/)
      : loop_(ev_loop_new(static_cast<unsigned>(EVBACKEND_EPOLL))) {
    require(loop_ != nullptr, "ev_loop_new failed");
  }
  ~Libev() { ev_loop_destroy(loop_); }
  Libev(const Libev&) = delete;
  Libev& operator=(const Libev&) = delete;

  template <class F>
  class Readable {
   public:
    Readable(Libev& peer, int fd, F f) : loop_(peer.loop_), f_(f) {
      ev_io_init(&io_, on_ready, fd, EV_READ);
      io_.data = this;
      ev_io_start(loop_, &io_);
    }
    ~Readable() { ev_io_stop(loop_, &io_); }
    Readable(const Readable&) = delete;
    Readable& operator=(const Readable&) = delete;

   private:
    static void on_ready(struct ev_loop*, ev_io* io, int) {
      static_cast<Readable*>(io->data)->f_();
    }

    ev_io io_;
    struct ev_loop* loop_;
    F f_;
  };
  template <class F>
  using ByteReader = ReadableByteReader<Libev, Readable, F>;
  using EchoServer = ReadableEchoServer<Libev, Readable>;
  using DatagramServer = ReadableDatagramServer<Libev, Readable>;

  template <class F>
  class Timer {
   public:
    Timer(Libev& peer, std::chrono::microseconds delay, F f) : loop_(peer.loop_), f_(f) {
      ev_timer_init(&timer_, on_expiry, seconds(delay), 0);
      timer_.data = this;
      ev_timer_start(loop_, &timer_);
    }
    ~Timer() { cancel(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    // What its manual recommends for idle timers.
    void rearm(std::chrono::microseconds delay) {
      timer_.repeat = seconds(delay);
      ev_timer_again(loop_, &timer_);
    }
    void cancel() { ev_timer_stop(loop_, &timer_); }

   private:
    static void on_expiry(struct ev_loop*, ev_timer* timer, int) {
      static_cast<Timer*>(timer->data)->f_();
    }

    ev_timer timer_;
    struct ev_loop* loop_;
    F f_;
  };

  template <class F>
  class Periodic {
   public:
    Periodic(Libev& peer, std::chrono::microseconds period, F f) : loop_(peer.loop_), f_(f) {
      ev_timer_init(&timer_, on_tick, seconds(period), seconds(period));
      timer_.data = this;
      ev_now_update(loop_);
      ev_timer_start(loop_, &timer_);
    }
    ~Periodic() { ev_timer_stop(loop_, &timer_); }
    Periodic(const Periodic&) = delete;
    Periodic& operator=(const Periodic&) = delete;

   private:
    static void on_tick(struct ev_loop*, ev_timer* timer, int) {
      static_cast<Periodic*>(timer->data)->f_(1);
    }

    ev_timer timer_;
    struct ev_loop* loop_;
    F f_;
  };

  class Inbox {
   public:
    explicit Inbox(Libev& peer) : loop_(peer.loop_) {
      ev_async_init(&wake_, on_wake);
      wake_.data = this;
      ev_async_start(loop_, &wake_);
    }
    ~Inbox() { ev_async_stop(loop_, &wake_); }
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;

    template <class F>
    void post(F f) {
      if (list_.put(f)) ev_async_send(loop_, &wake_);
    }

   private:
    static void on_wake(struct ev_loop*, ev_async* wake, int) {
      static_cast<Inbox*>(wake->data)->list_.run_all();
    }

    LockedList list_;
    ev_async wake_;
    struct ev_loop* loop_;
  };

  void run() { ev_run(loop_, 0); }
  void stop() { ev_break(loop_, EVBREAK_ALL); }

 private:
  struct ev_loop* loop_;
};

}  // namespace

void enter_libev(std::vector<Contestant>& all) { all.push_back(contestant<Libev>("libev")); }

}  // namespace bench
