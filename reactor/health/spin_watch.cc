// SPDX-License-Identifier: BSL-1.0
#include "detent/spin_watch.h"

#include <optional>
#include <unordered_map>
#include <utility>

#include "detent/callback_owner.h"
#include "detent/observer.h"
#include "detent/reactor.h"
#include "sys.h"

namespace detent {
namespace {

// A spin is a thousand turns with a call; the last of them are probed.
constexpr std::uint32_t kTurnsBefore = 992;
constexpr std::uint32_t kProbes = 8;

bool is_same(const Name& a, const Name& b) {
  return a.text == b.text && a.file == b.file && a.line == b.line;
}

}  // namespace

class SpinWatch::State final : public Observer {
 public:
  State(Reactor& reactor, Callback<void(const Spin&)> on_spin)
      : reactor_(reactor), callbacks_(Handlers{std::move(on_spin)}) {}

  [[nodiscard]] std::uint64_t spins() const noexcept { return spins_; }

  void before(const Call& call) noexcept override;
  void after(const Call& call) noexcept override;
  void turn(Duration /*waited*/, Duration /*worked*/) noexcept override {}

 private:
  struct Handlers {
    Callback<void(const Spin&)> on_spin;
  };
  // For each descriptor, the watch that was called last.
  struct Watched {
    Name name = {"", "", 0};
    std::uint64_t last_turn = 0;
    std::uint32_t turns = 0;      // running
    std::uint32_t unchanged = 0;  // of the probes
    std::optional<sys::StreamState> probed = {};
  };

  void report(const Spin& spin);

  Reactor& reactor_;
  std::unordered_map<int, Watched> watched_;
  std::uint64_t spins_ = 0;
  Handle reporting_;
  CallbackOwner<Handlers> callbacks_;
};

void SpinWatch::State::before(const Call& call) noexcept {
  if (call.fd < 0) return;
  Watched& watched = watched_[call.fd];
  const std::uint64_t turn = reactor_.turn();
  const bool goes_on = turn == watched.last_turn + 1 && is_same(watched.name, call.name);
  if (!goes_on) watched = {.name = call.name};
  watched.last_turn = turn;
  if (++watched.turns > kTurnsBefore) watched.probed = sys::stream_state(call.fd);
}

void SpinWatch::State::after(const Call& call) noexcept {
  if (call.fd < 0) return;
  Watched& watched = watched_[call.fd];
  if (watched.turns <= kTurnsBefore) return;
  const auto before = std::exchange(watched.probed, std::nullopt);
  const bool has_changed = !before || sys::stream_state(call.fd) != before;
  watched.unchanged = has_changed ? 0 : watched.unchanged + 1;
  if (has_changed || watched.unchanged == kProbes) watched.turns = 0;
  if (watched.unchanged < kProbes) return;
  watched.unchanged = 0;
  ++spins_;
  report({call.name, call.fd});
}

// Deferred, so that on_spin does not run inside the other callback, and may throw.
void SpinWatch::State::report(const Spin& spin) {
  reporting_ = reactor_.defer(
      [this, spin] {
        const decltype(callbacks_)::Call call(callbacks_);
        if (call->on_spin) call->on_spin(spin);
      },
      "spin watch");
}

SpinWatch::SpinWatch(Reactor& reactor, Callback<void(const Spin&)> on_spin)
    : state_(std::make_unique<State>(reactor, std::move(on_spin))),
      observing_(reactor.observe(*state_)) {}

SpinWatch::~SpinWatch() = default;

std::uint64_t SpinWatch::spins() const noexcept { return state_->spins(); }

}  // namespace detent
