// SPDX-License-Identifier: BSL-1.0
// What the HOWTO's select example does with one list for reading, writing and exceptions.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "detent/poller.h"
#include "detent/timer_fd.h"
#include "support/conformance.h"
#include "support/errors.h"
#include "support/wait_into.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using testing_support::error_of;
using testing_support::wait_into;

class HowtoInterestOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  HowtoInterestOnEveryPoller() : poller_(make_poller(GetParam())) {}

  // For the timer; where a poller cannot wait for all, without that.
  void add(Interest interest) {
    constexpr HandlerId kId = {.slot = 1, .generation = 1};
    const bool timer_takes_readers_alone = GetParam() == "kqueue";  // kqueue(2): it is a kqueue
    if (timer_takes_readers_alone) {
      EXPECT_DIFFERENCE(error_of([&] { poller_->add(timer_.fd(), {.writable = true}, kId); }) ==
                        std::errc::invalid_argument);
      interest.writable = false;
    }
    if (!poller_->capabilities().priority) {
      EXPECT_UNSUPPORTED(poller_->add(timer_.fd(), interest, kId));
      interest.priority = false;
    }
    poller_->add(timer_.fd(), interest, kId);
  }

  // What is said of the timer, which is the only descriptor, right now or within `max_wait`.
  Ready poll(Duration max_wait) {
    wait_into(events_, *poller_, max_wait);
    EXPECT_LE(events_.size(), 1U);
    return events_.empty() ? Ready{} : events_.front().ready;
  }

  std::unique_ptr<Poller> poller_;
  std::vector<Event> events_;
  TimerFd timer_{ClockId::steady, TimerFd::Mode::non_blocking};
};

TEST_P(HowtoInterestOnEveryPoller, Howto_T29_ATimerNeverBecomesWritableOrExceptional) {
  add({.writable = true, .priority = true});
  timer_.arm(1ns);
  EXPECT_EQ(poll(1ms), Ready{}) << "though it has expired";
  EXPECT_EQ(timer_.read(), 1U);
}

TEST_P(HowtoInterestOnEveryPoller, Howto_T30_AskedForEverythingATimerReportsReadableAlone) {
  add({.readable = true, .writable = true, .priority = true});
  EXPECT_EQ(poll(0ns), Ready{});
  timer_.arm(1ns);
  EXPECT_EQ(poll(10s), Ready{.readable = true});
  EXPECT_EQ(timer_.read(), 1U);
  EXPECT_EQ(poll(0ns), Ready{});
}

INSTANTIATE_TEST_SUITE_P(OnEveryPoller, HowtoInterestOnEveryPoller,
                         testing::ValuesIn(poller_names()),
                         [](const auto& poller) { return std::string(poller.param); });

}  // namespace
}  // namespace detent
