// SPDX-License-Identifier: BSL-1.0
/// \file
/// A loop with timers for tests that move bytes, and a record of what a connection tells.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "detent/connection.h"
#include "detent/endpoint.h"
#include "detent/reactor.h"
#include "detent/socket.h"
#include "detent/stream.h"
#include "detent/timer_service.h"
#include "support/connected_pair.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"

namespace detent::testing_support {

/// Turns until `done()`. What a connection does for itself is no callback and does not end a wait,
/// so it is asked after each short one. False when nothing happens for so long that nothing will,
/// or when there are more callbacks than any test needs: only a test that fails gets there.
template <class Done>
[[nodiscard]] bool run_until(Reactor& reactor, Done done) {
  constexpr int kMostWaits = 5'000;
  constexpr std::uint64_t kMostCallbacks = 1'000'000;
  const std::uint64_t limit = reactor.counters().callbacks + kMostCallbacks;
  for (int waits = 0; !done(); ++waits) {
    if (waits == kMostWaits || reactor.counters().callbacks > limit) return done();
    if (reactor.run_once(std::chrono::milliseconds(2)) > 0) waits = 0;
  }
  return true;
}

/// Whether a loop with nothing to do sleeps: one that is woken in vain makes far more turns.
[[nodiscard]] inline bool costs_no_turns(Reactor& reactor) {
  constexpr std::uint64_t kFewTurns = 20;
  const std::uint64_t before = reactor.turn();
  const std::size_t callbacks = reactor.run_once(std::chrono::milliseconds(20));
  return callbacks == 0 && reactor.turn() - before < kFewTurns;
}

/// Turns until nothing is ready, and whether that takes fewer than `limit` turns with callbacks and
/// few others. What is ready in vain, at every look, is never through.
[[nodiscard]] inline bool comes_to_rest(Reactor& reactor, int limit = 50) {
  constexpr std::uint64_t kFewTurns = 20;
  const std::uint64_t before = reactor.turn();
  for (int turn = 0; turn < limit; ++turn) {
    if (reactor.run_once(std::chrono::milliseconds(1)) > 0) continue;
    return reactor.turn() - before < static_cast<std::uint64_t>(limit) + kFewTurns;
  }
  return false;
}

/// Returns when poll(2) reports one of `events` for `fd`.
inline void wait_for(int fd, int events) {
  pollfd query = {.fd = fd, .events = static_cast<short>(events), .revents = 0};
  while (::poll(&query, 1, -1) != 1) {
  }
}

/// A contract test of what stands on timers: the real kernel, the poller that is the parameter.
class NetOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  NetOnEveryPoller() : reactor_(on_poller(GetParam())) {}

  std::size_t turn() { return reactor_.dispatch(); }
  template <class Done>
  [[nodiscard]] bool run_until(Done done) {
    return testing_support::run_until(reactor_, std::move(done));
  }

  Reactor reactor_;
  TimerService timers_{reactor_};
};

/// Of a unix socket, where a connect is in the backlog when it returns.
[[nodiscard]] inline Endpoint unused_name() {
  static int count = 0;
  return Endpoint::parse("unix:@detent-listener-" + std::to_string(::getpid()) + "-" +
                         std::to_string(++count));
}

[[nodiscard]] inline std::unique_ptr<Stream> adopt(Reactor& reactor, UniqueFd fd,
                                                   StreamOptions options = {}, Name name = {}) {
  return make_stream(reactor, Socket::adopt(std::move(fd)), options, name);
}

/// What a connection has told so far.
struct Heard {
  std::string data;
  std::string order;  // d(ata), e(nd), (drai)n(ed), c(losed), one letter a call
  std::vector<std::error_code> closed;

  [[nodiscard]] auto count(char what) const { return std::count(order.begin(), order.end(), what); }
  [[nodiscard]] bool is_over() const { return !closed.empty(); }
  /// The first that on_closed was told.
  [[nodiscard]] std::error_code reason() const {
    return closed.empty() ? std::make_error_code(std::errc::interrupted) : closed.front();
  }

  /// Records everything and does nothing. Without on_end, unless asked for: then the connection
  /// finishes by itself.
  [[nodiscard]] ConnectionHandlers handlers(bool with_end = false) {
    ConnectionHandlers all;
    all.on_data = [this](Connection&, std::string_view bytes) {
      data.append(bytes);
      order += 'd';
    };
    if (with_end) all.on_end = [this](Connection&) { order += 'e'; };
    all.on_drained = [this](Connection&) { order += 'n'; };
    all.on_closed = [this](Connection&, std::error_code error) {
      closed.push_back(error);
      order += 'c';
    };
    return all;
  }
};

/// Bytes that show it when some are lost, doubled or out of order.
[[nodiscard]] inline std::string numbered_bytes(std::size_t size) {
  std::string bytes;
  bytes.reserve(size + 16);
  for (std::uint64_t n = 0; bytes.size() < size; ++n)
    bytes += std::to_string(n * 2654435761U) + ',';
  bytes.resize(size);
  return bytes;
}

/// Closes a TCP socket so that the peer gets a reset: socket(7), SO_LINGER.
inline void reset_connection(UniqueFd fd) {
  const linger now = {.l_onoff = 1, .l_linger = 0};
  checked(::setsockopt(fd.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now), "setsockopt");
}

}  // namespace detent::testing_support
