// SPDX-License-Identifier: BSL-1.0
// W5. What loops without a queue of their own get from their users: a list behind a lock, and a
// wake when it was empty.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "support/check.h"
#include "support/cpu.h"
#include <detent/unique_fd.h>

namespace bench {

class alignas(kApart) LockedList {
 public:
  /// True when it was empty. Any thread.
  bool put(std::function<void()> function) {
    const std::lock_guard lock(mutex_);
    functions_.push_back(std::move(function));
    return functions_.size() == 1;
  }
  void run_all() {
    {
      const std::lock_guard lock(mutex_);
      functions_.swap(running_);
    }
    for (const auto& function : running_) function();
    running_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<std::function<void()>> functions_;
  std::vector<std::function<void()>> running_;
};

/// With an eventfd to wake by.
template <class Peer, template <class> class Readable>
class ReadableInbox {
 public:
  explicit ReadableInbox(Peer& peer)
      : wake_(opened(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
        watch_(peer, wake_.fd(), OnWake{this}) {}

  template <class F>
  void post(F f) {
    const std::uint64_t one = 1;
    if (list_.put(f)) require(::write(wake_.fd(), &one, sizeof one) == sizeof one, "cannot wake");
  }

 private:
  struct OnWake {
    ReadableInbox* inbox;
    void operator()() { inbox->on_wake(); }
  };

  void on_wake() {
    std::uint64_t count = 0;
    require(::read(wake_.fd(), &count, sizeof count) == sizeof count, "woken by nobody");
    list_.run_all();
  }

  LockedList list_;
  detent::UniqueFd wake_;
  Readable<OnWake> watch_;
};

}  // namespace bench
