// SPDX-License-Identifier: BSL-1.0
// Watching a descriptor, up to the first turn that waits for it.
#include <sys/eventfd.h>

#include <array>
#include <cstddef>

#include "counted.h"
#include "detent/reactor.h"
#include "detent/unique_fd.h"
#include "workloads.h"

namespace detent::guards {

void set_up_watch(std::size_t watches) {
  struct Source {
    UniqueFd fd{::eventfd(0, EFD_CLOEXEC)};
    Watch watch;
  };
  Reactor reactor(on_epoll());
  std::array<Source, 100> sources;
  for (std::size_t i = 0; i < watches; i += sources.size()) {
    counted([&] {
      for (Source& source : sources) {
        source.watch = reactor.watch(source.fd, {.readable = true}, [](Ready) {});
      }
      reactor.dispatch();
    });
    for (Source& source : sources) source.watch.cancel();
  }
}

}  // namespace detent::guards
