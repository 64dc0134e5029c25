// SPDX-License-Identifier: BSL-1.0
// The row of the table of lifetimes that a watched signal has, and what only it has.
#include <signal.h>
#include <unistd.h>

#include "detent/signals.h"
#include "support/allocations.h"
#include "support/kept_disposition.h"
#include "support/lifetime_table.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

class SignalActor final : public Actor {
 public:
  static constexpr const char* kName = "Signal";
  explicit SignalActor(std::string_view poller) : Actor(poller) { make_owner(); }
  void make_owner() override { signals_.make(reactor()); }
  void end_owner() override { signals_.end(); }
  void ask_the_going_owner() override {
    ToRefuse to_refuse([] {});
    EXPECT_FALSE(signals_->watch({SIGUSR1}, [call = to_refuse()](const CaughtSignal&) { call(); }));
  }

  std::unique_ptr<Held> add(Callback<void()> call) override {
    return hold(signals_->watch({SIGUSR1},
                                [call = std::move(call)](const CaughtSignal&) mutable { call(); }));
  }
  void make_due() override { ::raise(SIGUSR1); }

 private:
  KeptDisposition ignored_{SIGUSR1, SIG_IGN};  // while nobody watches it
  Owned<Signals> signals_;
};

using OfSignals = testing::Types<SignalActor>;
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, Lifetimes, OfSignals, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfCaptures, OfSignals, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfOwners, OfSignals, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfServices, OfSignals, ActorNames);

// ---- what only it has

class SignalLifetimeOnEveryPoller : public ReactorOnEveryPoller {
 protected:
  KeptDisposition ignored_{SIGUSR1, SIG_IGN};
  std::optional<Signals> signals_{std::in_place, reactor_};
};

TEST_P(SignalLifetimeOnEveryPoller, L2_ACallbackThatDestroysTheObjectMayStillReadItsSenders) {
  std::vector<std::int64_t> senders;
  const Handle watch = signals_->watch({SIGUSR1}, [&](const CaughtSignal& caught) {
    signals_.reset();
    for (const SignalSender& sender : caught.senders) senders.push_back(sender.pid);
  });
  for (int i = 0; i < 2; ++i) ::raise(SIGUSR1);
  turn();
  EXPECT_EQ(senders, (std::vector<std::int64_t>{::getpid(), ::getpid()}));
}

TEST_P(SignalLifetimeOnEveryPoller, L1_AWatchMadeInACallbackIsNotToldWhatThatTurnTells) {
  int calls = 0;
  Handle later;
  const Handle first = signals_->watch({SIGUSR1, SIGUSR2}, [&](const CaughtSignal&) {
    if (!later) later = signals_->watch({SIGUSR2}, [&](const CaughtSignal&) { ++calls; });
  });
  for (const int signal : {SIGUSR1, SIGUSR2}) ::raise(signal);
  EXPECT_EQ(turn(), 2U);
  EXPECT_EQ(calls, 0);
  ::raise(SIGUSR2);
  EXPECT_EQ(turn(), 2U);
  EXPECT_EQ(calls, 1);
}

TEST_P(SignalLifetimeOnEveryPoller, L4_WatchesOneAfterAnotherTakeTheMemoryOfOne) {
  const auto one = [&] { Handle(signals_->watch({SIGUSR1}, [](const CaughtSignal&) {})).cancel(); };
  for (int i = 0; i < 100; ++i) one();
  EXPECT_EQ(allocations_in([&] {
              for (int i = 0; i < 1'000; ++i) one();
            }),
            0U);
}

DETENT_ON_EVERY_POLLER(SignalLifetimeOnEveryPoller);

}  // namespace
}  // namespace detent
