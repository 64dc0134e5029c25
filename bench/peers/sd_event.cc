// SPDX-License-Identifier: BSL-1.0
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include <chrono>
#include <cstdint>
#include <ctime>

#include "peers/byte_reader.h"
#include "peers/contestant.h"
#include "peers/peers.h"
#include "support/check.h"
#include "workloads/datagram_server.h"
#include "workloads/echo_server.h"
#include "workloads/inbox.h"

namespace bench {

namespace {

constexpr std::uint64_t kExact = 1;  // microsecond; 0 would mean a quarter of a second

class SdEvent {
 public:
  // Each due timer costs a wait that looks at all the others again: 1e5 take hours.
  static constexpr std::size_t kMostTimers = 1'000'000;
  static constexpr std::size_t kMostDue = 1000;

  explicit SdEvent(const std::string& /*name*/) {
    succeeded(sd_event_new(&event_), "sd_event_new");
  }
  ~SdEvent() { sd_event_unref(event_); }
  SdEvent(const SdEvent&) = delete;
  SdEvent& operator=(const SdEvent&) = delete;

  template <class F>
  class Readable {
   public:
    Readable(SdEvent& peer, int fd, F f) : f_(f) {
      succeeded(sd_event_add_io(peer.event_, &source_, fd, EPOLLIN, on_ready, this),
                "sd_event_add_io");
    }
    ~Readable() { sd_event_source_disable_unref(source_); }
    Readable(const Readable&) = delete;
    Readable& operator=(const Readable&) = delete;

   private:
    static int on_ready(sd_event_source*, int, std::uint32_t, void* self) {
      static_cast<Readable*>(self)->f_();
      return 0;
    }

    sd_event_source* source_ = nullptr;
    F f_;
  };
  template <class F>
  using ByteReader = ReadableByteReader<SdEvent, Readable, F>;
  using EchoServer = ReadableEchoServer<SdEvent, Readable>;
  using DatagramServer = ReadableDatagramServer<SdEvent, Readable>;
  using Inbox = ReadableInbox<SdEvent, Readable>;

  template <class F>
  class Timer {
   public:
    Timer(SdEvent& peer, std::chrono::microseconds delay, F f) : peer_(peer), f_(f) {
      succeeded(sd_event_add_time(peer.event_, &source_, CLOCK_MONOTONIC, peer.after(delay), kExact,
                                  on_expiry, this),
                "sd_event_add_time");
    }
    ~Timer() { cancel(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void rearm(std::chrono::microseconds delay) {
      succeeded(sd_event_source_set_time(source_, peer_.after(delay)), "sd_event_source_set_time");
      succeeded(sd_event_source_set_enabled(source_, SD_EVENT_ONESHOT),
                "sd_event_source_set_enabled");
    }
    void cancel() { source_ = sd_event_source_disable_unref(source_); }

   private:
    static int on_expiry(sd_event_source*, std::uint64_t, void* self) {
      static_cast<Timer*>(self)->f_();
      return 0;
    }

    SdEvent& peer_;
    sd_event_source* source_ = nullptr;
    F f_;
  };

  template <class F>
  class Periodic {
   public:
    Periodic(SdEvent& peer, std::chrono::microseconds period, F f)
        : period_(static_cast<std::uint64_t>(period.count())),
          deadline_(peer.after(period)),
          f_(f) {
      succeeded(sd_event_add_time(peer.event_, &source_, CLOCK_MONOTONIC, deadline_, kExact,
                                  on_tick, this),
                "sd_event_add_time");
    }
    ~Periodic() { sd_event_source_disable_unref(source_); }
    Periodic(const Periodic&) = delete;
    Periodic& operator=(const Periodic&) = delete;

   private:
    static int on_tick(sd_event_source* source, std::uint64_t, void* self) {
      auto& timer = *static_cast<Periodic*>(self);
      timer.deadline_ += timer.period_;
      succeeded(sd_event_source_set_time(source, timer.deadline_), "sd_event_source_set_time");
      succeeded(sd_event_source_set_enabled(source, SD_EVENT_ONESHOT),
                "sd_event_source_set_enabled");
      timer.f_(1);
      return 0;
    }

    std::uint64_t period_;
    std::uint64_t deadline_;
    sd_event_source* source_ = nullptr;
    F f_;
  };

  // What sd_event_loop does, which ends only with the whole loop.
  void run() {
    for (stopped_ = false; !stopped_;) succeeded(sd_event_run(event_, UINT64_MAX), "sd_event_run");
  }
  void stop() { stopped_ = true; }

 private:
  // An instant, by the time of this turn.
  std::uint64_t after(std::chrono::microseconds delay) {
    std::uint64_t now = 0;
    succeeded(sd_event_now(event_, CLOCK_MONOTONIC, &now), "sd_event_now");
    return now + static_cast<std::uint64_t>(delay.count());
  }

  sd_event* event_ = nullptr;
  bool stopped_ = false;
};

}  // namespace

void enter_sd_event(std::vector<Contestant>& all) {
  all.push_back(contestant<SdEvent>("sd_event"));
}

}  // namespace bench
