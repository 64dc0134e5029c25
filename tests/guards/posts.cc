// SPDX-License-Identifier: BSL-1.0
// Functions that are handed to a loop. From its own thread: how another one's meet the loop is
// chance.
#include <cstddef>

#include "counted.h"
#include "detent/reactor.h"
#include "workloads.h"

namespace detent::guards {

void post(std::size_t functions) {
  Reactor reactor(on_epoll());
  std::size_t called = 0;
  counted([&] {
    for (std::size_t i = 0; i < functions; i += 10) {
      for (int j = 0; j < 10; ++j) reactor.post([&called] { ++called; });
      reactor.dispatch();
    }
  });
  require(called == functions, "not every function ran");
}

void wake_up(std::size_t wake_ups) {
  Reactor reactor(on_epoll());
  std::size_t called = 0;
  counted([&] {
    for (std::size_t i = 0; i < wake_ups; ++i) {
      static_cast<void>(reactor.prepare());  // from here on a post has to wake it
      reactor.post([&called] { ++called; });
      reactor.dispatch();
    }
  });
  require(called == wake_ups, "not every function ran");
}

}  // namespace detent::guards
