// SPDX-License-Identifier: BSL-1.0
// Objects that are destroyed at the end of the turn, since they may be running.
#include "detent/reactor.h"
#include "support/allocations.h"
#include "support/at_the_end.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
using Trace = std::vector<std::string>;

class Traced final : public Retirable {
 public:
  explicit Traced(Trace& trace, std::string name = "destroyed")
      : trace_(trace), name_(std::move(name)) {}
  ~Traced() override {
    trace_.push_back(name_);
    if (at_the_end) at_the_end();
  }
  std::function<void()> at_the_end;

 private:
  Trace& trace_;
  std::string name_;
};

class RetireOnEveryPoller : public ReactorOnEveryPoller {
 protected:
  void retire(std::string name = "destroyed") {
    reactor_.retire(std::make_unique<Traced>(trace_, std::move(name)));
  }
  Trace trace_;
};
DETENT_ON_EVERY_POLLER(RetireOnEveryPoller);

TEST_P(RetireOnEveryPoller, O1_WhatIsRetiredInAnyPhaseGoesAfterTheDeferredFunctions) {
  for (const int phase : {1, 3, 4, 6}) {
    SCOPED_TRACE(phase);
    trace_.clear();
    std::vector<Handle> handles;
    const auto in_phase = [&](int which, const char* name) {
      return [this, phase, which, name] {
        if (phase == which) retire();
        trace_.push_back(name);
      };
    };
    handles.push_back(reactor_.before_wait(in_phase(1, "hook")));
    handles.push_back(reactor_.after_wait(in_phase(3, "hook")));
    reactor_.post(in_phase(4, "posted"));
    handles.push_back(reactor_.defer(in_phase(6, "deferred")));
    turn();
    EXPECT_EQ(trace_, (Trace{"hook", "hook", "posted", "deferred", "destroyed"}));
  }
}

TEST_P(RetireOnEveryPoller, O1_WhatIsRetiredOutsideOfATurnGoesAtOnceAndNullIsNothing) {
  retire();
  EXPECT_EQ(trace_, Trace{"destroyed"});
  reactor_.retire(nullptr);
  EXPECT_EQ(reactor_.prepare(), std::nullopt);
  retire();
  EXPECT_EQ(trace_.size(), 2U) << "after prepare() no function runs";
}

TEST_P(RetireOnEveryPoller, O1_RetiringIsNoCallbackAndAllocatesNothing) {
  auto object = std::make_unique<Traced>(trace_);
  trace_.reserve(8);
  reactor_.post([&] {
    EXPECT_EQ(allocations_in([&] { reactor_.retire(std::move(object)); }), 0U);
    EXPECT_TRUE(trace_.empty());
  });
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(trace_, Trace{"destroyed"});
  EXPECT_EQ(turn(), 0U);
}

TEST_P(RetireOnEveryPoller, O6_AnExceptionThatEndsTheTurnLeavesThemForTheNext) {
  reactor_.post([&] {
    retire();
    throw std::runtime_error("after it was retired");
  });
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_TRUE(trace_.empty());
  turn();
  EXPECT_EQ(trace_, Trace{"destroyed"});
}

TEST_P(RetireOnEveryPoller, L7_ADestructorMayRetireOthersAndAChainUsesNoStack) {
  constexpr int kLength = 200'000;
  int left = kLength;
  std::function<void()> next = [&] {
    if (--left <= 0) return;
    auto object = std::make_unique<Traced>(trace_);
    object->at_the_end = next;
    reactor_.retire(std::move(object));
  };
  next();  // outside of a turn
  EXPECT_EQ(left, 0);
  left = kLength;
  reactor_.post([&] { next(); });
  turn();
  EXPECT_EQ(left, 0);
}

TEST(Retire, L5_AReactorThatGoesDestroysThem) {
  Trace trace;
  std::optional<Reactor> owner(std::in_place);
  Reactor* const reactor = &*owner;  // an optional that is being reset is empty
  const auto retire = [&](const char* name) {
    reactor->retire(std::make_unique<Traced>(trace, name));
  };
  reactor->post([&] {
    retire("in a turn");
    throw std::runtime_error("so that it is left");
  });
  EXPECT_THROW(static_cast<void>(reactor->dispatch()), std::runtime_error);
  reactor->post([end = at_the_end([&] { retire("while it goes"); })] {});
  owner.reset();
  std::sort(trace.begin(), trace.end());
  EXPECT_EQ(trace, (Trace{"in a turn", "while it goes"}));
}

TEST_P(RetireOnEveryPoller, O4_ASourceCountsTheCallbacksThatItMakesInAnothersEvent) {
  reactor_.post([&] { reactor_.add_callbacks(3); });
  EXPECT_EQ(turn(), 4U);
}

}  // namespace
}  // namespace detent
