// SPDX-License-Identifier: BSL-1.0
// The contract that all pollers keep, the simulated one too. What takes a kernel to show is in
// kernel_poller_test.cc. A new poller is tested without a change here.
#include "detent/poller.h"

#include <sys/syscall.h>

#include <span>

#include "support/allocations.h"
#include "support/conformance.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/kernel_double.h"
#include "support/poller_stage.h"
#include "support/printing.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "support/system_calls.h"
#include "support/wait_into.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

// What is always to be said: an interest, and a time with its unit.
template <class P>
concept AddsWithoutInterest = requires(P& poller) {
  poller.add(0, HandlerId{});
};
static_assert(!AddsWithoutInterest<Poller>);
static_assert(Interest{}.empty() && Interest{}.trigger == Trigger::level);

template <class Time>
concept WaitsFor = requires(Poller& poller, std::span<Event> room, Time time) {
  poller.wait(room, time);
};
static_assert(!WaitsFor<int> && !WaitsFor<long> && !WaitsFor<double>);
static_assert(!WaitsFor<std::chrono::duration<double>>, "fractions are rounded first");
static_assert(WaitsFor<std::chrono::seconds> && WaitsFor<std::chrono::milliseconds>);

constexpr Interest kRead = {.readable = true};
constexpr Interest kWrite = {.writable = true};
constexpr Interest kReadOnce = {.readable = true, .trigger = Trigger::one_shot};
constexpr Interest kReadEdge = {.readable = true, .trigger = Trigger::edge};
constexpr Ready kReadable = {.readable = true};

class PollerContract : public testing::TestWithParam<std::string_view> {
 protected:
  HandlerId next_id() { return {.slot = ++last_, .generation = last_ * 2 + 1}; }

  int open_readable() {
    const int fd = stage_->open();
    stage_->make_readable(fd);
    return fd;
  }

  // What a wait that does not sleep finds; each id at most once.
  std::map<std::uint32_t, Ready> poll() {
    wait_into(events_, poller_, Duration::zero());
    std::map<std::uint32_t, Ready> found;
    for (const Event& event : events_) {
      EXPECT_TRUE(found.emplace(event.id.slot, event.ready).second) << "two events for one id";
      EXPECT_TRUE(event.id == HandlerId{} || event.id.generation == event.id.slot * 2 + 1);
    }
    return found;
  }
  Ready poll(HandlerId id) { return poll()[id.slot]; }

  std::unique_ptr<PollerStage> stage_ = make_stage(GetParam());
  Poller& poller_ = stage_->poller();
  const Capabilities can_ = poller_.capabilities();
  std::vector<Event> events_;

 private:
  std::uint32_t last_ = 0;
};

INSTANTIATE_TEST_SUITE_P(OnEveryPoller, PollerContract, testing::ValuesIn(stage_names()),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(PollerContract, IsCalledWhatItWasAskedFor) { EXPECT_EQ(poller_.name(), GetParam()); }

// --- D1: the book

TEST_P(PollerContract, D1_AddingARegisteredNumberIsFileExistsAndLeavesTheFirst) {
  const int fd = open_readable();
  const HandlerId first = next_id();
  poller_.add(fd, kRead, first);
  EXPECT_EQ(error_of([&] { poller_.add(fd, kRead, next_id()); }), std::errc::file_exists);
  EXPECT_EQ(error_of([&] { poller_.add(fd, {}, next_id()); }), std::errc::file_exists);
  EXPECT_EQ(poll(first), kReadable);
  EXPECT_EQ(events_.size(), 1U);
}

TEST_P(PollerContract, D1_AnUnknownNumberIsNoSuchFileOrDirectory) {
  const int removed = stage_->open();
  poller_.add(removed, kRead, next_id());
  poller_.remove(removed);
  for (const int fd : {removed, stage_->open(), 12'345, -1, INT_MAX}) {
    EXPECT_EQ(error_of([&] { poller_.modify(fd, kRead, next_id()); }),
              std::errc::no_such_file_or_directory);
    EXPECT_EQ(error_of([&] { poller_.remove(fd); }), std::errc::no_such_file_or_directory);
  }
}

TEST_P(PollerContract, D1_ANegativeNumberIsABadFileDescriptor) {
  for (const int fd : {-1, -2, INT_MIN}) {
    EXPECT_EQ(error_of([&] { poller_.add(fd, kRead, next_id()); }), std::errc::bad_file_descriptor);
  }
}

TEST_P(PollerContract, D1_ErrorsNameTheCallAndTheDescriptorAlikeOnEveryPoller) {
  const int fd = stage_->open();
  poller_.add(fd, kRead, next_id());
  const auto expect = [](const char* call, int number, std::errc code, const auto& statement) {
    const std::error_code error(static_cast<int>(code), std::system_category());
    EXPECT_EQ(error_of(statement), error);
    EXPECT_EQ(message_of<std::system_error>(statement),
              call + ('(' + std::to_string(number) + "): ") + error.message());
  };
  using enum std::errc;
  expect("Poller::add", -1, bad_file_descriptor, [&] { poller_.add(-1, kRead, next_id()); });
  expect("Poller::add", fd, file_exists, [&] { poller_.add(fd, kRead, next_id()); });
  expect("Poller::modify", 12'345, no_such_file_or_directory,
         [&] { poller_.modify(12'345, kRead, next_id()); });
  expect("Poller::remove", -1, no_such_file_or_directory, [&] { poller_.remove(-1); });
}

TEST_P(PollerContract, D2_WhatAPollerHasNotIsRefusedByACallThatNamesBoth) {
  const int fd = stage_->open();
  const std::pair<Interest, bool> kinds[] = {{kReadEdge, can_.edge},
                                             {{.priority = true}, can_.priority}};
  for (const auto& [interest, supported] : kinds) {
    if (supported) continue;
    const auto message = message_of<std::system_error>(
        [&, interest = interest] { poller_.add(fd, interest, next_id()); });
    const std::string expected =
        "Poller::add(" + std::to_string(fd) + "): " + std::string(poller_.name()) + " has no ";
    EXPECT_TRUE(message.starts_with(expected)) << message;
  }
}

TEST_P(PollerContract, D1_ARemovedNumberMayBeAddedAgain) {
  const int fd = open_readable();
  for (int round = 0; round < 3; ++round) {
    const HandlerId id = next_id();
    poller_.add(fd, kRead, id);
    EXPECT_EQ(poll(id), kReadable);
    EXPECT_EQ(events_.size(), 1U);
    poller_.remove(fd);
    EXPECT_TRUE(poll().empty());
  }
}

TEST_P(PollerContract, D1_AnEmptyInterestIsLegalAndHearsNothing) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  poller_.add(fd, {}, id);
  EXPECT_TRUE(poll().empty());
  EXPECT_EQ(error_of([&] { poller_.add(fd, kRead, id); }), std::errc::file_exists);
  poller_.modify(fd, kRead, id);
  EXPECT_EQ(poll(id), kReadable);
  poller_.modify(fd, {}, id);
  EXPECT_TRUE(poll().empty());
  poller_.remove(fd);
}

TEST_P(PollerContract, L1_WhatWasRemovedBeforeTheWaitIsNotReported) {
  const int fd = open_readable();
  poller_.add(fd, kRead, next_id());
  poller_.modify(fd, kReadOnce, next_id());
  poller_.remove(fd);
  EXPECT_TRUE(poll().empty());
}

TEST_P(PollerContract, OnlyTheLastOfManyChangesCounts) {
  const int fd = open_readable();
  poller_.add(fd, kRead, next_id());
  poller_.modify(fd, {}, next_id());
  poller_.modify(fd, kWrite, next_id());
  poller_.remove(fd);
  poller_.add(fd, {}, next_id());
  const HandlerId id = next_id();
  poller_.modify(fd, kWrite, id);
  EXPECT_EQ(poll(id), Ready{.writable = true});
  EXPECT_EQ(events_.size(), 1U);
}

TEST_P(PollerContract, AnEventCarriesTheIdOfTheLastModify) {
  const int fd = open_readable();
  poller_.add(fd, kRead, next_id());
  EXPECT_FALSE(poll().empty());
  const HandlerId fresh = next_id();
  poller_.modify(fd, kRead, fresh);
  EXPECT_EQ(poll(fresh), kReadable);
}

TEST_P(PollerContract, TheIdMayBeTheDescriptorItself) {
  std::set<std::uint32_t> expected;
  for (int i = 0; i < 3; ++i) {
    const int fd = open_readable();
    const auto number = static_cast<std::uint32_t>(fd);
    expected.insert(number);
    poller_.add(fd, kRead, {.slot = number, .generation = 1});
  }
  wait_into(events_, poller_, Duration::zero());
  std::set<std::uint32_t> found;
  for (const Event& event : events_) found.insert(event.id.slot);
  EXPECT_EQ(found, expected);
}

// --- D2, D4: what is reported

TEST_P(PollerContract, D2_ReportsWhatWasAskedForAndNothingElse) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  poller_.add(fd, kRead, id);
  EXPECT_EQ(poll(id), kReadable);
  poller_.modify(fd, kWrite, id);
  EXPECT_EQ(poll(id), Ready{.writable = true});
  poller_.modify(fd, {.readable = true, .writable = true}, id);
  EXPECT_EQ(poll(id), (Ready{.readable = true, .writable = true}));
}

TEST_P(PollerContract, D2_HangUpImpliesReadable) {
  const int fd = stage_->open();
  const HandlerId id = next_id();
  poller_.add(fd, kRead, id);
  stage_->close_peer(fd);
  const Ready ready = poll(id);
  EXPECT_TRUE(ready.readable);
  if (can_.hangup) {
    EXPECT_TRUE(ready.hangup);
  } else {
    EXPECT_DIFFERENCE(ready.readable && !ready.hangup);
  }
  if (can_.read_closed) {
    EXPECT_TRUE(ready.read_closed);
  } else {
    EXPECT_DIFFERENCE(ready.readable && !ready.read_closed);
  }
}

TEST_P(PollerContract, D2_HangUpComesUnaskedAndReadClosedDoesNot) {
  const int fd = stage_->open();
  const HandlerId id = next_id();
  poller_.add(fd, kWrite, id);
  stage_->close_peer(fd);
  const Ready ready = poll(id);
  EXPECT_TRUE(ready.writable);
  EXPECT_FALSE(ready.read_closed);
  if (can_.hangup) {
    EXPECT_TRUE(ready.hangup && ready.readable);
  } else {
    EXPECT_DIFFERENCE(!ready.hangup && !ready.readable);
  }
}

TEST_P(PollerContract, D4_APausedOneHearsNoHangUpUntilItIsResumed) {
  const int fd = stage_->open();
  const HandlerId id = next_id();
  poller_.add(fd, kRead, id);
  EXPECT_TRUE(poll().empty());
  poller_.modify(fd, {}, id);
  stage_->close_peer(fd);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(poll().empty()) << "it would spin";
  poller_.modify(fd, kRead, id);
  EXPECT_TRUE(poll(id).readable);
}

// --- D3: triggers

TEST_P(PollerContract, D3_ALevelIsReportedAtEveryWaitUntilItEnds) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  poller_.add(fd, kRead, id);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(poll(id), kReadable);
  stage_->take_all(fd);
  EXPECT_TRUE(poll().empty());
  stage_->make_readable(fd);
  EXPECT_EQ(poll(id), kReadable);
}

TEST_P(PollerContract, D3_AOneShotIsReportedOnceAndStaysRegistered) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  poller_.add(fd, kReadOnce, id);
  EXPECT_EQ(poll(id), kReadable);
  stage_->make_readable(fd);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(poll().empty());
  EXPECT_EQ(error_of([&] { poller_.add(fd, kRead, id); }), std::errc::file_exists);
  poller_.remove(fd);
}

TEST_P(PollerContract, D3_AOneShotThatFiredHearsNoHangUp) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  poller_.add(fd, kReadOnce, id);
  EXPECT_EQ(poll(id), kReadable);
  stage_->close_peer(fd);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(poll().empty());
}

TEST_P(PollerContract, D3_AOneShotArmedAgainWithDataPendingFires) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  poller_.add(fd, kReadOnce, id);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(poll(id), kReadable);
    EXPECT_TRUE(poll().empty());
    poller_.modify(fd, kReadOnce, id);
  }
}

TEST_P(PollerContract, D3_AOneShotMayBecomeALevelAndBack) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  poller_.add(fd, kReadOnce, id);
  EXPECT_EQ(poll(id), kReadable);
  poller_.modify(fd, kRead, id);
  EXPECT_EQ(poll(id), kReadable);
  EXPECT_EQ(poll(id), kReadable);
  poller_.modify(fd, kReadOnce, id);
  EXPECT_EQ(poll(id), kReadable);
  EXPECT_TRUE(poll().empty());
}

TEST_P(PollerContract, D3_AOneShotThatFiredMayBePausedAndResumed) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  poller_.add(fd, kReadOnce, id);
  EXPECT_EQ(poll(id), kReadable);
  poller_.modify(fd, {}, id);
  EXPECT_TRUE(poll().empty());
  poller_.modify(fd, kReadOnce, id);
  EXPECT_EQ(poll(id), kReadable);
  EXPECT_TRUE(poll().empty());
}

TEST_P(PollerContract, D3_AnEdgeIsNotSupportedWhereCapabilitiesSaySo) {
  const int fd = stage_->open();
  if (can_.edge) {
    EXPECT_FALSE(error_of([&] { poller_.add(fd, kReadEdge, next_id()); }));
    return;
  }
  EXPECT_UNSUPPORTED(poller_.add(fd, kReadEdge, next_id()));
  poller_.add(fd, kRead, next_id());
  EXPECT_UNSUPPORTED(poller_.modify(fd, kReadEdge, next_id()));
}

TEST_P(PollerContract, D3_AnEdgeIsReportedOnceForEachArrival) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  if (!can_.edge) {
    EXPECT_UNSUPPORTED(poller_.add(fd, kReadEdge, id));
    return;
  }
  poller_.add(fd, kReadEdge, id);
  EXPECT_EQ(poll(id), kReadable);
  EXPECT_TRUE(poll().empty()) << "nothing new";
  stage_->make_readable(fd);
  EXPECT_EQ(poll(id), kReadable) << "more came, the old unread";
  EXPECT_TRUE(poll().empty());
}

TEST_P(PollerContract, D3_AnEdgeArmedAgainWithDataPendingFires) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  if (!can_.edge) {
    EXPECT_UNSUPPORTED(poller_.add(fd, kReadEdge, id));
    return;
  }
  poller_.add(fd, kReadEdge, id);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(poll(id), kReadable);
    EXPECT_TRUE(poll().empty());
    poller_.modify(fd, kReadEdge, id);
  }
}

// --- D5: batches

TEST_P(PollerContract, D5_AWaitWithoutRoomIsAnInvalidArgument) {
  EXPECT_THROW(static_cast<void>(poller_.wait({}, Duration::zero())), std::invalid_argument);
}

TEST_P(PollerContract, D5_AWaitWritesWhatItReturnsAndNoFurther) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  poller_.add(fd, kRead, id);
  const HandlerId other = {.slot = 9, .generation = 9};
  std::array<Event, 3> room;
  room.fill({.id = other, .ready = {.error = true}});
  const std::span<Event> told = poller_.wait(room, Duration::zero());
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told.data(), room.data());
  EXPECT_EQ(told[0].id, id);
  EXPECT_EQ(told[0].ready, kReadable);
  EXPECT_EQ(room[1].id, other);
  poller_.remove(fd);
  EXPECT_TRUE(poller_.wait(room, Duration::zero()).empty());
}

TEST_P(PollerContract, D5_ThreeReadyAndRoomForOneTakeThreeWaits) {
  events_.reserve(1);
  std::map<std::uint32_t, int> fds;
  for (int i = 0; i < 3; ++i) {
    const HandlerId id = next_id();
    fds[id.slot] = open_readable();
    poller_.add(fds[id.slot], kRead, id);
  }
  while (!fds.empty()) {
    wait_into(events_, poller_, Duration::zero());
    ASSERT_EQ(events_.size(), 1U);
    const auto found = fds.find(events_[0].id.slot);
    ASSERT_NE(found, fds.end());
    stage_->take_all(found->second);
    fds.erase(found);
  }
  EXPECT_TRUE(poll().empty());
  EXPECT_EQ(events_.capacity(), 1U);
}

TEST_P(PollerContract, D5_TwoThousandReadyAreReportedInFullBatches) {
  std::map<std::uint32_t, int> fds;
  while (fds.size() < 2000) {
    const int fd = open_readable();
    const HandlerId id = next_id();
    const auto error = error_of([&] { poller_.add(fd, kRead, id); });
    if (error == std::errc::invalid_argument) break;  // select(2) knows no larger number
    ASSERT_FALSE(error) << error.message();
    fds[id.slot] = fd;
  }
  ASSERT_GT(fds.size(), 64U * 3);
  events_.reserve(64);
  const std::size_t waits = (fds.size() + 63) / 64;
  for (std::size_t i = 0; i < waits; ++i) {
    for (const auto& [slot, ready] : poll()) {
      ASSERT_EQ(fds.count(slot), 1U) << "reported after it was drained";
      stage_->take_all(fds[slot]);
      fds.erase(slot);
    }
  }
  EXPECT_TRUE(fds.empty());
  EXPECT_TRUE(poll().empty());
}

TEST_P(PollerContract, P1_TheRoomForEventsMayGrowFromWaitToWait) {
  for (int i = 0; i < 200; ++i) poller_.add(open_readable(), kRead, next_id());
  for (const std::size_t room : {4U, 16U, 180U}) {
    events_.reserve(room);
    EXPECT_EQ(poll().size(), room);
  }
}

// More are ready than a batch holds, and each is as ready as the others, for ever.
class EqualSources : public PollerContract {
 protected:
  void make(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const HandlerId id = next_id();
      reports_[id.slot] = 0;
      poller_.add(open_readable(), kRead, id);
    }
  }
  // By how much the counts differ after one more wait.
  std::uint64_t difference_after_a_wait() {
    for (const auto& [slot, ready] : poll()) ++reports_[slot];
    const auto [least, most] =
        std::minmax_element(reports_.begin(), reports_.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; });
    return most->second - least->second;
  }

 private:
  std::map<std::uint32_t, std::uint64_t> reports_;
};

INSTANTIATE_TEST_SUITE_P(OnEveryPoller, EqualSources, testing::ValuesIn(stage_names()),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(EqualSources, O2_GetEqualCountsAtEachMomentHoweverSmallTheBatch) {
  make(3);
  events_.reserve(2);
  for (int i = 0; i < 100; ++i) ASSERT_LE(difference_after_a_wait(), 1U) << "wait " << i;
}

TEST_P(EqualSources, O2_GetEqualCountsWhereTheyAreMany) {
  make(100);
  events_.reserve(64);
  for (int i = 0; i < 100; ++i) ASSERT_LE(difference_after_a_wait(), 1U) << "wait " << i;
}

TEST_P(EqualSources, O2_GetEqualCountsInALoopThatAnotherOneEmbeds) {
  make(3);
  events_.reserve(2);
  if (!can_.native_handle) {
    EXPECT_UNSUPPORTED(poller_.native_handle());
    return;
  }
  std::ignore = poller_.native_handle();
  for (int i = 0; i < 100; ++i) ASSERT_LE(difference_after_a_wait(), 1U) << "wait " << i;
}

// --- D6: the longest wait

TEST_P(PollerContract, D6_ZeroAndNegativeDoNotWait) {
  const int fd = stage_->open();
  poller_.add(fd, kRead, next_id());
  for (const Duration d : {Duration::zero(), Duration(-1), Duration(-1h), Duration::min()}) {
    wait_into(events_, poller_, d);
    EXPECT_TRUE(events_.empty());
  }
}

TEST_P(PollerContract, D6_NeverReturnsEarlyWithNothing) {
  for (const bool registered : {false, true}) {
    if (registered) poller_.add(stage_->open(), kRead, next_id());
    for (const Duration d : {Duration(1), Duration(1000), Duration(999'999), Duration(2'500'001)}) {
      const TimePoint start = stage_->now();
      wait_into(events_, poller_, d);
      EXPECT_GE(stage_->now() - start, d);
      EXPECT_TRUE(events_.empty());
    }
  }
}

TEST_P(PollerContract, D6_WhatIsReadyIsReportedHoweverLongTheWait) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  poller_.add(fd, kRead, id);
  using Wait = std::optional<Duration>;
  for (const Wait wait : {Wait(), Wait(0ns), Wait(Duration::min()), Wait(Duration::max()),
                          Wait(std::chrono::hours(24 * 25)), Wait(std::chrono::hours(24 * 50))}) {
    wait_into(events_, poller_, wait);
    ASSERT_EQ(events_.size(), 1U);
    EXPECT_EQ(events_[0].id, id);
  }
}

// --- Ends behind the poller's back, and costs

TEST_P(PollerContract, L6_AClosedDescriptorMayBeRemoved) {
  const int fd = open_readable();
  poller_.add(fd, kRead, next_id());
  stage_->close(fd);
  poller_.remove(fd);
  EXPECT_TRUE(poll().empty());
}

TEST_P(PollerContract, L6_ModifyingAClosedDescriptorEndsItWithOneInvalidEvent) {
  const int fd = stage_->open();
  const HandlerId id = next_id();
  poller_.add(fd, kRead, id);
  stage_->close(fd);
  poller_.modify(fd, kWrite, id);
  wait_into(events_, poller_, std::nullopt);  // news is not kept back while nothing else happens
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].id, id);
  EXPECT_EQ(events_[0].ready, Ready{.invalid = true});
  EXPECT_TRUE(poll().empty());
  EXPECT_EQ(error_of([&] { poller_.remove(fd); }), std::errc::no_such_file_or_directory);
}

TEST_P(PollerContract, L6_ManyInvalidOnesAreReportedHoweverSmallTheBatch) {
  events_.reserve(1);
  const std::vector<int> fds = {stage_->open(), stage_->open(), stage_->open()};
  std::set<std::uint32_t> expected;
  for (const int fd : fds) {
    const HandlerId id = next_id();
    poller_.add(fd, kRead, id);
    stage_->close(fd);
    poller_.modify(fd, kWrite, id);
    expected.insert(id.slot);
  }
  std::set<std::uint32_t> found;
  for (int i = 0; i < 3; ++i) {
    for (const auto& [slot, ready] : poll()) {
      EXPECT_TRUE(ready.invalid);
      found.insert(slot);
    }
    EXPECT_EQ(events_.size(), 1U);
  }
  EXPECT_EQ(found, expected);
  EXPECT_TRUE(poll().empty());
}

TEST_P(PollerContract, WaitingAllocatesNothing) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  poller_.add(fd, kRead, id);
  const auto turn = [&](Interest interest) {
    poller_.modify(fd, interest, id);
    wait_into(events_, poller_, Duration::zero());
    EXPECT_EQ(events_.size(), interest.empty() ? 0U : 1U);
  };
  turn({.readable = true, .writable = true});  // the first of a kind may make room
  EXPECT_EQ(allocations_in([&] {
              for (int i = 0; i < 2500; ++i) {
                turn(kRead);
                turn({.readable = true, .writable = true});
                turn({});
                turn(kReadOnce);
              }
            }),
            0U);
}

TEST_P(PollerContract, K15_TogglingAHundredThousandTimesAllocatesNothingAndChangesNothing) {
  const int fd = open_readable();
  const HandlerId id = next_id();
  poller_.add(fd, kRead, id);
  poller_.modify(fd, kWrite, id);
  EXPECT_EQ(allocations_in([&] {
              for (int i = 0; i < 100'000; ++i) poller_.modify(fd, i % 2 == 0 ? kWrite : kRead, id);
            }),
            0U);
  EXPECT_EQ(poll(id), kReadable);
}

TEST_P(PollerContract, D7_TheNativeHandleIsReadableWhileAWaitWouldFindSomething) {
  if (!can_.native_handle) {
    EXPECT_UNSUPPORTED(poller_.native_handle());
    return;
  }
  const int fd = stage_->open();
  poller_.add(fd, kRead, next_id());
  EXPECT_TRUE(poll().empty());
  EXPECT_FALSE(is_readable(poller_.native_handle()));
  stage_->make_readable(fd);
  EXPECT_TRUE(is_readable(poller_.native_handle()));
  stage_->take_all(fd);
  EXPECT_TRUE(poll().empty());
  EXPECT_FALSE(is_readable(poller_.native_handle()));
}

// --- Choosing one

// $DETENT_POLLER for the length of a scope.
class Environment {
 public:
  explicit Environment(const char* value) {
    if (const char* before = std::getenv(kName)) before_ = before;
    value == nullptr ? ::unsetenv(kName) : ::setenv(kName, value, 1);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { before_ ? ::setenv(kName, before_->c_str(), 1) : ::unsetenv(kName); }

 private:
  static constexpr const char* kName = "DETENT_POLLER";
  std::optional<std::string> before_;
};

TEST(MakePoller, MakesEachThatIsListed) {
  ASSERT_FALSE(poller_names().empty());
  for (const std::string_view name : poller_names()) EXPECT_EQ(make_poller(name)->name(), name);
}

TEST(MakePoller, WithoutANameTakesTheEnvironmentsThenTheDefault) {
  const std::string last(poller_names().back());
  {
    const Environment unset(nullptr);
    EXPECT_EQ(make_poller()->name(), poller_names().front());
  }
  {
    const Environment empty("");
    EXPECT_EQ(make_poller()->name(), poller_names().front());
  }
  const Environment named(last.c_str());
  EXPECT_EQ(make_poller()->name(), last);
}

TEST(MakePoller, ANameInTheProgramOverridesTheEnvironment) {
  const Environment unknown("carrier pigeon");
  EXPECT_EQ(make_poller(poller_names().front())->name(), poller_names().front());
}

TEST(MakePoller, AnUnknownNameIsInvalidArgumentWhoseTextListsWhatThereIs) {
  const auto check = [](std::string_view name) {
    const std::string message =
        message_of<std::invalid_argument>([&] { std::ignore = make_poller(name); });
    EXPECT_NE(message.find("carrier pigeon"), std::string::npos) << message;
    for (const std::string_view there : poller_names()) {
      EXPECT_NE(message.find(there), std::string::npos) << message;
    }
  };
  check("carrier pigeon");
  const Environment unknown("carrier pigeon");
  check("");
}

std::string names_after(std::string text) {
  for (const std::string_view there : poller_names()) text.append(" ").append(there);
  return text;
}
std::string refusal_of(std::string_view name) {
  return message_of<std::invalid_argument>([&] { std::ignore = make_poller(name); });
}

TEST(MakePoller, AnUnknownNamesErrorReadsLikeThat) {
  EXPECT_EQ(refusal_of("nonsense"),
            names_after("make_poller: \"nonsense\" is no poller's name; there is"));
}

TEST(MakePoller, TheErrorForAPollerOfAnotherSystemSaysWhyItIsNotThere) {
  const bool on_linux = poller_names().front() == "epoll";
  const std::string name = on_linux ? "kqueue" : "epoll";
  const std::string system = on_linux ? "BSD and macOS" : "Linux";
  EXPECT_EQ(refusal_of(name),
            names_after("make_poller: \"" + name + "\" is not there: it is a call of " + system +
                        "; there is"));
}

TEST(MakePoller, AskingForNamesHasNoSideEffect) {
  const DescriptorsBefore before;
  errno = ENOTTY;
  const auto names = poller_names();
  EXPECT_EQ(errno, ENOTTY);
  EXPECT_EQ(poller_names(), names);
  EXPECT_TRUE(before.opened_since().empty());
}

// A ring that is made and closed again would show in the calls.
TEST(MakePoller, AskingForNamesMakesNothingOnTheWayAndTakesNoFreeDescriptor) {
  const auto names = poller_names();
  std::vector<std::string_view> names_at_the_limit;
  {
    const NoFreeDescriptor limit;
    names_at_the_limit = poller_names();
  }
  EXPECT_EQ(names_at_the_limit, names);
  const auto calls = system_calls_of([] { return [] { std::ignore = poller_names(); }; });
  if (!calls) GTEST_SKIP() << kUntraced;
  EXPECT_EQ(*calls, (SystemCalls{{SYS_io_uring_setup, 1}}));
}

TEST(MakePoller, TheDescriptorLimitIsAnErrorAndNeverAnotherPoller) {
  for (const std::string_view name : poller_names()) {
    if (!make_poller(name)->capabilities().native_handle) continue;  // it needs no descriptor
    const auto error = error_of([&] {
      const NoFreeDescriptor limit;
      std::ignore = make_poller(name);
    });
    EXPECT_EQ(error, std::errc::too_many_files_open);
  }
}

}  // namespace
}  // namespace detent
