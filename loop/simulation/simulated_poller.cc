// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "detent/simulation.h"
#include "environment.h"
#include "pollers/batch.h"
#include "pollers/pollers.h"

namespace detent {
namespace {

std::uint64_t choose_seed(std::optional<std::uint64_t> seed) {
  if (seed) return *seed;
  if (const char* text = environment("DETENT_SEED")) return std::strtoull(text, nullptr, 10);
  return std::random_device()();
}

// What a kernel tells: what was asked for, and what comes unasked.
Ready masked(Ready ready, Interest interest) {
  return ready & Ready{.readable = interest.readable || ready.hangup,
                       .writable = interest.writable,
                       .priority = interest.priority,
                       .read_closed = interest.readable,
                       .hangup = true,
                       .error = true,
                       .invalid = true};
}

}  // namespace

SimulatedPoller::SimulatedPoller(VirtualClock& clock, std::optional<std::uint64_t> seed)
    : clock_(clock), seed_(choose_seed(seed)), random_(seed_) {}

void SimulatedPoller::set_ready(int fd, Ready ready) {
  if (ready.hangup) ready.readable = true;
  ready_[fd] = ready;
  if (const auto found = entries_.find(fd); found != entries_.end()) found->second.reported = {};
}

Capabilities SimulatedPoller::capabilities() const noexcept {
  return {.edge = true, .priority = true, .read_closed = true, .hangup = true};
}

int SimulatedPoller::native_handle() { refuse_native_handle(*this); }

SimulatedPoller::Entry& SimulatedPoller::entry_of(int fd, const char* call) {
  const auto found = entries_.find(fd);
  if (found == entries_.end()) PollerCall{call, fd}.fail(ENOENT);
  return found->second;
}

void SimulatedPoller::add(int fd, Interest interest, HandlerId id) {
  const PollerCall call = {"Poller::add", fd};
  if (fd < 0) call.fail(EBADF);
  const bool added = entries_.try_emplace(fd, Entry{.interest = interest, .id = id}).second;
  if (!added) call.fail(EEXIST);
}

void SimulatedPoller::modify(int fd, Interest interest, HandlerId id) {
  Entry& entry = entry_of(fd, "Poller::modify");
  entry = {.interest = interest, .id = id, .lap = entry.lap};
}

void SimulatedPoller::remove(int fd) {
  entry_of(fd, "Poller::remove");
  entries_.erase(fd);
}

Ready SimulatedPoller::readiness(int fd) const {
  const auto found = ready_.find(fd);
  Ready ready = found == ready_.end() ? Ready{} : found->second;
  if (clock_.expiry(fd) != 0) ready.readable = true;
  return ready;
}

// What to tell of this descriptor now, if anything.
std::optional<Ready> SimulatedPoller::report(int fd, Entry& entry) const {
  if (entry.interest.empty() || entry.silent) return std::nullopt;
  const Ready ready = masked(readiness(fd), entry.interest);
  const std::uint64_t expiry = clock_.expiry(fd);
  if (std::exchange(entry.expiry, expiry) != expiry) entry.reported = {};
  const Ready told = std::exchange(entry.reported, ready);
  if (ready == Ready{}) return std::nullopt;
  if (entry.interest.trigger == Trigger::edge && (ready & told) == ready) return std::nullopt;
  entry.silent = entry.interest.trigger == Trigger::one_shot;
  return ready;
}

void SimulatedPoller::collect_injected(Batch& batch) {
  const auto end =
      injected_.begin() + static_cast<std::ptrdiff_t>(std::min(batch.room(), injected_.size()));
  std::for_each(injected_.begin(), end, [&](const Event& event) { batch.push(event); });
  injected_.erase(injected_.begin(), end);
}

// Not by std::shuffle: the same seed has to give the same order with every standard library.
void SimulatedPoller::choose_order() {
  order_.clear();
  for (const auto& [fd, entry] : entries_) order_.push_back(fd);
  for (std::size_t left = order_.size(); left > 1; --left) {
    std::swap(order_[left - 1], order_[random_() % left]);
  }
}

void SimulatedPoller::collect(Batch& batch) {
  collect_injected(batch);
  choose_order();
  if (!was_full_) ++lap_;
  collect_lap(batch);
  if (was_full_ && !batch.full()) {
    ++lap_;
    collect_lap(batch);
  }
  was_full_ = batch.full();
}

// What is told leaves the order.
void SimulatedPoller::collect_lap(Batch& batch) {
  std::erase_if(order_, [&](int fd) { return tell(fd, batch); });
}

// False when there is no room, or nothing to tell in this lap.
bool SimulatedPoller::tell(int fd, Batch& batch) {
  Entry& entry = entries_.at(fd);
  if (entry.lap == lap_ || batch.full()) return false;
  const std::optional<Ready> ready = report(fd, entry);
  if (!ready) return false;
  entry.lap = lap_;
  batch.push({.id = entry.id, .ready = *ready});
  if (ready->invalid) entries_.erase(fd);
  return true;
}

std::span<Event> SimulatedPoller::wait(std::span<Event> room, std::optional<Duration> max_wait) {
  Batch batch(room);
  const TimePoint end = saturating_add(clock_.now(), max_wait.value_or(Duration::max()));
  for (;;) {
    collect(batch);
    if (!batch.empty() || (max_wait && end <= clock_.now())) return batch.events();
    const std::optional<TimePoint> next = clock_.next_deadline();
    if (!clock_.auto_advance_ || (!next && !max_wait)) {
      throw std::logic_error(
          "SimulatedPoller::wait: nothing is ready and nothing will be; advance the clock");
    }
    clock_.move_to(std::min(next.value_or(end), end));
  }
}

}  // namespace detent
