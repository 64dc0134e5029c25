// SPDX-License-Identifier: BSL-1.0
#include "simulated_poller.h"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "pollers/pollers.h"

namespace detent {
namespace {

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

// What to tell of this descriptor now, if anything.
std::optional<Ready> SimulatedPoller::report(int fd, Entry& entry) const {
  if (entry.interest.empty() || entry.silent) return std::nullopt;
  const auto [all, change] = simulation_.readiness(fd);
  const Ready ready = masked(all, entry.interest);
  if (std::exchange(entry.change, change) != change) entry.reported = {};
  const Ready told = std::exchange(entry.reported, ready);
  if (ready == Ready{}) return std::nullopt;
  if (entry.interest.trigger == Trigger::edge && (ready & told) == ready) return std::nullopt;
  entry.silent = entry.interest.trigger == Trigger::one_shot;
  return ready;
}

void SimulatedPoller::collect_injected(Batch& batch) {
  std::vector<Event>& injected = simulation_.injected_;
  const auto end =
      injected.begin() + static_cast<std::ptrdiff_t>(std::min(batch.room(), injected.size()));
  std::for_each(injected.begin(), end, [&](const Event& event) { batch.push(event); });
  injected.erase(injected.begin(), end);
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
  const TimePoint end = saturating_add(simulation_.now(), max_wait.value_or(Duration::max()));
  for (;;) {
    collect(batch);
    if (!batch.empty() || (max_wait && end <= simulation_.now())) return batch.events();
    const std::optional<TimePoint> next = simulation_.next_deadline();
    if (!simulation_.auto_advance_ || (!next && !max_wait)) {
      throw std::logic_error(
          "Poller::wait: nothing is ready and nothing will be; advance the clock");
    }
    simulation_.move_to(std::min(next.value_or(end), end));
  }
}

}  // namespace detent
