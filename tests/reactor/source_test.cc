// SPDX-License-Identifier: BSL-1.0
// What sources stand on: watch_source, next_turn, defer as a handle, observers, names of what
// threw.
#include "detent/reactor.h"
#include "support/keep.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;
using Trace = std::vector<std::string>;

class SourceOnEveryPoller : public ReactorOnEveryPoller {
 protected:
  SourceOnEveryPoller() { socket_.send(); }
  WatchedSocket socket_;
};

// ---- watch_source

TEST_P(SourceOnEveryPoller, O4_ASourceSaysHowManyCallbacksItsWatchServed) {
  std::size_t says = 5;
  const Watch watch = reactor_.watch_source(socket_.fd(), [&](Ready) { return says; });
  EXPECT_EQ(turn(), 5U);
  says = 1;
  EXPECT_EQ(turn(), 1U);
  says = 0;
  EXPECT_EQ(turn(), 0U);
  EXPECT_EQ(reactor_.run_once(1ms), 0U) << "a source that called none does not end run_once";
}

TEST_P(SourceOnEveryPoller, O6_ASourceThatThrowsCountsAsOneAndIsCalledAgainThoughNothingIsReady) {
  int calls = 0;
  const Watch watch = reactor_.watch_source(socket_.fd(), [&](Ready ready) -> std::size_t {
    EXPECT_TRUE(ready.readable);
    if (calls++ == 0) {
      EXPECT_EQ(socket_.receive(), "x");
      throw std::runtime_error("after it had read all");
    }
    return 3;
  });
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_EQ(reactor_.counters().callbacks, 1U);
  EXPECT_EQ(reactor_.run_once(), 3U) << "does not sleep";
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(reactor_.run_once(0ns), 0U);
}

TEST_P(SourceOnEveryPoller, O6_ASourceThatThrowsAndIsReadyIsCalledOnceInTheNextTurn) {
  int calls = 0;
  const Watch watch = reactor_.watch_source(socket_.fd(), [&](Ready) -> std::size_t {
    if (calls++ == 0) throw std::runtime_error("and left it readable");
    return 1;
  });
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(calls, 2);
}

TEST_P(SourceOnEveryPoller, O6_ASourceThatThrowsAgainIsCalledAgain) {
  int calls = 0;
  const Watch watch = reactor_.watch_source(socket_.fd(), [&](Ready) -> std::size_t {
    if (calls == 0) static_cast<void>(socket_.receive());
    if (++calls < 4) throw std::runtime_error("three times");
    return 1;
  });
  for (int i = 0; i < 3; ++i) EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(turn(), 0U);
}

TEST_P(SourceOnEveryPoller, L1_ASourceThatThrewAndWentIsNotCalledAgain) {
  Watch watch = reactor_.watch_source(
      socket_.fd(), [&](Ready) -> std::size_t { throw std::runtime_error("oops"); });
  EXPECT_THROW(turn(), std::runtime_error);
  watch.cancel();
  EXPECT_EQ(turn(), 0U);
  EXPECT_EQ(reactor_.prepare(), std::nullopt);
}

// ---- next_turn

TEST_P(SourceOnEveryPoller, O1_AFunctionOfTheNextTurnRunsOnceThereAndCounts) {
  int runs = 0;
  const Handle handle = reactor_.next_turn([&] { ++runs; });
  EXPECT_TRUE(handle.active());
  EXPECT_EQ(reactor_.run_once(), 1U) << "does not sleep";
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(handle.active());
  EXPECT_EQ(turn(), 0U);
}

TEST_P(SourceOnEveryPoller, O1_PostedAndPutOffFunctionsRunInTheOrderOfTheirCalls) {
  Trace trace;
  std::vector<Handle> kept;
  for (const char* name : {"1", "2", "3"}) {
    reactor_.post([&trace, name] { trace.push_back(std::string("posted ") + name); });
    kept.push_back(
        reactor_.next_turn([&trace, name] { trace.push_back(std::string("put off ") + name); }));
  }
  EXPECT_EQ(turn(), 6U);
  EXPECT_EQ(trace,
            (Trace{"posted 1", "put off 1", "posted 2", "put off 2", "posted 3", "put off 3"}));
}

TEST_P(SourceOnEveryPoller, O1_NextTurnMeansTheNextFromEachPhase) {
  std::vector<std::uint64_t> ran;
  std::vector<Handle> kept;
  const auto put_off = [&] {
    kept.push_back(reactor_.next_turn([&] { ran.push_back(reactor_.turn()); }));
  };
  const auto once = [&](Handle& hook) {
    return [&hook, put_off] {
      put_off();
      hook.cancel();
    };
  };
  Handle before;
  Handle after;
  before = reactor_.before_wait(once(before));
  after = reactor_.after_wait(once(after));
  reactor_.post(put_off);
  Watch watch = reactor_.watch(socket_, {.readable = true}, [&](Ready) {
    put_off();
    watch.cancel();
  });
  keep(reactor_.defer(put_off));
  turn();
  EXPECT_EQ(ran, std::vector<std::uint64_t>{}) << "none in the turn that put it off";
  turn();
  EXPECT_EQ(ran, (std::vector<std::uint64_t>(5, 2)));
}

TEST_P(SourceOnEveryPoller, O1_AFunctionThatPutsItselfOffRunsOnceATurn) {
  int runs = 0;
  Handle handle;
  Callback<void()> again;
  const auto put_off = [&] { handle = reactor_.next_turn([&] { ++runs, again(); }); };
  again = put_off;
  put_off();
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(turn(), 1U);
    EXPECT_EQ(runs, i);
  }
}

TEST_P(SourceOnEveryPoller, D7_AFunctionPutOffAfterPrepareMakesTheHandleReadableAndRunsInDispatch) {
  ASSERT_EQ(reactor_.prepare(), std::nullopt);
  int runs = 0;
  const Handle handle = reactor_.next_turn([&] { ++runs; });
  EXPECT_EQ(reactor_.dispatch(), 1U);
  EXPECT_EQ(runs, 1);
}

TEST_P(SourceOnEveryPoller, L1_WhatIsTakenBackNeitherRunsNorCounts) {
  Handle put_off = reactor_.next_turn([] { ADD_FAILURE(); });
  Handle deferred = reactor_.defer([] { ADD_FAILURE(); });
  const Handle last = reactor_.next_turn([] {});
  put_off.cancel();
  deferred.cancel();
  EXPECT_EQ(turn(), 1U);
}

TEST_P(SourceOnEveryPoller, L3_CapturesOfWhatIsTakenBackGoAtOnce) {
  for (const bool deferred : {false, true}) {
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> seen = owned;
    Callback<void()> function = [owned = std::move(owned)] {};
    Handle handle =
        deferred ? reactor_.defer(std::move(function)) : reactor_.next_turn(std::move(function));
    EXPECT_FALSE(seen.expired());
    handle.cancel();
    EXPECT_TRUE(seen.expired());
  }
}

TEST_P(SourceOnEveryPoller, L2_AFunctionMayDestroyItsOwnHandleAndOthers) {
  Handle own;
  Handle other;
  int runs = 0;
  own = reactor_.next_turn([&, text = std::string(100, 'x')] {
    own.cancel();
    other.cancel();
    EXPECT_EQ(text.size(), 100U);
    ++runs;
  });
  other = reactor_.next_turn([] { ADD_FAILURE(); });
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(runs, 1);
}

TEST_P(SourceOnEveryPoller, O6_WhatIsPutOffBehindAFunctionThatThrowsRunsInTheNextTurn) {
  Trace trace;
  const auto throw_it = [] { throw std::runtime_error("oops"); };
  const Handle first = reactor_.next_turn(throw_it);
  const Handle second = reactor_.next_turn([&] { trace.emplace_back("second"); });
  const Handle third = reactor_.defer(throw_it);
  const Handle fourth = reactor_.defer([&] { trace.emplace_back("fourth"); });
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_THROW(turn(), std::runtime_error);
  turn();
  EXPECT_EQ(trace, (Trace{"second", "fourth"}));
}

TEST_P(SourceOnEveryPoller, O2_WhatIsPutOffSharesTheBudgetOfFunctions) {
  Reactor reactor(on_poller(GetParam(), {.functions = 3}));
  int runs = 0;
  std::vector<Handle> kept;
  for (int i = 0; i < 4; ++i) kept.push_back(reactor.next_turn([&] { ++runs; }));
  reactor.post([&] { ++runs; });
  EXPECT_EQ(reactor.dispatch(), 3U);
  EXPECT_EQ(reactor.dispatch(), 2U);
  EXPECT_EQ(runs, 5);
}

// ---- observers

struct Recorder final : Observer {
  void before(const Call& call) noexcept override {
    trace.push_back(std::string("> ") + call.name.text);
    last = call;
  }
  void after(const Call& call) noexcept override {
    trace.push_back(std::string("< ") + call.name.text);
  }
  void turn(Duration waited, Duration worked) noexcept override {
    EXPECT_GE(waited, 0ns);
    EXPECT_GE(worked, 0ns);
    ++turns;
  }
  Trace trace;
  std::optional<Call> last;
  int turns = 0;
};

TEST_P(SourceOnEveryPoller, M5_AnObserverHearsOfEachCallbackByItsName) {
  Recorder recorder;
  const Handle observing = reactor_.observe(recorder);
  const Watch watch = reactor_.watch(
      socket_, {.readable = true}, [&](Ready) { static_cast<void>(socket_.receive()); }, "control");
  reactor_.post([&] { recorder.trace.emplace_back("posted"); });
  const Handle put_off = reactor_.next_turn([] {}, "put off");
  const Handle deferred = reactor_.defer([] {}, "deferred");
  turn();
  EXPECT_EQ(recorder.trace,
            (Trace{"> posted function", "posted", "< posted function", "> put off", "< put off",
                   "> control", "< control", "> deferred", "< deferred"}));
  EXPECT_EQ(recorder.turns, 1);
}

TEST_P(SourceOnEveryPoller, M5_AnObserverHearsOfAWatchsDescriptorAndReadiness) {
  Recorder recorder;
  const Handle observing = reactor_.observe(recorder);
  const Watch watch = reactor_.watch(
      socket_, {.readable = true}, [](Ready) {}, "control");
  turn();
  ASSERT_TRUE(recorder.last);
  EXPECT_EQ(recorder.last->fd, socket_.fd());
  EXPECT_TRUE(recorder.last->ready.readable);
}

TEST_P(SourceOnEveryPoller, M5_OfASourceAnObserverHearsWhatTheSourceSays) {
  Recorder recorder;
  const Handle observing = reactor_.observe(recorder);
  const Watch watch = reactor_.watch_source(
      socket_.fd(),
      [&](Ready) -> std::size_t {
        const auto name = [](const char* text) {
          return [text] { return Observer::Call{.name = text, .late = 5ms}; };
        };
        EXPECT_EQ(7, reactor_.observed(name("one"), [] { return 7; }));
        reactor_.observed(name("two"), [&] { recorder.trace.emplace_back("inside"); });
        return 2;
      },
      "the source");
  turn();
  EXPECT_EQ(recorder.trace, (Trace{"> one", "< one", "> two", "inside", "< two"}));
  EXPECT_EQ(recorder.last->late, 5ms);
}

TEST_P(SourceOnEveryPoller, M5_TwoObserversAtOnceHearTheSame) {
  Recorder first;
  Recorder second;
  const Handle observing = reactor_.observe(first);
  Handle other = reactor_.observe(second);
  reactor_.post([] {});
  turn();
  EXPECT_EQ(first.trace.size(), 2U);
  EXPECT_EQ(first.trace, second.trace);
  other.cancel();
  reactor_.post([] {});
  turn();
  EXPECT_EQ(first.trace.size(), 4U);
  EXPECT_EQ(second.trace.size(), 2U);
  EXPECT_EQ(first.turns, 2);
}

TEST_P(SourceOnEveryPoller, M5_AnObserverMayComeAndGoInACallback) {
  Recorder first;
  Recorder second;
  Handle observing = reactor_.observe(first);
  Handle other;
  reactor_.post([&] {
    observing.cancel();
    other = reactor_.observe(second);
  });
  reactor_.post([] {});
  turn();
  EXPECT_EQ(first.trace, Trace{"> posted function"});
  EXPECT_EQ(second.trace, (Trace{"< posted function", "> posted function", "< posted function"}));
  other.cancel();
  turn();
  EXPECT_FALSE(other.active());
}

TEST_P(SourceOnEveryPoller, M5_AnObserverHearsTheEndOfACallThatThrows) {
  Recorder recorder;
  const Handle observing = reactor_.observe(recorder);
  const Watch watch = reactor_.watch(
      socket_, {.readable = true}, [](Ready) { throw std::runtime_error("oops"); }, "control");
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_EQ(recorder.trace, (Trace{"> control", "< control"}));
  EXPECT_EQ(recorder.turns, 1);
}

TEST_P(SourceOnEveryPoller, L5_AnObserversHandleMayOutliveTheLoop) {
  Recorder recorder;
  auto reactor = std::make_unique<Reactor>(on_poller(GetParam()));
  const Handle observing = reactor->observe(recorder);
  reactor.reset();
  EXPECT_FALSE(observing.active());
}

class ObservedTurns : public SimulatedReactor {};

TEST_F(ObservedTurns, M5_ATurnTellsHowLongItWaitedAndHowLongItWorked) {
  struct Turns final : Observer {
    void before(const Call&) noexcept override {}
    void after(const Call&) noexcept override {}
    void turn(Duration waited, Duration worked) noexcept override { told = {waited, worked}; }
    std::pair<Duration, Duration> told;
  } turns;
  clock_.set_auto_advance(true);
  const std::unique_ptr<Alarm> alarm = clock_.make_alarm(ClockId::steady);
  alarm->arm(clock_.now() + 3s);
  const Handle observing = reactor_->observe(turns);
  const Watch watch = reactor_->watch(*alarm, {.readable = true}, [&](Ready) {
    alarm->disarm();
    clock_.pass(2s);
  });
  EXPECT_EQ(reactor_->run_once(), 1U);
  EXPECT_EQ(turns.told, (std::pair<Duration, Duration>(3s, 2s)));
}

// ---- the name of what threw

class NamesOnEveryPoller : public SourceOnEveryPoller {
 protected:
  NamesOnEveryPoller() {
    ReactorOptions options = on_poller(GetParam());
    options.on_exception = [this](std::exception_ptr, const Name& name) {
      names_.emplace_back(name.text);
      last_line_ = name.line;
    };
    handled_.emplace(std::move(options));
  }
  Trace names_;
  int last_line_ = 0;
  std::optional<Reactor> handled_;
};

TEST_P(NamesOnEveryPoller, M5_TheHandlerOfExceptionsGetsTheNameOfTheCallback) {
  const auto throw_it = [] { throw std::runtime_error("oops"); };
  Handle hook = handled_->before_wait(throw_it, "before");
  handled_->dispatch();
  hook = handled_->after_wait(throw_it, "after");
  handled_->dispatch();
  hook.cancel();
  handled_->post(throw_it);
  handled_->dispatch();
  Handle function = handled_->next_turn(throw_it, "next turn");
  handled_->dispatch();
  function = handled_->defer(throw_it, "deferred");
  handled_->dispatch();
  const Watch watch = handled_->watch(
      socket_, {.readable = true}, [&](Ready) { throw_it(); }, "control");
  const int line = __LINE__ - 1;
  handled_->dispatch();
  EXPECT_EQ(names_,
            (Trace{"before", "after", "posted function", "next turn", "deferred", "control"}));
  EXPECT_NEAR(last_line_, line, 1);
}

TEST_P(NamesOnEveryPoller, M5_OfASourceThatCalledNoneTheHandlerGetsItsOwnName) {
  const Watch watch = handled_->watch_source(
      socket_.fd(), [](Ready) -> std::size_t { throw std::runtime_error("oops"); }, "source");
  handled_->dispatch();
  EXPECT_EQ(names_, Trace{"source"});
}

TEST_P(NamesOnEveryPoller, M5_OfASourcesCallbackTheHandlerGetsTheCallbacksName) {
  HandlerTable<void()> table;
  const HandlerId id = table.add([] { throw std::runtime_error("oops"); }, "the user's");
  const Watch watch = handled_->watch_source(
      socket_.fd(),
      [&](Ready) -> std::size_t {
        table.call(id);
        return 1;
      },
      "source");
  handled_->dispatch();
  EXPECT_EQ(names_, Trace{"the user's"});
}

TEST_P(NamesOnEveryPoller, M5_ACallbackThatDestroyedItsWatchAndThrowsIsNamed) {
  Watch watch;
  watch = handled_->watch(
      socket_, {.readable = true},
      [&](Ready) {
        watch.cancel();
        throw std::runtime_error("oops");
      },
      "control");
  handled_->dispatch();
  EXPECT_EQ(names_, Trace{"control"});
}

// ---- registration errors and empty functions

TEST_P(SourceOnEveryPoller, M5_AnErrorOfRegistrationNamesTheCallTheDescriptorAndTheName) {
  const Watch watch = reactor_.watch(socket_, {.readable = true}, [](Ready) {});
  try {
    static_cast<void>(reactor_.watch(
        socket_, {.readable = true}, [](Ready) {}, "second"));
    FAIL();
  } catch (const std::system_error& error) {
    const std::string text = error.what();
    EXPECT_EQ(error.code(), std::errc::file_exists);
    for (const std::string& part :
         {std::string("Reactor::watch"), "descriptor " + std::to_string(socket_.fd()),
          std::string("\"second\""), std::string("source_test.cc:"), std::string("Poller::add")}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
    }
    const std::string reason = error.code().message();
    EXPECT_EQ(text.find(reason), text.rfind(reason)) << text;
  }
}

TEST_P(SourceOnEveryPoller, AnEmptyCallbackIsAnInvalidArgument) {
  const Callback<void()> empty;
  EXPECT_THROW(reactor_.post(nullptr), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(reactor_.poster().post(nullptr)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(reactor_.defer(nullptr)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(reactor_.next_turn(std::function<void()>())),
               std::invalid_argument);
  EXPECT_THROW(static_cast<void>(reactor_.before_wait(nullptr)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(reactor_.after_wait(static_cast<void (*)()>(nullptr))),
               std::invalid_argument);
  EXPECT_THROW(static_cast<void>(reactor_.watch(socket_, {}, nullptr)), std::invalid_argument);
}

DETENT_ON_EVERY_POLLER(SourceOnEveryPoller);
DETENT_ON_EVERY_POLLER(NamesOnEveryPoller);

}  // namespace
}  // namespace detent
