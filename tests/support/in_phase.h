// SPDX-License-Identifier: BSL-1.0
/// \file
/// Something that happens in a certain phase of a turn, for tests of what may happen in all.
#pragma once

#include <array>
#include <utility>

#include "detent/callback.h"
#include "detent/reactor.h"
#include "support/watched_socket.h"

namespace detent::testing_support {

/// Calls a function once, in one phase of the next turn. The numbers are those of reactor.h.
class InPhase {
 public:
  /// In which there are callbacks.
  static constexpr std::array kAll = {1, 3, 4, 5, 6};

  InPhase(Reactor& reactor, int phase, Callback<void()> act) {
    auto once = [act = std::move(act), done = false]() mutable {
      if (!std::exchange(done, true)) act();
    };
    if (phase == 1) handle_ = reactor.before_wait(std::move(once));
    if (phase == 3) handle_ = reactor.after_wait(std::move(once));
    if (phase == 4) reactor.post(std::move(once));
    if (phase == 6) handle_ = reactor.defer(std::move(once));
    if (phase != 5) return;
    socket_.send();
    handle_ = reactor.watch(socket_, {.readable = true},
                            [once = std::move(once)](Ready) mutable { once(); });
  }

 private:
  WatchedSocket socket_;
  Handle handle_;
};

}  // namespace detent::testing_support
