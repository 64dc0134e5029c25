// SPDX-License-Identifier: BSL-1.0
#include "workloads/echo_client.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "support/check.h"
#include "support/loopback.h"

namespace bench {

namespace {

constexpr std::size_t kBuffer = std::size_t{256} * 1024;

}  // namespace

EchoClient::EchoClient(std::uint16_t port, const EchoCase& test_case)
    : test_case_(test_case),
      epoll_(opened(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      connections_(test_case.connections),
      answer_(kBuffer, '\0') {
  for (std::size_t i = 0; i < test_case.request_size; ++i) {
    request_ += static_cast<char>('a' + i % 26);
  }
  for (Connection& connection : connections_) {
    connection.socket = connect_to_loopback(port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    succeeded(::epoll_ctl(epoll_.fd(), EPOLL_CTL_ADD, connection.socket.fd(), &event), "epoll_ctl");
  }
}

std::vector<double> EchoClient::ask(Nanoseconds time) {
  latencies_.clear();
  const Nanoseconds start = elapsed();
  end_ = start + time;
  for (Connection& connection : connections_) {
    connection.to_receive = request_.size();
    for (std::size_t i = 0; i < test_case_.in_flight; ++i) ask_one(connection, start);
    send(connection);
  }
  std::array<epoll_event, 1024> events;
  while (under_way_ > 0) {
    const int count = ::epoll_wait(epoll_.fd(), events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      receive(*static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr));
    }
  }
  return std::move(latencies_);
}

void EchoClient::ask_one(Connection& connection, Nanoseconds now) {
  connection.asked.push_back(now);
  connection.to_send += request_.size();
  ++under_way_;
}

void EchoClient::send(Connection& connection) {
  while (connection.to_send > 0) {
    // Requests are all the same, so that the rest of one is its end.
    const std::size_t rest = (connection.to_send - 1) % request_.size() + 1;
    const ssize_t size =
        ::write(connection.socket.fd(), request_.data() + request_.size() - rest, rest);
    if (size == -1 && errno == EAGAIN) return;  // an answer will come, and then it goes on
    connection.to_send -= static_cast<std::size_t>(succeeded(size, "write"));
  }
}

void EchoClient::receive(Connection& connection) {
  const long size =
      succeeded(::read(connection.socket.fd(), answer_.data(), answer_.size()), "read");
  require(size > 0, "the server closed a connection");
  const Nanoseconds now = elapsed();
  std::string_view bytes(answer_.data(), static_cast<std::size_t>(size));
  while (!bytes.empty()) {
    const std::size_t part = std::min(bytes.size(), connection.to_receive);
    require(bytes.substr(0, part) ==
                std::string_view(request_).substr(request_.size() - connection.to_receive, part),
            "an answer is not what was sent");
    bytes.remove_prefix(part);
    connection.to_receive -= part;
    if (connection.to_receive > 0) break;
    connection.to_receive = request_.size();
    latencies_.push_back((now - connection.asked.front()).count() / 1000);
    connection.asked.pop_front();
    --under_way_;
    if (now < end_) ask_one(connection, now);
  }
  send(connection);
}

}  // namespace bench
