// SPDX-License-Identifier: BSL-1.0
// What timers cost, counted and not timed: allocations, memory, system calls.
#include <malloc.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "detent/timer_service.h"
#include "support/allocations.h"
#include "support/kernel_double.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "support/system_calls.h"
#include "support/timer_fixtures.h"
#include "timer_queue.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

constexpr int kMany = 10'000;

// ---- allocations

class TimerAllocations : public SimulatedTimers {};
class TimerAllocationsOnEveryPoller : public TimersOnEveryPoller {};
DETENT_ON_EVERY_POLLER(TimerAllocationsOnEveryPoller);

TEST_P(TimerAllocationsOnEveryPoller, TenThousandOneShotsThatRearmThemselvesAllocateNothing) {
  int calls = 0;
  Timer timer = timers_->make([&] {
    ++calls;
    timer.rearm(0ns);
  });
  timer.rearm(0ns);
  run_callbacks(10);
  EXPECT_EQ(0U, allocations_in([&] { run_callbacks(kMany); }));
  EXPECT_EQ(kMany + 10, calls);
}

TEST_P(TimerAllocationsOnEveryPoller, TenThousandPeriodicTicksAllocateNothing) {
  const Timer timer = timers_->every(1us, [] {});
  run_callbacks(10);
  EXPECT_EQ(0U, allocations_in([&] { run_callbacks(kMany); }));
}

TEST_P(TimerAllocationsOnEveryPoller, TenThousandRearmsAllocateNothing) {
  Timer timer = timers_->after(1h, [] {});
  const TimePoint now = reactor_.now();
  EXPECT_EQ(0U, allocations_in([&] {
              for (int i = 0; i < kMany; ++i) timer.rearm_at(now + 1h + i * 1ms);
              for (int i = kMany; i > 0; --i) timer.rearm_at(now + 1h + i * 1ms);
            }));
}

TEST_F(TimerAllocations, AThousandTimersTickingTenThousandTimesAllocateNothing) {
  std::mt19937_64 random(clock_.seed());
  std::vector<Timer> handles;
  std::int64_t ticks = 0;
  for (int i = 0; i < 1'000; ++i) {
    handles.push_back(timers_->every(Duration(1'000 + random() % 100'000), [&] { ++ticks; }));
  }
  clock_.pass(1ms);
  turn();  // the largest batch of all
  ticks = 0;
  const auto run = [&] {
    while (ticks < kMany) {
      clock_.pass(10us);
      turn();
    }
  };
  EXPECT_EQ(0U, allocations_in(run));
}

TEST_F(TimerAllocations, AddingAndCancellingAMillionTimersWithoutATurnTakesNoMemory) {
  const auto add_and_cancel = [&](int times) {
    for (int i = 0; i < times; ++i) {
      Timer one_shot = timers_->after(1h, [] {});
      const Timer periodic = timers_->every(1h, [] {});
      one_shot.cancel();
    }
  };
  add_and_cancel(10);
  EXPECT_EQ(0U, allocations_in([&] { add_and_cancel(500'000); }));
}

TEST_F(TimerAllocations, AddingAndCancellingInCallbacksTakesNoMemoryOverManyTurns) {
  Timer inner;
  Timer timer = timers_->every(1ms, [&] {
    for (int i = 0; i < 50; ++i) inner = timers_->after(1h, [] {});
  });
  clock_.advance(10ms);
  EXPECT_EQ(0U, allocations_in([&] {
              for (int i = 0; i < 1'000; ++i) {
                clock_.pass(1ms);
                turn();
              }
            }));
}

TEST_F(TimerAllocations, ACallableOfFourPointersIsStoredWithoutAnAllocation) {
  struct FourPointers {
    void* p[4];
    void operator()(const Tick&) const {}
  };
  Timer timer;
  for (int i = 0; i < 3; ++i) timer = timers_->after(1h, [] {});  // the tables have grown
  EXPECT_EQ(0U, allocations_in([&] { timer = timers_->after(1h, FourPointers{}); }));
}

TEST_F(TimerAllocations, RunningOutOfMemoryWhileArmingLeavesTheServiceAsItWas) {
  int calls = 0;
  std::vector<Timer> handles;
  handles.reserve(1'000);
  handles.push_back(timers_->after(1ms, [&] { ++calls; }));
  int refused = 0;
  for (int i = 0; i < 200; ++i) {
    try {
      const OutOfMemory out_of_memory;
      handles.push_back(timers_->every(1ms, [&] { ++calls; }));
    } catch (const std::bad_alloc&) {
      ++refused;
      handles.push_back(timers_->every(1ms, [&] { ++calls; }));
    }
  }
  EXPECT_GT(refused, 0);
  clock_.advance(1ms);
  EXPECT_EQ(201, calls);
}

TEST(TimerQueueAllocations, SteadyStateAllocatesNothing) {
  TimerQueue queue;
  std::mt19937_64 random(1);
  for (TimerQueue::Key key = 0; key < 1'000; ++key) queue.add(key, Duration(random() % 1'000));
  EXPECT_EQ(0U, allocations_in([&] {
              Duration now = {};
              for (int i = 0; i < kMany; ++i) {
                if (const auto key = queue.pop_due(now)) {
                  queue.add(*key, now + Duration(random() % 1'000));
                }
                const auto other = static_cast<TimerQueue::Key>(random() % 1'000);
                queue.set(other, queue.deadline(other) + 5ns);
                queue.remove(other);
                queue.add(other, now + Duration(random() % 1'000));
                now += 1ns;
                static_cast<void>(queue.earliest());
              }
            }));
}

TEST(TimerQueueAllocations, MovingEarlierAllocatesNothingThoughNobodyAsksWhatIsFirst) {
  TimerQueue queue;
  for (TimerQueue::Key key = 0; key < 100; ++key) queue.add(key, 1s);
  EXPECT_EQ(0U, allocations_in([&] {
              for (TimerQueue::Key i = 0; i < kMany; ++i) queue.set(i % 100, 1s - Duration(i));
            }));
}

TEST(TimerQueueAllocations, AKeyTakesThirtySixBytes) {
  constexpr TimerQueue::Key kKeys = 1U << 18;
  const auto in_use = [] {
    const struct mallinfo2 info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  const std::size_t before = in_use();
  void* volatile probe = std::malloc(1U << 20);
  const bool keeps_account = in_use() >= before + (1U << 20);
  std::free(probe);
  if (!keeps_account) GTEST_SKIP() << "this allocator keeps no account";
  TimerQueue queue;
  for (TimerQueue::Key key = 0; key < kKeys; ++key) queue.add(key, Duration(key));
  const std::size_t taken = in_use() - before;
  EXPECT_GE(taken, std::size_t{36} * kKeys);
  EXPECT_LE(taken, std::size_t{36} * kKeys + 64 * 1024) << "pages and the allocator's own";
}

// ---- system calls

class TimerSystemCallsOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  struct Loop {
    explicit Loop(std::string_view poller) : reactor({.poller = make_poller(poller)}) {}
    Reactor reactor;
    TimerService timers{reactor};
    Timer timer = timers.make([] {});
  };

  // What that many wake-ups of one timer call.
  static std::optional<SystemCalls> calls_of(int wake_ups) {
    return system_calls_of([=] {
      auto loop = std::make_shared<Loop>(GetParam());
      loop->timer = loop->timers.every(2ms, [] {});
      loop->reactor.run_once();  // what only the first turn does is not counted
      return [=] {
        for (int i = 0; i < wake_ups; ++i) loop->reactor.run_once();
      };
    });
  }
};
DETENT_ON_EVERY_POLLER(TimerSystemCallsOnEveryPoller);

TEST_P(TimerSystemCallsOnEveryPoller, TM9_AWakeUpTakesNoMoreThanTwoTheWaitAndTheSettime) {
  constexpr int kWakeUps = 20;
  const std::optional<SystemCalls> calls = calls_of(kWakeUps);
  if (!calls) GTEST_SKIP() << kUntraced;
  EXPECT_EQ(0U, calls->count(SYS_read)) << "the alarm is never read";
  ASSERT_EQ(1U, calls->count(SYS_timerfd_settime));
  const int settimes = calls->at(SYS_timerfd_settime);
  const int waits = total(*calls) - settimes;
  EXPECT_GE(waits, kWakeUps);
  EXPECT_LE(waits, kWakeUps + 5) << "more only where the kernel woke early";
  // Fewer where this process was held up for a period: what has passed is not armed for.
  EXPECT_LE(settimes, waits);
}

TEST_P(TimerSystemCallsOnEveryPoller, TM9_ArmingForLaterAndRearmingMakeNone) {
  const auto calls = system_calls_of([] {
    auto loop = std::make_shared<Loop>(GetParam());
    loop->timer.rearm(1h);
    return [=] {
      for (int i = 0; i < 100; ++i) {
        loop->timer.rearm_at(loop->reactor.now() + 2h);
        const Timer later = loop->timers.after(3h, [] {});
      }
    };
  });
  if (!calls) GTEST_SKIP() << kUntraced;
  EXPECT_EQ(0, total(*calls));
}

TEST_P(TimerSystemCallsOnEveryPoller, TM9_ThousandTimersOfOneInstantTakeNoMoreThanOne) {
  const auto calls = system_calls_of([] {
    auto loop = std::make_shared<Loop>(GetParam());
    auto handles = std::make_shared<std::vector<Timer>>();
    for (int i = 0; i < 1'000; ++i) handles->push_back(loop->timers.after(0ns, [] {}));
    loop->reactor.run_once();  // the memory for a batch of this size is there now
    const TimePoint deadline = kernel_clock().now() + 1ms;
    for (Timer& timer : *handles) timer.rearm_at(deadline);
    be_busy_until(deadline);
    return [=] {
      const std::size_t ran = loop->reactor.run_once();
      if (ran != 1'000) ::_exit(1);  // which the parent reports
      static_cast<void>(handles);
    };
  });
  if (!calls) GTEST_SKIP() << kUntraced;
  EXPECT_EQ(2, total(*calls));
}

}  // namespace
}  // namespace detent
