// SPDX-License-Identifier: BSL-1.0
#include "support/flawed_poller.h"

#include <span>

#include "support/standard.h"

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
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override {
    return sound_->wait(room, max_wait);
  }
  [[nodiscard]] Capabilities capabilities() const noexcept override {
    return sound_->capabilities();
  }
  [[nodiscard]] std::string_view name() const noexcept override { return sound_->name(); }
  [[nodiscard]] int native_handle() override { return sound_->native_handle(); }

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
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override {
    std::vector<Event> larger(room.size() + 1);
    const auto found = PollerDecorator::wait(larger, max_wait);
    const auto kept = found.first(std::min(found.size(), room.size()));
    std::copy(kept.begin(), kept.end(), room.begin());
    return room.first(kept.size());
  }
};

class WritableLostWhenReadable final : public PollerDecorator {
 public:
  using PollerDecorator::PollerDecorator;
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override {
    const auto events = PollerDecorator::wait(room, max_wait);
    for (Event& event : events) event.ready.writable &= !event.ready.readable;
    return events;
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
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override {
    std::size_t told = PollerDecorator::wait(room, max_wait).size();
    for (const Event& event : room.first(told)) {
      reported_[numbers_[event.id.slot]] = event.ready;
    }
    for (const Event& event : std::exchange(inherited_, {})) {
      if (told < room.size()) room[told++] = event;
    }
    return room.first(told);
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
