// SPDX-License-Identifier: BSL-1.0
/// \file
/// A poller by itself, for tests that run on each poller of this machine with a real kernel.
#pragma once

#include "detent/poller.h"
#include "support/standard.h"
#include "support/wait_into.h"

namespace detent::testing_support {

/// Runs the suite once for each poller, so that a new poller needs no test of its own.
#define DETENT_ON_EVERY_POLLER(suite)                                                         \
  INSTANTIATE_TEST_SUITE_P(OnEveryPoller, suite, testing::ValuesIn(::detent::poller_names()), \
                           [](const auto& param) { return std::string(param.param); })

class PollerOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  static constexpr Interest kRead = {.readable = true};
  static constexpr Interest kWrite = {.writable = true};
  static constexpr Interest kBoth = {.readable = true, .writable = true};
  static constexpr HandlerId kFirst = {.slot = 1, .generation = 1};
  static constexpr HandlerId kSecond = {.slot = 2, .generation = 1};
  static constexpr HandlerId kThird = {.slot = 3, .generation = 1};

  /// What a wait finds, which does not sleep unless told to.
  std::vector<Event>& poll(std::optional<Duration> max_wait = Duration::zero()) {
    wait_into(events_, *poller_, max_wait);
    return events_;
  }
  /// The last report on `id` in a wait that does not sleep.
  Ready poll(HandlerId id) {
    Ready found;
    for (const Event& event : poll()) {
      if (event.id == id) found = event.ready;
    }
    return found;
  }

  std::unique_ptr<Poller> poller_ = make_poller(GetParam());
  const Capabilities can_ = poller_->capabilities();
  std::vector<Event> events_;
};

}  // namespace detent::testing_support
