// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What Simulation::make_poller makes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "detent/simulation.h"
#include "pollers/batch.h"

namespace detent {

/// Of one loop; what is ready, the simulation knows.
class SimulatedPoller final : public Poller {
 public:
  SimulatedPoller(Simulation& simulation, std::uint64_t seed)
      : simulation_(simulation), random_(seed) {}

  void add(int fd, Interest interest, HandlerId id) override;
  void modify(int fd, Interest interest, HandlerId id) override;
  void remove(int fd) override;
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override;
  [[nodiscard]] Capabilities capabilities() const noexcept override;
  [[nodiscard]] std::string_view name() const noexcept override { return "simulated"; }
  [[nodiscard]] int native_handle() override;

 private:
  struct Entry {
    Interest interest;
    HandlerId id;
    Ready reported = {};       // edge: what has been told already
    std::uint64_t change = 0;  // and of which change of the readiness
    bool silent = false;       // one-shot: fired
    std::uint64_t lap = 0;     // the last in which it was told
  };

  Entry& entry_of(int fd, const char* call);
  void collect(Batch& batch);
  void collect_injected(Batch& batch);
  void choose_order();
  void collect_lap(Batch& batch);
  bool tell(int fd, Batch& batch);
  [[nodiscard]] std::optional<Ready> report(int fd, Entry& entry) const;

  Simulation& simulation_;
  std::mt19937_64 random_;
  std::map<int, Entry> entries_;
  std::vector<int> order_;
  std::uint64_t lap_ = 0;  // in which each that is ready is told once, by however many waits
  bool was_full_ = false;  // the last batch
};

}  // namespace detent
