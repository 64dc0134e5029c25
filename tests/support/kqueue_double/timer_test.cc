// SPDX-License-Identifier: BSL-1.0
// EVFILT_TIMER. Nothing here depends on how long anything takes: what is expected is computed from
// the instants between which it happened.
#include <limits>

#include "kqueue_double.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "test_queue.h"

namespace kqueue_double {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using SteadyClock = std::chrono::steady_clock;

struct Span {
  SteadyClock::time_point first;
  SteadyClock::time_point last;
};

template <class F>
Span span_of(F&& function) {
  const auto first = SteadyClock::now();
  function();
  return {first, SteadyClock::now()};
}

void pass(nanoseconds time) {
  const auto end = SteadyClock::now() + time;
  while (SteadyClock::now() < end) {
  }
}

// A periodic timer that was started and looked at in these spans has expired so often.
void expect_expirations(std::intptr_t count, Span start, Span look, nanoseconds period) {
  EXPECT_GE(count, (look.first - start.last) / period);
  EXPECT_LE(count, (look.last - start.first) / period);
}

TEST_F(KqueueDouble, TheUnitIsMillisecondsUnlessANoteSaysOtherwise) {
  struct Unit {
    std::uint32_t note;
    std::intptr_t data;
    nanoseconds period;
  };
  for (const Unit unit :
       {Unit{0, 2, 2ms}, Unit{NOTE_USECONDS, 1500, 1500us}, Unit{NOTE_NSECONDS, 700'000, 700us}}) {
    const TestQueue queue;
    const Span start = span_of([&] {
      ASSERT_EQ(queue.add(1, EVFILT_TIMER, 0, {.fflags = unit.note, .data = unit.data}), 0);
    });
    pass(unit.period * 10);
    Events events;
    const Span look = span_of([&] { events = queue.collect(); });
    ASSERT_EQ(events.size(), 1U);
    expect_expirations(events[0].data, start, look, unit.period);
  }
}

TEST_F(KqueueDouble, ASecondIsNotOverBefore) {
  const Span start = span_of([&] {
    ASSERT_EQ(queue_.add(1, EVFILT_TIMER, EV_ONESHOT, {.fflags = NOTE_SECONDS, .data = 1}), 0);
  });
  EXPECT_EQ(queue_.wait().size(), 1U);
  EXPECT_GE(SteadyClock::now() - start.first, 1s);
}

TEST_F(KqueueDouble, DataIsTheExpirationsSinceTheLastCollection) {
  const Span start = span_of([&] { ASSERT_EQ(queue_.add(1, EVFILT_TIMER, 0, {.data = 10}), 0); });
  pass(105ms);
  Events events;
  const Span look = span_of([&] { events = queue_.collect(); });
  ASSERT_EQ(events.size(), 1U);
  expect_expirations(events[0].data, start, look, 10ms);
  const auto first = events[0].data;

  events = queue_.wait();
  const Span again = {look.last, SteadyClock::now()};
  ASSERT_EQ(events.size(), 1U);
  expect_expirations(first + events[0].data, start, again, 10ms);
  EXPECT_LT(events[0].data, first + (again.last - look.first) / 10ms);
}

TEST_F(KqueueDouble, TheNextDeadlineIsCountedFromTheLastAndNotFromNow) {
  constexpr auto kPeriod = 300us;
  const Span start = span_of([&] {
    ASSERT_EQ(queue_.add(1, EVFILT_TIMER, 0, {.fflags = NOTE_USECONDS, .data = 300}), 0);
  });
  std::intptr_t total = 0;
  Span look = start;
  for (int i = 0; i < 50; ++i) {
    pass(kPeriod / 2);  // each look is late
    Events events;
    look = span_of([&] { events = queue_.wait(); });
    total += events.at(0).data;
  }
  EXPECT_GE(total, (look.first - start.last) / kPeriod);
  EXPECT_LE(total, (look.last - start.first) / kPeriod);
}

TEST_F(KqueueDouble, ClearIsImpliedAndItIsPeriodicUnlessOneShot) {
  ASSERT_EQ(queue_.add(1, EVFILT_TIMER, 0, {.data = 1}), 0);
  for (int i = 0; i < 3; ++i) {
    const Event event = only(queue_.wait());
    EXPECT_TRUE(has(event, EV_CLEAR));
    EXPECT_GE(event.data, 1);
  }
  ASSERT_EQ(queue_.apply(1, EVFILT_TIMER, EV_DELETE), 0);

  ASSERT_EQ(queue_.add(2, EVFILT_TIMER, EV_ONESHOT, {.data = 1}), 0);
  pass(5ms);
  EXPECT_EQ(only(queue_.wait()).data, 1);
  EXPECT_EQ(queue_.apply(2, EVFILT_TIMER, EV_DELETE), ENOENT);
}

TEST_F(KqueueDouble, WhatIsCollectedIsNotReportedTwice) {
  ASSERT_EQ(queue_.add(1, EVFILT_TIMER, 0, {.fflags = NOTE_SECONDS, .data = 3600}), 0);
  EXPECT_EQ(queue_.collect().size(), 0U);
  EXPECT_FALSE(is_readable(queue_.fd()));
  ASSERT_EQ(queue_.add(2, EVFILT_TIMER, EV_DISPATCH, {.data = 1}), 0);
  EXPECT_EQ(queue_.wait().size(), 1U);
  pass(3ms);
  EXPECT_EQ(queue_.collect().size(), 0U) << "it is disabled";
  EXPECT_FALSE(is_readable(queue_.fd()));
  ASSERT_EQ(queue_.apply(2, EVFILT_TIMER, EV_ENABLE), 0);
  EXPECT_EQ(queue_.collect().size(), 1U) << "and went on";
}

TEST_F(KqueueDouble, AShorterTimerComesBeforeALongerOneThatWasAddedEarlier) {
  constexpr Note kHour = {.fflags = NOTE_SECONDS, .data = 3600};
  ASSERT_EQ(queue_.add(1, EVFILT_TIMER, EV_ONESHOT, kHour), 0);
  ASSERT_EQ(queue_.add(2, EVFILT_TIMER, EV_ONESHOT, {.data = 1}), 0);
  ASSERT_EQ(queue_.add(3, EVFILT_TIMER, EV_ONESHOT, kHour), 0);
  EXPECT_EQ(only(queue_.wait()).ident, 2U);
}

TEST_F(KqueueDouble, AddingAgainStartsItAnewAndKeepsWhatHasExpired) {
  ASSERT_EQ(queue_.add(1, EVFILT_TIMER, EV_ONESHOT, {.data = 1}), 0);
  ASSERT_EQ(queue_.add(1, EVFILT_TIMER, EV_ONESHOT, {.fflags = NOTE_SECONDS, .data = 3600}), 0);
  if (const Events early = queue_.collect(); !early.empty()) return;  // it had expired between them
  pass(3ms);
  EXPECT_EQ(queue_.collect().size(), 0U);

  ASSERT_EQ(queue_.add(2, EVFILT_TIMER, 0, {.data = 1}), 0);
  pass(3ms);
  ASSERT_EQ(queue_.add(2, EVFILT_TIMER, 0, {.fflags = NOTE_SECONDS, .data = 3600}), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
  EXPECT_EQ(queue_.collect().size(), 0U);
}

TEST_F(KqueueDouble, NoDelayAndANegativeOneAreEinvalAsOnNetBsd) {
  for (const unsigned flags : std::array<unsigned, 2>{0, EV_ONESHOT}) {
    EXPECT_EQ(queue_.add(1, EVFILT_TIMER, flags, {.data = 0}), EINVAL);
    EXPECT_EQ(queue_.add(1, EVFILT_TIMER, flags, {.fflags = NOTE_NSECONDS, .data = 0}), EINVAL);
    EXPECT_EQ(queue_.add(1, EVFILT_TIMER, flags, {.data = -1}), EINVAL);
  }
  EXPECT_EQ(queue_.apply(1, EVFILT_TIMER, EV_DELETE), ENOENT);
  EXPECT_EQ(queue_.add(1, EVFILT_TIMER, 0, {.fflags = NOTE_NSECONDS, .data = 1}), 0);
  EXPECT_EQ(queue_.wait().size(), 1U);
}

TEST_F(KqueueDouble, AVeryLongDelayIsCutToALongOne) {
  constexpr auto kMost = std::numeric_limits<std::intptr_t>::max();
  for (const std::uint32_t unit : {0U, NOTE_SECONDS, NOTE_USECONDS, NOTE_NSECONDS}) {
    EXPECT_EQ(queue_.add(1, EVFILT_TIMER, 0, {.fflags = unit, .data = kMost}), 0);
    EXPECT_EQ(queue_.collect().size(), 0U);
  }
}

TEST_F(KqueueDouble, ATimerIsNeverEarlyUnlessItIsLetBe) {
  for (int i = 0; i < 20; ++i) {
    const Span start = span_of([&] {
      ASSERT_EQ(queue_.add(1, EVFILT_TIMER, EV_ONESHOT, {.fflags = NOTE_USECONDS, .data = 500}), 0);
    });
    EXPECT_EQ(queue_.wait().size(), 1U);
    EXPECT_GE(SteadyClock::now() - start.first, 500us);
  }
}

TEST_F(KqueueDouble, ATimerMayBeLetFireEarlyButNotBeforeHalfOfItsTime) {
  set_timer_earliness(10ms);
  bool was_early = false;
  for (int i = 0; i < 1000 && !was_early; ++i) {  // until the machine is not too busy to see it
    const Span start =
        span_of([&] { ASSERT_EQ(queue_.add(1, EVFILT_TIMER, EV_ONESHOT, {.data = 15}), 0); });
    EXPECT_EQ(queue_.wait().size(), 1U);
    const auto end = SteadyClock::now();
    EXPECT_GE(end - start.first, 7500us);
    was_early = end - start.last < 15ms;
  }
  set_timer_earliness(0ns);
  EXPECT_TRUE(was_early);
}

TEST_F(KqueueDouble, AnAbsoluteTimeIsRefused) {
  EXPECT_EQ(queue_.add(1, EVFILT_TIMER, EV_ONESHOT,
                       {.fflags = NOTE_ABSOLUTE | NOTE_SECONDS, .data = 1'000'000}),
            EINVAL);
  EXPECT_EQ(queue_.add(1, EVFILT_TIMER, EV_ONESHOT, {.fflags = 1U << 20U, .data = 1}), EINVAL);
  EXPECT_EQ(
      queue_.add(1, EVFILT_TIMER, EV_ONESHOT, {.fflags = NOTE_SECONDS | NOTE_NSECONDS, .data = 1}),
      EINVAL);
}

TEST_F(KqueueDouble, NotesThatOnlySayHowExactItMustBeAreAccepted) {
  EXPECT_EQ(
      queue_.add(1, EVFILT_TIMER, EV_ONESHOT, {.fflags = NOTE_CRITICAL | NOTE_NSECONDS, .data = 1}),
      0);
  EXPECT_EQ(queue_.wait().size(), 1U);
}

}  // namespace
}  // namespace kqueue_double
