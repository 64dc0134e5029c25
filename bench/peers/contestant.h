// SPDX-License-Identifier: BSL-1.0
// One event loop, entered for the workloads.
//
// A peer is a class with this interface, written for its library as that library's users would.
// Each workload is a template over it, so that nothing stands between the two but the compiler.
//
//     struct Peer {
//       static constexpr std::size_t kMostTimers;     // so many take too long, or too much memory
//       static constexpr std::size_t kMostDue;        // the same for timers due at once
//       explicit Peer(const std::string& name);       // as entered
//       template <class F> struct Timer {             // one-shot; calls f()
//         Timer(Peer&, microseconds delay, F f);
//         void rearm(microseconds delay);
//         void cancel();
//       };
//       template <class F> struct ByteReader {        // receives single bytes; calls f() for each
//         ByteReader(Peer&, int fd, F f);
//       };
//       struct EchoServer {                           // TCP on 127.0.0.1
//         explicit EchoServer(Peer&);
//         std::uint16_t port() const;
//       };
//       struct DatagramServer;                        // the same with UDP
//       template <class F> struct Periodic {          // calls f(count of expirations)
//         Periodic(Peer&, microseconds period, F f);  // from now, not from the turn's time
//       };
//       struct Inbox {
//         explicit Inbox(Peer&);
//         template <class F> void post(F f);          // any thread
//       };
//       void run();                                   // until a callback called stop()
//       void stop();
//     };
#pragma once

#include <climits>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "workloads/periodic.h"
#include "workloads/post.h"
#include "workloads/ring.h"
#include "workloads/timers.h"

namespace bench {

using Listening = std::function<void(std::uint16_t port)>;

struct Contestant {
  std::string name;
  /// Its descriptors' numbers must be below.
  int descriptor_limit = INT_MAX;
  std::size_t most_timers = SIZE_MAX;
  /// Others of the same library differ in how they wait, and that only.
  bool first_of_its_library = true;

  std::unique_ptr<RingLoop> (*ring_loop)(const std::string&, const RingCase&,
                                         const Ring&) = nullptr;
  TimerCosts (*timers)(const std::string&, const TimerPlan&, std::size_t least) = nullptr;
  PostCosts (*posts)(const std::string&, std::size_t count) = nullptr;
  std::vector<double> (*ping_pong)(const std::string&, std::size_t trips) = nullptr;
  Punctuality (*periodic)(const std::string&, std::size_t timers, Nanoseconds time) = nullptr;
  /// Does not return. Calls `listening` when it is ready.
  void (*serve_echo)(const std::string&, const Listening& listening) = nullptr;
  void (*serve_datagrams)(const std::string&, const Listening& listening) = nullptr;
};

template <class Peer, class Server>
void serve(const std::string& name, const Listening& listening) {
  Peer peer(name);
  const Server server(peer);
  listening(server.port());
  peer.run();
}

template <class Peer>
Contestant contestant(const std::string& name) {
  return {.name = name,
          .most_timers = Peer::kMostTimers,
          .ring_loop = make_ring_loop<Peer>,
          .timers = timer_costs<Peer>,
          .posts = measure_posts<Peer>,
          .ping_pong = PingPong<Peer>::measure,
          .periodic = measure_periodic<Peer>,
          .serve_echo = serve<Peer, typename Peer::EchoServer>,
          .serve_datagrams = serve<Peer, typename Peer::DatagramServer>};
}

/// Each peer that this system has, the yardstick first.
std::vector<Contestant> contestants();

}  // namespace bench
