// SPDX-License-Identifier: BSL-1.0
// What kernels of the BSDs do with a process that has just ended, played by the double of kevent().
#include "children/exit_queue.h"
#include "process_fixtures.h"
#include "support/kernel_double.h"
#include "support/processes.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
using kqueue_double::Zombies;

class ZombiesOnEveryPoller : public ChildrenOnEveryPoller {
 protected:
  ~ZombiesOnEveryPoller() override { kqueue_double::set_zombies(Zombies::reported); }
  static constexpr std::array kHidden = {Zombies::unknown, Zombies::silent};
};

DETENT_ON_EVERY_POLLER(ZombiesOnEveryPoller);

TEST_P(ZombiesOnEveryPoller, M2_AZombieOfOursIsToldThoughTheKernelHidesIt) {
  for (const Zombies are : kHidden) {
    kqueue_double::set_zombies(are);
    TestProcess process;
    process.end(7);
    const std::array<Handle, 2> watches = {children_.watch(process.pid(), note()),
                                           children_.watch(process.pid(), note())};
    exits_.clear();
    run_until_told(2);
    for (const ProcessExit& exit : exits_) EXPECT_EQ(exit.code, 7);
  }
}

TEST_P(ZombiesOnEveryPoller, M2_AZombieOfAnotherIsToldThoughTheKernelDeniesIt) {
  kqueue_double::set_zombies(Zombies::unknown);
  ForeignProcess other;
  other.end_by(SIGKILL);
  const Handle watch = children_.watch(other.pid(), note());
  EXPECT_FALSE(next_exit().is_known());
}

TEST_P(ZombiesOnEveryPoller, M2_AnEarlierWatchOfAZombieIsToldToo) {
  TestProcess process;
  const Handle earlier = children_.watch(process.pid(), note());
  process.end(7);
  kqueue_double::set_zombies(Zombies::silent);
  const Handle later = children_.watch(process.pid(), note());
  run_until_told(2);
}

TEST_P(ZombiesOnEveryPoller, M2_AWatchThatWentBeforeItWasToldIsNot) {
  kqueue_double::set_zombies(Zombies::unknown);
  TestProcess process;
  process.end(7);
  Handle watch = children_.watch(process.pid(), note());
  const Handle other = children_.watch(process.pid(), note());
  watch.cancel();
  run_until_told(1);
}

TEST_P(ZombiesOnEveryPoller, M2_AChildThatTheKernelHasReapedAlreadyIsTold) {
  EXPECT_TRUE(holds_in_a_forked_child([] {
    ::signal(SIGCHLD, SIG_IGN);
    Reactor reactor(on_poller(GetParam()));
    Children children(reactor);
    int told = 0;
    std::array<Child, 10> all;
    for (Child& child : all) {
      child = children.spawn({.arguments = {"/bin/true"}}, [&](const ProcessExit&) { ++told; });
    }
    while (told < 10) ASSERT_NE(reactor.run_once(kPatience), 0U);
    EXPECT_EQ(reactor.dispatch(), 0U);
    EXPECT_EQ(told, 10);
  }));
}

// Other code reaped the child, and another process has got its number.
TEST(ExitQueues, M2_NoProcessButOurChildGetsASignal) {
  const ForeignProcess stranger;
  const Process process = {.pid = stranger.pid(), .is_spawned = true};
  EXPECT_EQ(send_signal(process, 0), ESRCH);
}

}  // namespace
}  // namespace detent
