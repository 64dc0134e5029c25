// SPDX-License-Identifier: BSL-1.0
// What the loop costs, counted and not timed: allocations and system calls.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "detent/reactor.h"
#include "support/allocations.h"
#include "support/failing_calls.h"
#include "support/kernel_double.h"
#include "support/processes.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/system_calls.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

// ---- allocations

class AllocationsOnEveryPoller : public ReactorOnEveryPoller {
 protected:
  static constexpr int kMany = 10'000;

  // Once everything has grown to its size.
  template <class Function>
  std::size_t allocations_in_many(Function function) {
    for (int i = 0; i < 100; ++i) function();
    return allocations_in([&] {
      for (int i = 0; i < kMany; ++i) function();
    });
  }
};

TEST_P(AllocationsOnEveryPoller, TenThousandDispatchesOfADescriptorAllocateNothing) {
  WatchedSocket socket;
  socket.send();
  std::size_t calls = 0;
  const Watch watch = reactor_.watch(socket, {.readable = true}, [&](Ready) { ++calls; });
  EXPECT_EQ(allocations_in_many([&] { turn(); }), 0U);
  EXPECT_EQ(calls, 10'100U);
}

TEST_P(AllocationsOnEveryPoller, TenThousandPostedFunctionsAllocateNothing) {
  std::size_t calls = 0;
  EXPECT_EQ(allocations_in_many([&] {
              for (int i = 0; i < 3; ++i) reactor_.post([&calls] { ++calls; });
              turn();
            }),
            0U);
  EXPECT_EQ(calls, 30'300U);
}

TEST_P(AllocationsOnEveryPoller, TenThousandDeferredFunctionsAllocateNothing) {
  std::size_t calls = 0;
  EXPECT_EQ(allocations_in_many([&] {
              std::array<Handle, 3> kept;
              for (Handle& handle : kept) handle = reactor_.defer([&calls] { ++calls; });
              turn();
            }),
            0U);
  EXPECT_EQ(calls, 30'300U);
}

TEST_P(AllocationsOnEveryPoller, TenThousandFunctionsOfTheNextTurnAllocateNothing) {
  std::size_t calls = 0;
  EXPECT_EQ(allocations_in_many([&] {
              std::array<Handle, 3> kept;
              for (Handle& handle : kept) handle = reactor_.next_turn([&calls] { ++calls; });
              turn();
            }),
            0U);
  EXPECT_EQ(calls, 30'300U);
}

TEST_P(AllocationsOnEveryPoller, TenThousandChangesOfInterestAllocateNothing) {
  WatchedSocket socket;
  socket.send();
  std::size_t calls = 0;
  Watch watch = reactor_.watch(socket, {.readable = true}, [&](Ready) { ++calls; });
  bool writable = false;
  EXPECT_EQ(allocations_in_many([&] {
              watch.set_interest({.readable = true, .writable = writable = !writable});
              turn();
            }),
            0U);
  EXPECT_EQ(calls, 10'100U);
}

TEST_P(AllocationsOnEveryPoller, TenThousandTurnsWithHooksAllocateNothing) {
  std::size_t calls = 0;
  const Handle before = reactor_.before_wait([&] { ++calls; });
  const Handle after = reactor_.after_wait([&] { ++calls; });
  EXPECT_EQ(allocations_in_many([&] { turn(); }), 0U);
  EXPECT_EQ(calls, 20'200U);
}

TEST_P(AllocationsOnEveryPoller, TenThousandWakesAndPreparedTurnsAllocateNothing) {
  EXPECT_EQ(allocations_in_many([&] {
              static_cast<void>(reactor_.prepare());
              reactor_.wake();
              turn();
            }),
            0U);
}

TEST_P(AllocationsOnEveryPoller, EndingAWatchAllocatesNothing) {
  WatchedSocket socket;
  Watch watch;
  std::size_t allocated = 0;
  turn();
  for (int i = 0; i < 1'000; ++i) {
    watch = reactor_.watch(socket, {.readable = true}, [](Ready) {});
    allocated += allocations_in([&] {
      watch.cancel();
      turn();
    });
  }
  EXPECT_EQ(allocated, 0U);
}

DETENT_ON_EVERY_POLLER(AllocationsOnEveryPoller);

// ---- system calls

std::string text_of(const SystemCalls& calls) {
  std::ostringstream text;
  for (const auto& [number, count] : calls) text << "call " << number << ": " << count << "; ";
  return text.str();
}

// A loop with one socket that is watched, in the traced child.
struct Loop {
  explicit Loop(std::string_view poller) : reactor(on_poller(poller)) {}
  Reactor reactor;
  WatchedSocket socket;
  Watch watch;
};

class SystemCallsOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  static constexpr int kTurns = 50;

  // What `counted` calls when `set_up` has prepared the loop.
  template <class SetUp, class Counted>
  std::optional<SystemCalls> calls_of(SetUp set_up, Counted counted) {
    return system_calls_of([=, poller = GetParam()]() -> std::function<void()> {
      auto loop = std::make_shared<Loop>(poller);
      set_up(*loop);
      loop->reactor.dispatch();
      return [loop, counted] { counted(*loop); };
    });
  }
};

#define SKIP_UNLESS_TRACED(calls) \
  if (!(calls)) GTEST_SKIP() << kUntraced

TEST_P(SystemCallsOnEveryPoller, ATurnWithOneReadableEventIsOneWaitAndWhatItsCallbackDoes) {
  const auto calls = calls_of(
      [](Loop& loop) {
        loop.socket.send(std::string(kTurns + 1, 'x'));
        loop.watch = loop.reactor.watch(loop.socket, {.readable = true}, [&loop](Ready) {
          char byte = 0;
          if (::read(loop.socket.fd(), &byte, 1) != 1) ::_exit(2);
        });
      },
      [](Loop& loop) {
        for (int i = 0; i < kTurns; ++i) {
          if (loop.reactor.run_once(1h) != 1) ::_exit(3);
        }
      });
  SKIP_UNLESS_TRACED(calls);
  EXPECT_EQ(total(*calls), 2 * kTurns) << text_of(*calls);
}

TEST_P(SystemCallsOnEveryPoller, RunCostsNoMoreThanItsTurns) {
  const auto calls = calls_of(
      [](Loop& loop) {
        loop.socket.send();
        loop.watch =
            loop.reactor.watch(loop.socket, {.readable = true}, [&loop, turns = -1](Ready) mutable {
              if (++turns == kTurns) loop.reactor.stop();
            });
      },
      [](Loop& loop) { loop.reactor.run(); });
  SKIP_UNLESS_TRACED(calls);
  EXPECT_EQ(total(*calls), kTurns) << text_of(*calls);
}

TEST_P(SystemCallsOnEveryPoller, AnInterestThatIsSetAndSetBackWithinATurnCostsNothing) {
  const auto calls = calls_of(
      [](Loop& loop) {
        loop.watch = loop.reactor.watch(loop.socket, {.readable = true}, [](Ready) {});
      },
      [](Loop& loop) {
        for (int i = 0; i < kTurns; ++i) {
          loop.watch.set_interest({.readable = true, .writable = true});
          loop.watch.pause();
          loop.watch.resume();
          loop.watch.set_interest({.readable = true});
          loop.reactor.dispatch();
        }
      });
  SKIP_UNLESS_TRACED(calls);
  EXPECT_EQ(total(*calls), kTurns) << text_of(*calls);
}

TEST_P(SystemCallsOnEveryPoller, ChangesOfInterestAreJoinedIntoOneCallATurnAtMost) {
  const auto calls = calls_of(
      [](Loop& loop) {
        loop.socket.fill();
        loop.watch = loop.reactor.watch(loop.socket, {.readable = true}, [](Ready) {});
      },
      [](Loop& loop) {
        for (int i = 0; i < kTurns; ++i) {
          for (int j = 0; j < 101; ++j) {
            loop.watch.set_interest({.readable = true, .writable = (i + j) % 2 == 0});
          }
          loop.reactor.dispatch();
        }
      });
  SKIP_UNLESS_TRACED(calls);
  EXPECT_LE(total(*calls), 2 * kTurns) << text_of(*calls);
}

TEST_P(SystemCallsOnEveryPoller, PostsAndDefersOfABusyLoopCostNothing) {
  const auto calls = calls_of([](Loop&) {},
                              [](Loop& loop) {
                                std::array<Handle, 10> kept;
                                std::array<Handle, 10> put_off;
                                for (int i = 0; i < kTurns; ++i) {
                                  for (std::size_t j = 0; j < 10; ++j) {
                                    loop.reactor.post([] {});
                                    kept[j] = loop.reactor.defer([] {});
                                    put_off[j] = loop.reactor.next_turn([] {});
                                    loop.reactor.wake();
                                  }
                                  loop.reactor.dispatch();
                                }
                              });
  SKIP_UNLESS_TRACED(calls);
  EXPECT_EQ(total(*calls), kTurns) << text_of(*calls);
}

TEST_P(SystemCallsOnEveryPoller, W1_HoweverManyAskOneSleepCostsOneWriteAndOneCallThatAnswersIt) {
  const auto calls = calls_of([](Loop&) {},
                              [](Loop& loop) {
                                for (int i = 0; i < kTurns; ++i) {
                                  static_cast<void>(loop.reactor.prepare());
                                  for (int j = 0; j < 10; ++j) {
                                    static_cast<void>(loop.reactor.defer([] {}));
                                    loop.reactor.post([] {});
                                    loop.reactor.wake();
                                  }
                                  loop.reactor.dispatch();
                                }
                              });
  SKIP_UNLESS_TRACED(calls);
  EXPECT_LE(calls->at(SYS_write), kTurns);
  // A level has to be read. In place of that, an edge has its descriptor compared.
  const auto times = [&calls](long call) { return calls->count(call) == 0 ? 0 : calls->at(call); };
  EXPECT_LE(times(SYS_read) + times(SYS_fcntl), kTurns) << text_of(*calls);
  // prepare's look and the turn's wait, for which io_uring takes two calls: the wake-up came
  // before.
  EXPECT_LE(total(*calls), 5 * kTurns) << text_of(*calls);
}

TEST_P(SystemCallsOnEveryPoller, TheTimeOfATurnIsNoSystemCallAndNeitherAreTheChecks) {
  const auto calls = calls_of([](Loop&) {},
                              [](Loop& loop) {
                                for (int i = 0; i < kTurns; ++i) {
                                  static_cast<void>(loop.reactor.now());
                                  static_cast<void>(loop.reactor.counters());
                                  static_cast<void>(loop.reactor.defer([] {}));
                                }
                              });
  SKIP_UNLESS_TRACED(calls);
  EXPECT_EQ(total(*calls), 0) << text_of(*calls);
}

// What the kernel would be asked of a user's descriptor, and its answer is the end.
bool forbid_questions() {
  return let_calls_kill(
      {SYS_ioctl, SYS_getsockopt, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_fcntl});
}

TEST_P(SystemCallsOnEveryPoller, D4_ABusyLoopAsksNothingOfWhatItWatches) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  if (!holds_in_a_forked_child([] { EXPECT_TRUE(forbid_questions()); })) {
    GTEST_SKIP() << "seccomp(2) is not allowed here";
  }
  EXPECT_FALSE(holds_in_a_forked_child([] {
    struct stat answer = {};
    EXPECT_TRUE(forbid_questions());
    ::fstat(0, &answer);
  })) << "the kernel lets it pass";

  EXPECT_TRUE(holds_in_a_forked_child([] {
    constexpr int kBusyTurns = 5000;
    Reactor reactor(on_poller(GetParam()));
    const WatchedSocket socket;
    const WatchedPipe pipe;
    int calls = 0;
    socket.send();
    pipe.send();
    const Watch watch = reactor.watch(socket, {.readable = true}, [&](Ready) { ++calls; });
    const Watch source = reactor.watch_source(pipe.fd(), [&](Ready) -> std::size_t {
      ++calls;
      return 1;
    });
    EXPECT_TRUE(forbid_questions());
    for (int i = 0; i < kBusyTurns; ++i) reactor.dispatch();
    EXPECT_EQ(calls, 2 * kBusyTurns);
  }));
}

DETENT_ON_EVERY_POLLER(SystemCallsOnEveryPoller);

}  // namespace
}  // namespace detent
