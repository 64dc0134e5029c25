// SPDX-License-Identifier: BSL-1.0
/// \file
/// Finds callbacks that a loop calls again and again though they do nothing, which keeps a
/// processor busy. `find_package(detent COMPONENTS health)`, `detent::health`.
///
///     detent::SpinWatch spins(reactor, [](const detent::Spin& spin) {
///       std::fprintf(stderr, "%s spins on descriptor %d\n", spin.name.text, spin.fd);
///     });
#pragma once

#include <cstdint>
#include <memory>

#include "detent/callback.h"
#include "detent/handle.h"
#include "detent/name.h"

namespace detent {

class Reactor;

/// The watch whose callback was found, by the Name of its registration.
struct Spin {
  Name name;
  int fd;
};

/// Observes a reactor on that reactor's thread. Destroy it before the reactor. A watch spins when
/// its callback ran in a thousand turns running, and moved no byte in the last of them. SpinWatch
/// can see this for pipes and for stream sockets that do not listen. It asks the system about them
/// (ioctl(2), getsockopt(2)); a loop without a SpinWatch never does.
class SpinWatch {
 public:
  /// `on_spin` runs at the end of the turn, and again for each further thousand turns; it may
  /// destroy this object. Throws what Reactor::observe throws.
  explicit SpinWatch(Reactor& reactor, Callback<void(const Spin&)> on_spin = {});
  SpinWatch(const SpinWatch&) = delete;
  SpinWatch& operator=(const SpinWatch&) = delete;
  ~SpinWatch();

  /// How many spins it has found.
  [[nodiscard]] std::uint64_t spins() const noexcept;

 private:
  class State;
  std::unique_ptr<State> state_;
  Handle observing_;
};

}  // namespace detent
