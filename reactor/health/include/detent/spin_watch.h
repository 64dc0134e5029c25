// SPDX-License-Identifier: BSL-1.0
/// \file
/// Finds callbacks that a loop calls for ever though they do nothing: a busy loop that eats a
/// processor in silence. `find_package(detent COMPONENTS health)`, `detent::health`.
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

/// Observes a reactor while it lives, on that reactor's thread, and is to go before it. A watch
/// spins when its callback ran in a thousand turns running, and in the last of them moved no byte
/// of its descriptor. That can be told of pipes and of stream sockets that do not listen. SpinWatch
/// asks the system about them (ioctl(2), getsockopt(2)); the loop alone never does.
class SpinWatch {
 public:
  /// `on_spin` runs at the end of the turn, and again for each further thousand turns; it may
  /// destroy this object. Throws what Reactor::observe throws.
  explicit SpinWatch(Reactor& reactor, Callback<void(const Spin&)> on_spin = {});
  SpinWatch(const SpinWatch&) = delete;
  SpinWatch& operator=(const SpinWatch&) = delete;
  ~SpinWatch();

  /// How many were found.
  [[nodiscard]] std::uint64_t spins() const noexcept;

 private:
  class State;
  std::unique_ptr<State> state_;
  Handle observing_;
};

}  // namespace detent
