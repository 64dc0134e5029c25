// SPDX-License-Identifier: BSL-1.0
// This library, once on each poller that the machine has.
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "peers/byte_reader.h"
#include "peers/contestant.h"
#include "peers/peers.h"
#include "workloads/datagram_server.h"
#include <detent/connection.h>
#include <detent/endpoint.h>
#include <detent/listener.h>
#include <detent/poller.h>
#include <detent/reactor.h>
#include <detent/timer_service.h>

namespace bench {

namespace {

constexpr std::string_view kPrefix = "detent/";

class Detent {
 public:
  static constexpr std::size_t kMostTimers = SIZE_MAX;
  static constexpr std::size_t kMostDue = SIZE_MAX;

  explicit Detent(const std::string& name)
      : reactor_({.poller = detent::make_poller(name.substr(kPrefix.size()))}) {}

  template <class F>
  class Readable {
   public:
    Readable(Detent& loop, int fd, F f)
        : watch_(loop.reactor_.watch(fd, {.readable = true}, [f](detent::Ready) mutable { f(); })) {
    }

   private:
    detent::Watch watch_;
  };
  template <class F>
  using ByteReader = ReadableByteReader<Detent, Readable, F>;
  using DatagramServer = ReadableDatagramServer<Detent, Readable>;

  template <class F>
  class Timer {
   public:
    Timer(Detent& loop, detent::Duration delay, F f)
        : reactor_(loop.reactor_), timer_(loop.timers().at(reactor_.now() + delay, f)) {}
    void rearm(detent::Duration delay) { timer_.rearm_at(reactor_.now() + delay); }
    void cancel() { timer_.cancel(); }

   private:
    detent::Reactor& reactor_;
    detent::Timer timer_;
  };

  template <class F>
  class Periodic {
   public:
    Periodic(Detent& loop, detent::Duration period, F f)
        : timer_(loop.timers().every(
              period, [f](const detent::Tick& tick) mutable { f(tick.expirations); })) {}

   private:
    detent::Timer timer_;
  };

  class Inbox {
   public:
    explicit Inbox(Detent& loop) : reactor_(loop.reactor_) {}
    template <class F>
    void post(F f) {
      reactor_.post(f);
    }

   private:
    detent::Reactor& reactor_;
  };

  class EchoServer {
   public:
    explicit EchoServer(Detent& loop)
        : listener_(loop.timers(), detent::Endpoint::parse("127.0.0.1:0"),
                    [this, &loop](detent::Socket socket, const detent::Endpoint&) {
                      socket.set_no_delay(true);
                      Echo& client =
                          clients_.emplace_back(loop.timers(), std::move(socket), clients_);
                      client.place = std::prev(clients_.end());
                    }) {}
    [[nodiscard]] std::uint16_t port() const { return listener_.endpoint().port(); }

   private:
    // As in examples/echo_server.cc.
    struct Echo {
      Echo(detent::TimerService& timers, detent::Socket socket, std::list<Echo>& all)
          : connection(timers, detent::make_stream(timers.reactor(), std::move(socket)),
                       {.on_data = send_back,
                        .on_drained = [](detent::Connection& c) { c.resume_reading(); },
                        .on_closed = [this, &all](detent::Connection&,
                                                  std::error_code) { all.erase(place); }}) {}
      static void send_back(detent::Connection& connection, std::string_view bytes) {
        connection.write(bytes);
        if (connection.queued() > kMostQueued) connection.pause_reading();
      }

      static constexpr std::size_t kMostQueued = 1'000'000;
      std::list<Echo>::iterator place;
      detent::Connection connection;
    };

    std::list<Echo> clients_;
    detent::Listener listener_;
  };

  void run() { reactor_.run(); }
  void stop() { reactor_.stop(); }

 private:
  // A program without timers makes none.
  detent::TimerService& timers() {
    if (!timers_) timers_ = std::make_unique<detent::TimerService>(reactor_);
    return *timers_;
  }

  detent::Reactor reactor_;
  std::unique_ptr<detent::TimerService> timers_;
};

}  // namespace

void enter_detent(std::vector<Contestant>& all) {
  bool first = true;
  for (const std::string_view poller : detent::poller_names()) {
    Contestant entry = contestant<Detent>(std::string(kPrefix) + std::string(poller));
    entry.descriptor_limit = detent::make_poller(poller)->capabilities().descriptor_limit;
    entry.first_of_its_library = first;
    first = false;
    all.push_back(std::move(entry));
  }
}

}  // namespace bench
