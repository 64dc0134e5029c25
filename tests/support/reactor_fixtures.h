// SPDX-License-Identifier: BSL-1.0
/// \file
/// The two kinds of loop that tests run: on each poller of this machine, and simulated.
#pragma once

#include "detent/poller.h"
#include "detent/reactor.h"
#include "detent/simulation.h"
#include "support/poller_fixtures.h"
#include "support/standard.h"

namespace detent::testing_support {

inline ReactorOptions on_poller(std::string_view name, Budgets budgets = {}) {
  return {.poller = make_poller(name), .budgets = budgets};
}

/// A contract test: the real kernel, the poller that is the test's parameter.
class ReactorOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  ReactorOnEveryPoller() : capabilities_(make_poller(GetParam())->capabilities()) {}

  /// One turn that does not sleep; returns how many callbacks ran.
  std::size_t turn() { return reactor_.dispatch(); }

  /// How many turns a wait takes in which no callback should run.
  std::uint64_t turns_in(Duration time) {
    const std::uint64_t before = reactor_.counters().turns;
    EXPECT_EQ(reactor_.run_once(time), 0U);
    return reactor_.counters().turns - before;
  }
  /// Fewer than a loop that spins would take; the time decides nothing.
  static constexpr std::uint64_t kFewTurns = 20;

  const Capabilities capabilities_;
  Reactor reactor_{on_poller(GetParam())};
};

/// A logic test: no kernel, no sleep. Descriptors are any numbers from kFirst on, which no real one
/// of the loop's own can be.
class SimulatedReactor : public testing::Test {
 protected:
  static constexpr int kFirst = 1'000'000;

  /// With the seed of this run or, for tests that try many, with one of their own.
  explicit SimulatedReactor(Budgets budgets = {}) { make(budgets); }

  void make(Budgets budgets = {}, std::optional<std::uint64_t> seed = std::nullopt) {
    reactor_.reset();
    auto poller = clock_.make_poller(seed);
    poller_ = poller.get();
    reactor_ = std::make_unique<Reactor>(
        ReactorOptions{.poller = std::move(poller), .clock = &clock_, .budgets = budgets});
    trace_.reset();
    trace_ = std::make_unique<testing::ScopedTrace>(
        __FILE__, __LINE__, "DETENT_SEED=" + std::to_string(seed.value_or(clock_.seed())));
  }

  std::size_t turn() { return reactor_->dispatch(); }

  Simulation clock_;
  Poller* poller_ = nullptr;
  std::unique_ptr<Reactor> reactor_;

 private:
  std::unique_ptr<testing::ScopedTrace> trace_;
};

}  // namespace detent::testing_support
