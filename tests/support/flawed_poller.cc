// SPDX-License-Identifier: BSL-1.0
#include "support/flawed_poller.h"

#include <cstddef>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace detent::testing_support {
namespace {

/// Passes everything on. A flaw overrides what it spoils.
class PollerDecorator : public Poller {
 public:
  explicit PollerDecorator(std::unique_ptr<Poller> sound) : sound_(std::move(sound)) {}

  void add(int fd, Interest interest, HandlerId id) override { sound_->add(fd, interest, id); }
  void modify(int fd, Interest interest, HandlerId id) override {
    sound_->modify(fd, interest, id);
  }
  void remove(int fd) override { sound_->remove(fd); }
  void wait(std::vector<Event>& events, std::optional<Duration> max_wait) override {
    sound_->wait(events, max_wait);
  }
  [[nodiscard]] Capabilities capabilities() const noexcept override {
    return sound_->capabilities();
  }
  [[nodiscard]] std::string_view name() const noexcept override { return sound_->name(); }
  [[nodiscard]] int native_handle() const override { return sound_->native_handle(); }

 private:
  std::unique_ptr<Poller> sound_;
};

class OneShotsStayArmed final : public PollerDecorator {
 public:
  using PollerDecorator::PollerDecorator;
  void add(int fd, Interest interest, HandlerId id) override {
    PollerDecorator::add(fd, level(interest), id);
  }
  void modify(int fd, Interest interest, HandlerId id) override {
    PollerDecorator::modify(fd, level(interest), id);
  }

 private:
  static Interest level(Interest interest) {
    if (interest.trigger == Trigger::one_shot) interest.trigger = Trigger::level;
    return interest;
  }
};

class ModifyKeepsTheOldId final : public PollerDecorator {
 public:
  using PollerDecorator::PollerDecorator;
  void add(int fd, Interest interest, HandlerId id) override {
    PollerDecorator::add(fd, interest, id);
    ids_[fd] = id;
  }
  void modify(int fd, Interest interest, HandlerId id) override {
    const auto old = ids_.find(fd);
    PollerDecorator::modify(fd, interest, old == ids_.end() ? id : old->second);
  }

 private:
  std::map<int, HandlerId> ids_;
};

class FullBatchLosesOne final : public PollerDecorator {
 public:
  using PollerDecorator::PollerDecorator;
  void wait(std::vector<Event>& events, std::optional<Duration> max_wait) override {
    const std::size_t capacity = events.capacity();
    std::vector<Event> found;
    found.reserve(capacity + 1);
    PollerDecorator::wait(found, max_wait);
    if (found.size() > capacity) found.pop_back();
    events.assign(found.begin(), found.end());
  }
};

class WritableLostWhenReadable final : public PollerDecorator {
 public:
  using PollerDecorator::PollerDecorator;
  void wait(std::vector<Event>& events, std::optional<Duration> max_wait) override {
    PollerDecorator::wait(events, max_wait);
    for (Event& event : events) event.ready.writable &= !event.ready.readable;
  }
};

class PausedOnesAreReported final : public PollerDecorator {
 public:
  using PollerDecorator::PollerDecorator;
  void add(int fd, Interest interest, HandlerId id) override {
    PollerDecorator::add(fd, interest, id);
    interests_[fd] = interest;
  }
  void modify(int fd, Interest interest, HandlerId id) override {
    if (interest.empty()) interest = interests_[fd];
    PollerDecorator::modify(fd, interest, id);
    interests_[fd] = interest;
  }

 private:
  std::map<int, Interest> interests_;
};

class RemovedEventsAreInherited final : public PollerDecorator {
 public:
  using PollerDecorator::PollerDecorator;
  void add(int fd, Interest interest, HandlerId id) override {
    PollerDecorator::add(fd, interest, id);
    numbers_[id.slot] = fd;
    if (const auto left = removed_.find(fd); left != removed_.end()) {
      inherited_.push_back({.id = id, .ready = left->second});
      removed_.erase(left);
    }
  }
  void remove(int fd) override {
    PollerDecorator::remove(fd);
    if (const auto last = reported_.find(fd); last != reported_.end()) {
      removed_.insert(reported_.extract(last));
    }
  }
  void wait(std::vector<Event>& events, std::optional<Duration> max_wait) override {
    PollerDecorator::wait(events, max_wait);
    for (const Event& event : events) reported_[numbers_[event.id.slot]] = event.ready;
    for (const Event& event : std::exchange(inherited_, {})) {
      if (events.size() < events.capacity()) events.push_back(event);
    }
  }

 private:
  std::map<std::uint32_t, int> numbers_;  // by the ids' slots
  std::map<int, Ready> reported_;         // last, by number
  std::map<int, Ready> removed_;
  std::vector<Event> inherited_;
};

}  // namespace

std::string_view name_of(Flaw flaw) {
  constexpr std::array kNames = {"OneShotsStayArmed",     "ModifyKeepsTheOldId",
                                 "FullBatchLosesOne",     "WritableLostWhenReadable",
                                 "PausedOnesAreReported", "RemovedEventsAreInherited"};
  return kNames[static_cast<std::size_t>(flaw)];
}

std::unique_ptr<Poller> make_flawed(std::unique_ptr<Poller> sound, Flaw flaw) {
  switch (flaw) {
    case Flaw::one_shots_stay_armed:
      return std::make_unique<OneShotsStayArmed>(std::move(sound));
    case Flaw::modify_keeps_the_old_id:
      return std::make_unique<ModifyKeepsTheOldId>(std::move(sound));
    case Flaw::full_batch_loses_one:
      return std::make_unique<FullBatchLosesOne>(std::move(sound));
    case Flaw::writable_lost_when_readable:
      return std::make_unique<WritableLostWhenReadable>(std::move(sound));
    case Flaw::paused_ones_are_reported:
      return std::make_unique<PausedOnesAreReported>(std::move(sound));
    case Flaw::removed_events_are_inherited:
      return std::make_unique<RemovedEventsAreInherited>(std::move(sound));
  }
  return sound;
}

}  // namespace detent::testing_support
