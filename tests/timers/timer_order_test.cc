// SPDX-License-Identifier: BSL-1.0
// Several timers in one turn: their order, what belongs to the batch, what a turn leaves over.
#include "detent/timer_service.h"
#include "support/connected_pair.h"
#include "support/standard.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;

class TimerOrder : public testing_support::SimulatedTimers {
 protected:
  // A number that no descriptor of the loop's own has.
  static constexpr int kDescriptor = 1'000'000;

  auto append(char letter) {
    return [this, letter] { calls_ += letter; };
  }
  Timer after(Duration delay, char letter) { return timers_->after(delay, append(letter)); }

  // One more turn, in which this has to be what is called.
  void expect_turn(const std::string& expected) {
    calls_.clear();
    turn();
    EXPECT_EQ(expected, calls_);
  }

  std::string calls_;
};

class TimerOrderOnEveryPoller : public testing_support::TimersOnEveryPoller {};
DETENT_ON_EVERY_POLLER(TimerOrderOnEveryPoller);

// ---- TM2: the order

TEST_F(TimerOrder, TM2_IsByDeadlineWhateverTheOrderOfArming) {
  const Timer c = after(30ms, 'c');
  const Timer a = after(10ms, 'a');
  const Timer d = after(40ms, 'd');
  const Timer b = after(20ms, 'b');
  clock_.pass(1s);
  expect_turn("abcd");
}

TEST_F(TimerOrder, TM2_EqualDeadlinesAreCalledInTheOrderOfArming) {
  std::vector<Timer> handles;
  for (char letter = 'a'; letter <= 'z'; ++letter) handles.push_back(after(10ms, letter));
  clock_.pass(10ms);
  expect_turn("abcdefghijklmnopqrstuvwxyz");
}

TEST_F(TimerOrder, TM2_RearmingToAnEqualDeadlineGoesToTheEnd) {
  Timer a = after(10ms, 'a');
  Timer b = after(10ms, 'b');
  Timer c = after(10ms, 'c');
  Timer d = after(5ms, 'd');
  const TimePoint end = clock_.now() + 10ms;
  d.rearm_at(end);
  a.rearm_at(end);
  b.rearm_at(end + 10ms);
  b.rearm_at(end);
  clock_.pass(10ms);
  expect_turn("cdab");
}

TEST_F(TimerOrder, TM2_OneShotsAndPeriodicTimersShareOneOrder) {
  const Timer a = timers_->every(10ms, append('a'));
  const Timer b = after(20ms, 'b');
  clock_.pass(10ms);
  expect_turn("a");
  clock_.pass(10ms);
  expect_turn("ba");  // the periodic one was armed for 20 ms after the other
}

// The HOWTO's three timers. One is armed for its next tick when it ticks, so the longer its period,
// the earlier it was armed for an instant that it shares.
TEST_F(TimerOrder, T12_ExpiriesOfOneInstantAreOneBatchInTheOrderOfArming) {
  std::vector<std::string> batches;
  std::uint64_t turn_of_the_batch = 0;
  const TimePoint start = clock_.now();
  std::vector<Timer> handles;
  for (int i = 1; i <= 3; ++i) {
    handles.push_back(timers_->every(i * 250ms, [&, i](const Tick& tick) {
      if (std::exchange(turn_of_the_batch, reactor_->turn()) != reactor_->turn()) {
        batches.push_back(std::to_string((tick.scheduled - start) / 1ms) + ":");
      }
      EXPECT_EQ(tick.scheduled, tick.now);
      EXPECT_EQ(1U, tick.expirations);
      batches.back() += " " + std::to_string(i);
    }));
  }
  clock_.advance(3s);
  const std::vector<std::string> expected = {"250: 1",    "500: 2 1",    "750: 3 1", "1000: 2 1",
                                             "1250: 1",   "1500: 3 2 1", "1750: 1",  "2000: 2 1",
                                             "2250: 3 1", "2500: 2 1",   "2750: 1",  "3000: 3 2 1"};
  EXPECT_EQ(expected, batches);
}

TEST_P(TimerOrderOnEveryPoller, TM2_IsByDeadlineThenByArming) {
  std::string calls;
  const TimePoint start = kernel_clock().now();
  const auto at = [&](Duration d, char letter) {
    return timers_->at(start + d, [&calls, letter] { calls += letter; });
  };
  const Timer d = at(3ms, 'd');
  const Timer b = at(2ms, 'b');
  const Timer c = at(2ms, 'c');
  const Timer a = at(1ms, 'a');
  run_callbacks(4);
  EXPECT_EQ("abcd", calls);
}

// ---- TM2: zero delay is the next turn, not never and not this one

TEST_F(TimerOrder, TM2_ZeroDelayArmedBeforeATurnIsCalledInIt) {
  const Timer a = after(0ns, 'a');
  expect_turn("a");
  expect_turn("");
}

TEST_F(TimerOrder, TM2_ZeroDelayFromATimerIsTheNextTurn) {
  Timer b;
  const Timer a = timers_->after(10ms, [&] {
    calls_ += 'a';
    b = after(0ns, 'b');
  });
  const Timer c = after(10ms, 'c');
  clock_.pass(10ms);
  expect_turn("ac");
  expect_turn("b");
  expect_turn("");
}

TEST_F(TimerOrder, TM2_ZeroDelayOfATimerForItselfIsOnceATurn) {
  Timer a = timers_->make([&] {
    calls_ += 'a';
    a.rearm(0ns);
  });
  a.rearm(0ns);
  const Timer b = after(0ns, 'b');
  expect_turn("ab");
  for (int i = 0; i < 5; ++i) expect_turn("a");
}

TEST_F(TimerOrder, TM2_AnInstantInThePastFromATimerIsTheNextTurn) {
  Timer b;
  const Timer a = timers_->after(10ms, [&] {
    calls_ += 'a';
    b = timers_->at(clock_.now() - 5ms, append('b'));
  });
  const Timer c = after(10ms, 'c');
  clock_.pass(10ms);
  expect_turn("ac");
  expect_turn("b");
}

// The order of a turn's descriptors is shuffled here: the alarm before this one, or after it.
TEST_F(TimerOrder, TM2_ZeroDelayFromADescriptorIsTheNextTurnOnBothSidesOfTheAlarm) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 32; ++seed) {
    make({}, seed);
    Timer b;
    const Watch watch = reactor_->watch(kDescriptor, {.readable = true}, [&](Ready) {
      calls_ += 'w';
      clock_.set_ready(kDescriptor, {});
      b = after(0ns, 'b');
    });
    const Timer a = after(10ms, 'a');
    clock_.pass(10ms);
    clock_.set_ready(kDescriptor, {.readable = true});
    calls_.clear();
    EXPECT_EQ(2U, turn());
    orders.insert(calls_);
    expect_turn("b");
  }
  EXPECT_EQ((std::set<std::string>{"aw", "wa"}), orders);
}

TEST_F(TimerOrder, TM2_RearmingADueTimerFromADescriptorPutsItOffToTheNextTurn) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 32; ++seed) {
    make({}, seed);
    Timer a = after(10ms, 'a');
    const Watch watch = reactor_->watch(kDescriptor, {.readable = true}, [&](Ready) {
      calls_ += 'w';
      clock_.set_ready(kDescriptor, {});
      a.rearm(0ns);
    });
    clock_.pass(10ms);
    clock_.set_ready(kDescriptor, {.readable = true});
    calls_.clear();
    turn();
    orders.insert(calls_);
    expect_turn("a");
  }
  EXPECT_EQ((std::set<std::string>{"aw", "w"}), orders);
}

TEST_F(TimerOrder, TM2_ZeroDelayFromAPostedFunctionIsTheNextTurn) {
  const Timer a = after(10ms, 'a');
  Timer b;
  clock_.pass(10ms);
  reactor_->post([&] {
    calls_ += 'p';
    b = after(0ns, 'b');
  });
  expect_turn("pa");
  expect_turn("b");
}

TEST_F(TimerOrder, TM2_ZeroDelayFromAPostedFunctionAloneIsTheNextTurn) {
  Timer b;
  reactor_->post([&] {
    calls_ += 'p';
    b = after(0ns, 'b');
  });
  expect_turn("p");
  expect_turn("b");
}

TEST_F(TimerOrder, TM2_ZeroDelayFromADeferredFunctionIsTheNextTurn) {
  const Timer a = after(10ms, 'a');
  Timer b;
  clock_.pass(10ms);
  const Handle deferred = reactor_->defer([&] {
    calls_ += 'd';
    b = after(0ns, 'b');
  });
  expect_turn("ad");
  expect_turn("b");
}

TEST_F(TimerOrder, TM2_ZeroDelayFromAHookIsTheNextTurn) {
  Timer a;
  Timer b;
  const Handle before = reactor_->before_wait([&] {
    if (!a) a = after(0ns, 'a');
  });
  expect_turn("");
  expect_turn("a");
  const Handle after_wait = reactor_->after_wait([&] {
    if (!b) b = after(0ns, 'b');
  });
  turn();
  EXPECT_EQ(std::string::npos, calls_.find('b'));
  turn();
  EXPECT_NE(std::string::npos, calls_.find('b'));
}

TEST_F(TimerOrder, SIM1_AdvanceCallsATimerThatAHookArmsAtItsInstant) {
  const TimePoint start = clock_.now();
  std::vector<Duration> calls;
  Timer timer;
  const Handle hook = reactor_->before_wait([&, armed = false]() mutable {
    if (std::exchange(armed, true)) return;
    timer = timers_->after(0ns, [&] { calls.push_back(clock_.now() - start); });
  });
  clock_.advance(1s);
  EXPECT_EQ((std::vector<Duration>{0ns}), calls);
}

TEST_F(TimerOrder, SIM1_AdvanceCallsATimerThatAPostedFunctionArmsAtItsInstant) {
  const TimePoint start = clock_.now();
  std::vector<Duration> calls;
  Timer timer;
  const Timer poster = timers_->after(10ms, [&] {
    reactor_->post(
        [&] { timer = timers_->after(0ns, [&] { calls.push_back(clock_.now() - start); }); });
  });
  clock_.advance(1s);
  EXPECT_EQ((std::vector<Duration>{10ms}), calls);
}

TEST_F(TimerOrder, TM2_TimersPutOffToTheNextTurnKeepTheirOrder) {
  std::vector<Timer> handles;
  reactor_->post([&] {
    const TimePoint now = clock_.now();
    handles.push_back(timers_->at(now, append('c')));
    handles.push_back(timers_->at(now - 2ms, append('a')));
    handles.push_back(timers_->at(now, append('d')));
    handles.push_back(timers_->at(now - 1ms, append('b')));
  });
  const Timer due = timers_->at(clock_.now(), append('x'));
  expect_turn("x");
  handles.push_back(timers_->at(clock_.now(), append('e')));
  expect_turn("abcde");
}

TEST_P(TimerOrderOnEveryPoller, TM2_ZeroDelayIsTheNextTurnAndNotThisOne) {
  std::string calls;
  Timer b;
  Timer c;
  Timer d;
  const testing_support::SocketPair pair = testing_support::make_socket_pair();
  const Watch watch = reactor_.watch(pair.near, {.readable = true}, [&](Ready) {
    testing_support::take(pair.near.fd());
    c = timers_->after(0ns, [&] { calls += 'c'; });
  });
  const Timer a = timers_->after(1ms, [&] {
    calls += 'a';
    b = timers_->after(0ns, [&] { calls += 'b'; });
  });
  reactor_.post([&] { d = timers_->after(0ns, [&] { calls += 'd'; }); });
  testing_support::put(pair.far.fd());
  testing_support::be_busy_until(kernel_clock().now() + 2ms);
  while (a.active()) reactor_.dispatch();
  // One turn had the post, the descriptor and the alarm; nothing that they armed was in it.
  EXPECT_EQ("a", calls);
  while (calls.size() < 4) reactor_.run_once();
  EXPECT_NE(std::string::npos, calls.find('b'));
  EXPECT_NE(std::string::npos, calls.find('c'));
  EXPECT_NE(std::string::npos, calls.find('d'));
}

// ---- TM2: the batch is fixed when the service's run begins

TEST_F(TimerOrder, TM2_TimeThatPassesInABatchAddsNothingToIt) {
  const Timer a = timers_->after(10ms, [&] {
    calls_ += 'a';
    clock_.pass(100ms);
  });
  const Timer b = after(10ms, 'b');
  const Timer c = after(11ms, 'c');
  clock_.pass(10ms);
  expect_turn("ab");
  expect_turn("c");
}

TEST_F(TimerOrder, TM2_ACancelledMemberOfTheBatchIsNotCalled) {
  Timer b;
  const Timer a = timers_->after(10ms, [&] {
    calls_ += 'a';
    b.cancel();
  });
  b = after(10ms, 'b');
  const Timer c = after(10ms, 'c');
  clock_.pass(10ms);
  expect_turn("ac");
  expect_turn("");
}

TEST_F(TimerOrder, TM2_ADisarmedMemberOfTheBatchIsNotCalled) {
  Timer b;
  const Timer a = timers_->after(10ms, [&] {
    calls_ += 'a';
    EXPECT_TRUE(b.active());
    b.disarm();
    EXPECT_FALSE(b.active());
  });
  b = after(10ms, 'b');
  const Timer c = after(10ms, 'c');
  clock_.pass(10ms);
  expect_turn("ac");
  b.rearm(10ms);
  clock_.pass(10ms);
  expect_turn("b");
}

TEST_F(TimerOrder, TM2_ARearmedMemberOfTheBatchIsCalledAtItsNewDeadlineOnly) {
  Timer b;
  const Timer a = timers_->after(10ms, [&] {
    calls_ += 'a';
    b.rearm(10ms);
  });
  b = after(10ms, 'b');
  const Timer c = after(10ms, 'c');
  clock_.pass(10ms);
  expect_turn("ac");
  EXPECT_EQ(10ms, b.remaining());
  clock_.pass(10ms - 1ns);
  expect_turn("");
  clock_.pass(1ns);
  expect_turn("b");
}

TEST_F(TimerOrder, TM2_AMemberRearmedToThePastIsCalledInTheNextTurn) {
  Timer b;
  const Timer a = timers_->after(10ms, [&] {
    calls_ += 'a';
    b.rearm_at(clock_.now() - 1ms);
  });
  b = after(10ms, 'b');
  clock_.pass(10ms);
  expect_turn("a");
  expect_turn("b");
}

TEST_F(TimerOrder, TM2_ADisarmedAndRearmedMemberIsCalledOnce) {
  Timer b;
  const Timer a = timers_->after(10ms, [&] {
    calls_ += 'a';
    b.disarm();
    b.rearm(0ns);
  });
  b = after(10ms, 'b');
  clock_.pass(10ms);
  expect_turn("a");
  expect_turn("b");
  expect_turn("");
}

TEST_F(TimerOrder, TM2_AnEarlierMemberMayBeArmedAgainByALaterOne) {
  Timer a = after(10ms, 'a');
  const Timer b = timers_->after(10ms, [&] {
    calls_ += 'b';
    a.rearm(0ns);
  });
  clock_.pass(10ms);
  expect_turn("ab");
  expect_turn("a");
}

// ---- O2: a turn's budget

class TimerBudget : public TimerOrder {
 protected:
  TimerBudget() { make({.timers_per_turn = 3}); }
};

TEST_F(TimerBudget, O2_WhatIsLeftOverIsCalledInTheNextTurnsInOrder) {
  std::vector<Timer> handles;
  for (char letter = 'a'; letter <= 'j'; ++letter) handles.push_back(after(10ms, letter));
  clock_.pass(10ms);
  expect_turn("abc");
  expect_turn("def");
  expect_turn("ghi");
  expect_turn("j");
  expect_turn("");
}

TEST_F(TimerBudget, O2_ATurnThatLeavesWorkOverIsFollowedByOneThatDoesNotSleep) {
  std::vector<Timer> handles;
  for (char letter = 'a'; letter <= 'g'; ++letter) handles.push_back(after(10ms, letter));
  clock_.pass(10ms);
  // Nothing else is ready: a poller that had to sleep would throw here.
  while (calls_.size() < 7) reactor_->run_once();
  EXPECT_EQ("abcdefg", calls_);
}

TEST_F(TimerBudget, O2_DescriptorsAreServedBetweenTheTurns) {
  std::vector<Timer> handles;
  for (char letter = 'a'; letter <= 'g'; ++letter) handles.push_back(after(10ms, letter));
  int served = 0;
  const Watch watch = reactor_->watch(kDescriptor, {.readable = true}, [&](Ready) { ++served; });
  clock_.set_ready(kDescriptor, {.readable = true});
  clock_.pass(10ms);
  for (const int turns : {1, 2, 3}) {
    turn();
    EXPECT_EQ(turns, served);
  }
  EXPECT_EQ("abcdefg", calls_);
}

TEST_F(TimerBudget, O2_LeftOverTimersCanBeCancelledBetweenTheTurns) {
  std::vector<Timer> handles;
  for (char letter = 'a'; letter <= 'g'; ++letter) handles.push_back(after(10ms, letter));
  clock_.pass(10ms);
  expect_turn("abc");
  handles[3].cancel();
  handles[4].disarm();
  handles[5].rearm(10ms);
  expect_turn("g");
  clock_.pass(10ms);
  expect_turn("f");
}

TEST_F(TimerBudget, O2_ZeroDelayTimersThatRearmThemselvesDoNotStarveTheOthers) {
  std::vector<Timer> busy(5);
  for (Timer& timer : busy) {
    timer = timers_->make([&timer] { timer.rearm(0ns); });
    timer.rearm(0ns);
  }
  const Timer other = after(1ns, 'x');
  for (int i = 0; i < 4 && calls_.empty(); ++i) {
    clock_.pass(1ns);
    turn();
  }
  EXPECT_EQ("x", calls_);
}

TEST_P(TimerOrderOnEveryPoller, O2_TheBudgetLosesNoTimer) {
  Reactor reactor({.poller = make_poller(GetParam())});
  TimerService timers(reactor, {.timers_per_turn = 7});
  std::vector<int> calls;
  std::vector<Timer> handles;
  const TimePoint deadline = kernel_clock().now() + 1ms;
  for (int i = 0; i < 100; ++i) {
    handles.push_back(timers.at(deadline, [&calls, i] { calls.push_back(i); }));
  }
  testing_support::be_busy_until(deadline);
  while (calls.size() < 100) {
    const std::size_t before = calls.size();
    const std::size_t ran = reactor.run_once();
    EXPECT_EQ(calls.size() - before, ran);
    EXPECT_LE(ran, 7U);
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(i, calls[static_cast<std::size_t>(i)]);
}

// ---- O6: a timer that throws loses nobody

struct Thrown : std::runtime_error {
  Thrown() : runtime_error("thrown by a timer") {}
};

TEST_F(TimerOrder, O6_AThrowingTimerLosesNobodyAndTheOrderStays) {
  const Timer a = after(10ms, 'a');
  const Timer b = timers_->after(10ms, [&] {
    calls_ += 'b';
    throw Thrown();
  });
  const Timer c = after(10ms, 'c');
  const Timer d = after(20ms, 'd');
  clock_.pass(10ms);
  EXPECT_THROW(turn(), Thrown);
  EXPECT_EQ("ab", calls_);
  EXPECT_FALSE(b.active());
  EXPECT_TRUE(c.active());
  expect_turn("c");
  clock_.pass(10ms);
  expect_turn("d");
}

TEST_F(TimerOrder, O6_EveryTimerOfABatchMayThrow) {
  std::vector<Timer> handles;
  for (char letter = 'a'; letter <= 'e'; ++letter) {
    handles.push_back(timers_->after(10ms, [this, letter] {
      calls_ += letter;
      throw Thrown();
    }));
  }
  clock_.pass(10ms);
  for (int i = 0; i < 5; ++i) EXPECT_THROW(turn(), Thrown);
  EXPECT_EQ("abcde", calls_);
  expect_turn("");
}

TEST_F(TimerOrder, O6_AThrowingPeriodicTimerTicksOn) {
  const TimePoint start = clock_.now();
  std::vector<Duration> calls;
  const Timer timer = timers_->every(10ms, [&](const Tick& tick) {
    calls.push_back(tick.scheduled - start);
    if (calls.size() == 2) throw Thrown();
  });
  EXPECT_THROW(clock_.advance(1s), Thrown);
  EXPECT_EQ(start + 20ms, clock_.now()) << "time stands where it was thrown";
  EXPECT_TRUE(timer.active());
  clock_.advance(20ms);
  EXPECT_EQ((std::vector<Duration>{10ms, 20ms, 30ms, 40ms}), calls);
}

TEST_F(TimerOrder, O6_AfterAThrowTheRestOfTheBatchComesBeforeWhatBecameDue) {
  const Timer a = timers_->after(10ms, [] { throw Thrown(); });
  const Timer b = after(10ms, 'b');
  const Timer c = after(11ms, 'c');
  clock_.pass(10ms);
  EXPECT_THROW(turn(), Thrown);
  clock_.pass(10ms);
  const Timer early = timers_->at(clock_.now() - 15ms, append('e'));
  turn();
  turn();
  EXPECT_EQ("bec", calls_);
}

TEST_F(TimerOrder, O6_TheRestOfABatchCanBeChangedAfterAThrow) {
  const Timer a = timers_->after(10ms, [] { throw Thrown(); });
  Timer b = after(10ms, 'b');
  Timer c = after(10ms, 'c');
  Timer d = after(10ms, 'd');
  const Timer e = after(10ms, 'e');
  clock_.pass(10ms);
  EXPECT_THROW(turn(), Thrown);
  b.cancel();
  c.disarm();
  d.rearm(10ms);
  const Timer in_the_place_of_b = after(10ms, 'n');
  expect_turn("e");
  clock_.pass(10ms);
  expect_turn("dn");
}

TEST_F(TimerOrder, O6_WhenAllThatAThrowLeftOverIsCancelledNothingIsCalled) {
  const Timer a = timers_->after(10ms, [] { throw Thrown(); });
  Timer b = after(10ms, 'b');
  clock_.pass(10ms);
  EXPECT_THROW(turn(), Thrown);
  b.cancel();
  const Timer c = after(10ms, 'c');
  expect_turn("");
  clock_.pass(10ms);
  expect_turn("c");
}

TEST_F(TimerOrder, O6_AHandlerForExceptionsLetsTheLoopGoOn) {
  int handled = 0;
  Simulation clock;
  Reactor reactor({.poller = clock.make_poller(),
                   .clock = &clock,
                   .on_exception = [&](const std::exception_ptr&, const Name&) { ++handled; }});
  TimerService timers(reactor);
  const Timer a = timers.after(10ms, [] { throw Thrown(); });
  const Timer b = timers.after(10ms, append('b'));
  const Timer c = timers.every(10ms, [] { throw Thrown(); });
  const Timer d = timers.every(10ms, append('d'));
  clock.advance(30ms);
  EXPECT_EQ("bddd", calls_);
  EXPECT_EQ(4, handled);
}

TEST_P(TimerOrderOnEveryPoller, O6_AThrowingTimerLeavesRunAndTheNextRunGoesOn) {
  std::string calls;
  const TimePoint deadline = kernel_clock().now() + 1ms;
  const Timer a = timers_->at(deadline, [&] {
    calls += 'a';
    throw Thrown();
  });
  const Timer b = timers_->at(deadline, [&] { calls += 'b'; });
  const Timer c = timers_->at(deadline + 1ms, [&] {
    calls += 'c';
    reactor_.stop();
  });
  EXPECT_THROW(reactor_.run(), Thrown);
  EXPECT_EQ("a", calls);
  reactor_.run();
  EXPECT_EQ("abc", calls);
}

// ---- O5: stopping

TEST_F(TimerOrder, O5_StopFinishesTheBatch) {
  const Timer a = timers_->after(10ms, [&] {
    calls_ += 'a';
    reactor_->stop();
  });
  const Timer b = after(10ms, 'b');
  const Timer c = after(20ms, 'c');
  clock_.set_auto_advance(true);
  reactor_->run();
  EXPECT_EQ("ab", calls_);
}

TEST_F(TimerOrder, O5_RunningTheLoopInATimerThrowsAndDoesNoHarm) {
  const Timer a = timers_->after(10ms, [&] {
    calls_ += 'a';
    EXPECT_THROW(reactor_->run(), std::logic_error);
    EXPECT_THROW(reactor_->run_once(0ns), std::logic_error);
    EXPECT_THROW(clock_.advance(1ms), std::logic_error);
  });
  const Timer b = after(10ms, 'b');
  clock_.pass(10ms);
  expect_turn("ab");
}

}  // namespace
}  // namespace detent
