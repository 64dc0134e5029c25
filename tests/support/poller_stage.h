// SPDX-License-Identifier: BSL-1.0
/// \file
/// What a poller's contract needs: a poller and descriptors that a test makes ready, on a kernel or
/// in a simulation. The tests see no difference.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "detent/clock.h"
#include "detent/poller.h"
#include "detent/simulation.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"

namespace detent::testing_support {

class PollerStage {
 public:
  PollerStage() = default;
  PollerStage(const PollerStage&) = delete;
  PollerStage& operator=(const PollerStage&) = delete;
  virtual ~PollerStage() = default;

  virtual Poller& poller() = 0;
  virtual TimePoint now() = 0;

  /// A stream's end: writable, and nothing to read.
  virtual int open() = 0;
  virtual void make_readable(int fd) = 0;
  virtual void take_all(int fd) = 0;
  virtual void close_peer(int fd) = 0;
  /// Behind the poller's back.
  virtual void close(int fd) = 0;
};

class KernelStage final : public PollerStage {
 public:
  explicit KernelStage(std::string_view name) : poller_(make_poller(name)) {
    allow_many_descriptors();
  }

  Poller& poller() override { return *poller_; }
  TimePoint now() override { return kernel_clock().now(); }

  int open() override {
    auto pair = make_socket_pair();
    const int fd = pair.near.fd();
    pairs_.insert_or_assign(fd, std::move(pair));
    return fd;
  }
  void make_readable(int fd) override { put(pairs_.at(fd).far.fd()); }
  void take_all(int fd) override { take(fd); }
  void close_peer(int fd) override { pairs_.at(fd).far.reset(); }
  void close(int fd) override { pairs_.at(fd).near.reset(); }

 private:
  std::map<int, SocketPair> pairs_;
  std::unique_ptr<Poller> poller_;
};

class SimulatedStage final : public PollerStage {
 public:
  SimulatedStage() { clock_.set_auto_advance(true); }

  Poller& poller() override { return *poller_; }
  TimePoint now() override { return clock_.now(); }

  int open() override {
    clock_.set_ready(++last_, {.writable = true});
    return last_;
  }
  void make_readable(int fd) override {
    clock_.set_ready(fd, {.readable = true, .writable = true});
  }
  void take_all(int fd) override { clock_.set_ready(fd, {.writable = true}); }
  void close_peer(int fd) override {
    clock_.set_ready(fd, {.readable = true, .writable = true, .read_closed = true, .hangup = true});
  }
  void close(int fd) override { clock_.set_ready(fd, {.invalid = true}); }

 private:
  Simulation clock_;
  std::unique_ptr<Poller> poller_ = clock_.make_poller();
  int last_ = 1'000'000;
};

/// The kernel's pollers and the simulated one.
[[nodiscard]] inline std::vector<std::string_view> stage_names() {
  std::vector<std::string_view> names = poller_names();
  names.emplace_back("simulated");
  return names;
}
[[nodiscard]] inline std::unique_ptr<PollerStage> make_stage(std::string_view name) {
  if (name == "simulated") return std::make_unique<SimulatedStage>();
  return std::make_unique<KernelStage>(name);
}

}  // namespace detent::testing_support
