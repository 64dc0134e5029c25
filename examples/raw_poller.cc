// SPDX-License-Identifier: BSL-1.0
// The stop server by hand, on a Poller alone: no reactor, no callbacks. It shows what the kernel
// reports, as pairs of a descriptor and what happened to it.
//
//     ./dev run raw_poller 127.0.0.1:1234      then: telnet 127.0.0.1 1234, and type: stop
#include <array>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <optional>
#include <span>
#include <string_view>

#include <detent/poller.h>
#include <detent/socket.h>
#include <detent/timer_fd.h>

using namespace std::chrono_literals;

namespace {

// The poller hands a number back with each event; here it is the descriptor's own.
detent::HandlerId as_id(int fd) {
  return {.slot = static_cast<std::uint32_t>(fd), .generation = 1};
}
int as_fd(detent::HandlerId id) { return static_cast<int>(id.slot); }

void print(std::span<const detent::Event> events) {
  std::cout << "Signaled events=[";
  for (const detent::Event& event : events) {
    std::cout << '(' << as_fd(event.id) << (event.ready.readable ? ", readable" : "")
              << (event.ready.hangup ? ", hangup" : "") << ')';
  }
  std::cout << "]" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  const auto poller = detent::make_poller();
  auto listener = detent::Socket::listen(
      detent::Endpoint::parse(argc > 1 ? argv[1] : "127.0.0.1:1234"), {.backlog = 1});
  std::cout << "Listening on " << listener.local_endpoint().to_string() << std::endl;
  poller->add(listener.fd(), {.readable = true}, as_id(listener.fd()));

  std::array<std::optional<detent::TimerFd>, 3> timers;
  for (int i = 0; i < 3; ++i) {
    auto& timer = timers.at(static_cast<std::size_t>(i))
                      .emplace(detent::ClockId::steady, detent::TimerFd::Mode::non_blocking);
    poller->add(timer.fd(), {.readable = true}, as_id(timer.fd()));
    timer.arm((i + 1) * 250ms, (i + 1) * 250ms);
  }

  std::optional<detent::Socket> connection;  // one client at a time
  std::array<detent::Event, 64> room;
  for (bool active = true; active;) {
    const std::span<const detent::Event> events = poller->wait(room, 3s);
    print(events);
    for (const detent::Event& event : events) {
      const int fd = as_fd(event.id);
      if (fd == listener.fd()) {
        auto accepted = listener.accept();
        if (!accepted.socket || connection) continue;  // a second client is turned away
        connection = std::move(accepted.socket);
        std::cout << "Accepted connection from " << accepted.peer.to_string() << std::endl;
        poller->add(connection->fd(), {.readable = true}, as_id(connection->fd()));
      } else if (connection && fd == connection->fd()) {
        std::array<std::byte, 1024> data;
        const detent::Socket::Result result = connection->read(data);
        const std::string_view command(reinterpret_cast<const char*>(data.data()), result.size);
        if (command.starts_with("stop")) {
          std::cout << "Stopping server" << std::endl;
          active = false;
        } else if (result.size > 0) {
          std::cout << "Unknown command: " << result.size << " bytes" << std::endl;
        } else if (result.end_of_stream || result.error) {
          std::cout << "Closing connection " << fd << std::endl;
          poller->remove(fd);
          connection.reset();
        }
      } else {
        for (std::size_t i = 0; i < timers.size(); ++i) {
          if (fd != timers.at(i)->fd()) continue;
          std::cout << "Timer " << i + 1 << " expired " << timers.at(i)->read() << " times"
                    << std::endl;
        }
      }
    }
  }
}
