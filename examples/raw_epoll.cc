// SPDX-License-Identifier: BSL-1.0
// Linux: masks of epoll that have no portable meaning. An epoll made by hand takes them all; what
// the loop watches is that epoll's own descriptor, which is readable while it has events.
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <span>
#include <system_error>

#include <detent/reactor.h>
#include <detent/unique_fd.h>

namespace {

int checked(int result, const char* call) {
  if (result == -1) throw std::system_error(errno, std::system_category(), call);
  return result;
}

void add(const detent::UniqueFd& epoll, int fd, std::uint32_t mask) {
  epoll_event event = {};
  event.events = mask;
  event.data.fd = fd;
  checked(::epoll_ctl(epoll.fd(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

void print_names(std::uint32_t events) {
  constexpr struct {
    std::uint32_t bit;
    const char* name;
  } kNames[] = {{EPOLLIN, " IN"},         {EPOLLOUT, " OUT"},       {EPOLLRDNORM, " RDNORM"},
                {EPOLLWRNORM, " WRNORM"}, {EPOLLRDBAND, " RDBAND"}, {EPOLLWRBAND, " WRBAND"},
                {EPOLLMSG, " MSG"}};
  for (const auto& [bit, name] : kNames) std::cout << ((events & bit) != 0 ? name : "");
}

}  // namespace

int main() {
  int ends[2];
  checked(::pipe(ends), "pipe");
  const detent::UniqueFd reading(ends[0]);
  const detent::UniqueFd writing(ends[1]);

  const detent::UniqueFd epoll(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
  add(epoll, reading.fd(), EPOLLIN | EPOLLRDNORM | EPOLLRDBAND | EPOLLMSG);
  // Of many epolls that wait for one file, the kernel wakes one. Little else goes with it.
  const detent::UniqueFd second(checked(::dup(reading.fd()), "dup"));
  add(epoll, second.fd(), EPOLLIN | EPOLLEXCLUSIVE | EPOLLET);
  add(epoll, writing.fd(), EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND | EPOLLONESHOT);

  detent::Reactor reactor;
  const auto watch = reactor.watch(epoll, {.readable = true}, [&](detent::Ready) {
    std::array<epoll_event, 8> events;
    const int count = checked(::epoll_wait(epoll.fd(), events.data(), 8, 0), "epoll_wait");
    for (const epoll_event& event : std::span(events).first(static_cast<std::size_t>(count))) {
      const int fd = event.data.fd;
      std::cout << (fd == reading.fd() ? "reading" : fd == writing.fd() ? "writing" : "second");
      print_names(event.events);
      std::cout << std::endl;
      if (fd == writing.fd()) checked(static_cast<int>(::write(fd, "x", 1)), "write");
      if (fd == reading.fd()) reactor.stop();
    }
  });
  reactor.run();
}
