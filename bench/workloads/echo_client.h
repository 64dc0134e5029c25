// SPDX-License-Identifier: BSL-1.0
// W4. The client of all echo servers: asks on many connections, and checks each answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "support/cpu.h"
#include <detent/unique_fd.h>

namespace bench {

struct EchoCase {
  std::size_t connections = 1;
  std::size_t request_size = 64;
  std::size_t in_flight = 1;  // requests, on each connection
};

class EchoClient {
 public:
  /// Connects.
  EchoClient(std::uint16_t port, const EchoCase& test_case);

  /// How long each request took, in microseconds: all that were answered within about `time`.
  /// None is under way when it returns.
  std::vector<double> ask(Nanoseconds time);

 private:
  struct Connection {
    detent::UniqueFd socket;
    std::deque<Nanoseconds> asked;  // when, for those under way
    std::size_t to_send = 0;        // bytes
    std::size_t to_receive = 0;     // bytes of the oldest request's answer
  };

  void ask_one(Connection& connection, Nanoseconds now);
  void send(Connection& connection);
  void receive(Connection& connection);

  EchoCase test_case_;
  detent::UniqueFd epoll_;
  std::vector<Connection> connections_;
  std::string request_;
  std::string answer_;  // a buffer
  std::vector<double> latencies_;
  std::size_t under_way_ = 0;
  Nanoseconds end_{};
};

}  // namespace bench
