// SPDX-License-Identifier: BSL-1.0
/// \file
/// A kqueue for the double's own tests, which see nothing but kqueue(2)'s two calls.
#pragma once

#include <signal.h>
#include <sys/event.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "detent/unique_fd.h"
#include "support/connected_pair.h"
#include "support/standard.h"

namespace kqueue_double {

using namespace detent::testing_support;
using detent::UniqueFd;

using Event = struct kevent;
using Events = std::vector<Event>;

struct Note {
  std::uint32_t fflags = 0;
  std::intptr_t data = 0;
  void* udata = nullptr;
};

/// `ident` is a descriptor, a signal, a process or a number.
inline Event change(int ident, int filter, unsigned flags, Note note = {}) {
  return {.ident = static_cast<std::uintptr_t>(ident),
          .filter = static_cast<std::int16_t>(filter),
          .flags = static_cast<std::uint16_t>(flags),
          .fflags = note.fflags,
          .data = note.data,
          .udata = note.udata};
}

constexpr timespec kNoWait = {.tv_sec = 0, .tv_nsec = 0};

class TestQueue {
 public:
  [[nodiscard]] int fd() const noexcept { return kq_.fd(); }

  /// 0, or the errno.
  int apply(int ident, int filter, unsigned flags, Note note = {}) const {
    const Event one = change(ident, filter, flags, note);
    return ::kevent(fd(), &one, 1, nullptr, 0, nullptr) == 0 ? 0 : errno;
  }
  int add(int ident, int filter, unsigned flags = 0, Note note = {}) const {
    return apply(ident, filter, EV_ADD | flags, note);
  }
  int trigger(int ident) const { return apply(ident, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER}); }

  /// What is there now.
  [[nodiscard]] Events collect(std::size_t room = 64) const {
    return call(std::span<const Event>(), room, &kNoWait);
  }
  /// What comes; it does come.
  [[nodiscard]] Events wait(std::size_t room = 64) const {
    return call(std::span<const Event>(), room, nullptr);
  }
  [[nodiscard]] Events call(std::span<const Event> changes, std::size_t room,
                            const timespec* timeout) const {
    Events events(room);
    const int count = checked(::kevent(fd(), changes.data(), static_cast<int>(changes.size()),
                                       events.data(), static_cast<int>(room), timeout),
                              "kevent");
    events.resize(static_cast<std::size_t>(count));
    return events;
  }

 private:
  UniqueFd kq_ = UniqueFd(checked(::kqueue(), "kqueue"));
};

/// The event, where there must be one.
inline Event only(const Events& events) {
  EXPECT_EQ(events.size(), 1U);
  return events.empty() ? Event() : events[0];
}

/// The event of that filter, if it is among them.
inline std::optional<Event> of_filter(const Events& events, int filter) {
  for (const Event& event : events) {
    if (event.filter == filter) return event;
  }
  return std::nullopt;
}

inline bool has(const Event& event, unsigned flag) { return (event.flags & flag) != 0; }

/// The program's disposition of a signal, while it lives.
class Disposition {
 public:
  Disposition(int signal, void (*handler)(int)) : signal_(signal) {
    struct sigaction action = {};
    action.sa_handler = handler;
    ::sigaction(signal, &action, &before_);
  }
  Disposition(const Disposition&) = delete;
  Disposition& operator=(const Disposition&) = delete;
  ~Disposition() { ::sigaction(signal_, &before_, nullptr); }

 private:
  int signal_;
  struct sigaction before_ = {};
};

class KqueueDouble : public testing::Test {
 protected:
  TestQueue queue_;
  SocketPair pair_ = make_socket_pair();
};

}  // namespace kqueue_double
