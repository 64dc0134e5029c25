// SPDX-License-Identifier: BSL-1.0
// What the first comments of this wing's headers show, compiled and run.
#include <cstdio>

#include "detent/reactor.h"
#include "detent/spin_watch.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

TEST(HealthPage, M5_ASpinIsPrinted) {
  Reactor reactor;
  testing_support::WatchedSocket socket;
  socket.send();
  const Watch watch = reactor.watch(
      socket, {.readable = true}, [](Ready) {}, "control");
  testing::internal::CaptureStderr();
  detent::SpinWatch spins(reactor, [](const detent::Spin& spin) {
    std::fprintf(stderr, "%s spins on descriptor %d\n", spin.name.text, spin.fd);
  });
  while (spins.spins() == 0) reactor.run_once();
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "control spins on descriptor " + std::to_string(socket.fd()) + "\n");
}

}  // namespace
}  // namespace detent
