// SPDX-License-Identifier: BSL-1.0
/// \file
/// A poller that takes no more descriptors when a test says so, as a kernel at its limit does.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "detent/poller.h"

namespace detent::testing_support {

/// What the test sets; it outlives the poller.
struct Refusals {
  int add = 0;             ///< errno for each add(); 0: none.
  bool no_memory = false;  ///< std::bad_alloc instead.
  bool modify = false;     ///< Each modify() with an interest ends the registration, and tells that
                           ///< by Ready::invalid: epoll, with fs.epoll.max_user_watches used up.
};

class RefusingPoller final : public Poller {
 public:
  RefusingPoller(std::unique_ptr<Poller> sound, const Refusals& refusals)
      : sound_(std::move(sound)), refusals_(refusals) {}

  void add(int fd, Interest interest, HandlerId id) override {
    if (refusals_.no_memory) throw std::bad_alloc();
    if (refusals_.add != 0) throw std::system_error(refusals_.add, std::system_category(), "add");
    sound_->add(fd, interest, id);
  }
  void modify(int fd, Interest interest, HandlerId id) override {
    if (!refusals_.modify || interest.empty()) return sound_->modify(fd, interest, id);
    sound_->remove(fd);
    ended_.push_back({.id = id, .ready = {.invalid = true}});
  }
  void remove(int fd) override { sound_->remove(fd); }
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override {
    if (ended_.empty()) return sound_->wait(room, max_wait);
    const auto told = room.first(std::min(room.size(), ended_.size()));
    std::copy_n(ended_.begin(), told.size(), told.begin());
    ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(told.size()));
    return told;
  }
  [[nodiscard]] Capabilities capabilities() const noexcept override {
    return sound_->capabilities();
  }
  [[nodiscard]] std::string_view name() const noexcept override { return sound_->name(); }
  [[nodiscard]] int native_handle() override { return sound_->native_handle(); }

 private:
  std::unique_ptr<Poller> sound_;
  const Refusals& refusals_;
  std::vector<Event> ended_;
};

}  // namespace detent::testing_support
