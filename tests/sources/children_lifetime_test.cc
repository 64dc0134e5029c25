// SPDX-License-Identifier: BSL-1.0
// The rows of the table of lifetimes that Children has.
#include "process_fixtures.h"
#include "support/allocations.h"
#include "support/lifetime_table.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

template <class Call>
auto told(Call call) {
  return [call = std::move(call)](const ProcessExit&) mutable { call(); };
}

/// Has a Children, and ends all processes when they are due, and when it goes.
class ChildrenActor : public Actor {
 public:
  explicit ChildrenActor(std::string_view poller) : Actor(poller) { make_owner(); }
  ~ChildrenActor() override {
    make_due();
    children_.end();
    Reactor reactor;
    const Children reaps_what_is_left(reactor);
  }
  void make_owner() final { children_.make(reactor()); }
  void end_owner() final { children_.end(); }
  void make_due() final {
    for (const int pid : std::exchange(running_, {})) {
      if (!is_our_child(pid)) continue;
      ::kill(pid, SIGKILL);
      wait_until_zombie(pid);
    }
  }
  void ask_the_going_owner() final {
    ToRefuse to_refuse([this] { EXPECT_FALSE(children_->watch(::getppid(), told(never()))); });
    EXPECT_FALSE(children_->watch(::getppid(), told(to_refuse())));
    EXPECT_FALSE(children_->watch(::getppid(), {.wait_for_status = true}, told(to_refuse())));
    Child child = children_->spawn({.arguments = {"cat"}}, told(to_refuse()));
    EXPECT_FALSE(child);
    EXPECT_THROW(child.kill(SIGTERM), std::logic_error) << "it is empty";
  }

 protected:
  Owned<Children> children_;
  std::vector<int> running_;
};

// One process at a time, which all watches share.
class ProcessWatchActor final : public ChildrenActor {
 public:
  static constexpr const char* kName = "ProcessWatch";
  using ChildrenActor::ChildrenActor;
  ~ProcessWatchActor() override {
    make_due();
    reap();
  }
  std::unique_ptr<Held> add(Callback<void()> call) override {
    if (running_.empty() && children_.exists()) start_process();
    return hold(children_->watch(process_, told(std::move(call))));
  }

 private:
  void start_process() {
    reap();
    process_ = testing_support::start({"sleep", "1000"});
    running_.push_back(process_);
  }
  void reap() {
    if (process_ != -1) ::waitpid(std::exchange(process_, -1), nullptr, 0);
  }

  int process_ = -1;
};

class ChildActor final : public ChildrenActor {
 public:
  static constexpr const char* kName = "Child";
  using ChildrenActor::ChildrenActor;

  std::unique_ptr<Held> add(Callback<void()> call) override {
    Child child =
        children_->spawn({.arguments = {"/bin/cat"}, .input = Stdio::pair}, told(std::move(call)));
    inputs_.push_back(child.take_input());
    if (child) running_.push_back(child.pid());
    return hold(std::move(child));
  }

 private:
  std::vector<UniqueFd> inputs_;
};

using OfChildren = testing::Types<ProcessWatchActor, ChildActor>;
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, Lifetimes, OfChildren, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfCaptures, OfChildren, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfOwners, OfChildren, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfServices, OfChildren, ActorNames);

// ---- single children

class ChildOnEveryPoller : public ChildrenOnEveryPoller {
 protected:
  void reap(int pid) {
    wait_until_zombie(pid);
    reactor_.dispatch();
  }
};
DETENT_ON_EVERY_POLLER(ChildOnEveryPoller);

TEST_P(ChildOnEveryPoller, L2_AMovedFromChildHasNoNumber) {
  Child first = spawn({"true"});
  const int pid = first.pid();
  Child second = std::move(first);
  EXPECT_EQ(first.pid(), 0);  // NOLINT(bugprone-use-after-move)
  first = std::move(second);
  EXPECT_EQ(second.pid(), 0);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(first.pid(), pid);
  run_until_told(1);
}

// The system reports an exit once.
TEST_P(ChildOnEveryPoller, O6_AnExitIsToldThoughMemoryWasShort) {
  const Child child = spawn({"true"});
  wait_until_zombie(child.pid());
  {
    const OutOfMemory out_of_memory;
    EXPECT_THROW(reactor_.dispatch(), std::bad_alloc);
  }
  run_until_told(1);
}

// The callback alone owns the Child, in memory that shows each later write.
TEST_P(ChildOnEveryPoller, L2_AssigningToAChildMayDestroyIt) {
  constexpr std::byte kGone{0x5a};
  alignas(Child) std::array<std::byte, sizeof(Child)> memory = {};
  std::shared_ptr<Child> child(new (memory.data()) Child, [&](Child* going) {
    going->~Child();
    memory.fill(kGone);
  });
  Child& alias = *child;
  alias = children_.spawn({.arguments = {"true"}, .input = Stdio::pair},
                          [child](const ProcessExit&) {});
  const int pid = alias.pid();
  child.reset();
  alias = Child{};
  EXPECT_EQ(std::ranges::count(memory, kGone), static_cast<std::ptrdiff_t>(memory.size()));
  reap(pid);
}

}  // namespace
}  // namespace detent
