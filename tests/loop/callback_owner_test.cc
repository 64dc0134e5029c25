// SPDX-License-Identifier: BSL-1.0
#include "detent/callback_owner.h"

#include "detent/callback.h"
#include "support/allocations.h"
#include "support/standard.h"

namespace detent {
namespace {

struct Handlers {
  Callback<void()> on_call;
};
using Owner = CallbackOwner<Handlers>;

TEST(CallbackOwner, ACallIsTrueWhileItsOwnerExists) {
  std::optional<Owner> owner(std::in_place, Handlers{});
  const Owner::Call call(*owner);
  EXPECT_TRUE(call);
  owner.reset();
  EXPECT_FALSE(call);
}

TEST(CallbackOwner, L2_AHandlerMayDestroyItsOwnerAndItsCapturesGoWithTheCall) {
  auto captured = std::make_shared<int>(7);
  const std::weak_ptr<int> seen = captured;
  std::optional<Owner> owner;
  owner.emplace(Handlers{[&owner, &seen, captured = std::move(captured)] {
    owner.reset();
    EXPECT_FALSE(seen.expired());
    EXPECT_EQ(*captured, 7);
  }});
  {
    const Owner::Call call(*owner);
    call->on_call();
    EXPECT_FALSE(call);
    EXPECT_FALSE(seen.expired());
  }
  EXPECT_TRUE(seen.expired());
}

TEST(CallbackOwner, L2_OfNestedCallsTheOutermostKeepsTheHandlers) {
  auto captured = std::make_shared<int>(7);
  const std::weak_ptr<int> seen = captured;
  std::optional<Owner> owner;
  owner.emplace(Handlers{[captured = std::move(captured)] {}});
  {
    const Owner::Call outer(*owner);
    {
      const Owner::Call inner(*owner);
      owner.reset();
      EXPECT_FALSE(inner);
    }
    EXPECT_FALSE(outer);
    EXPECT_FALSE(seen.expired());
  }
  EXPECT_TRUE(seen.expired());
}

TEST(CallbackOwner, ACallThatIsOverIsNotTold) {
  std::optional<Owner> owner(std::in_place, Handlers{});
  const Owner::Call outer(*owner);
  { const Owner::Call over(*owner); }
  owner.reset();
  EXPECT_FALSE(outer);
}

TEST(CallbackOwner, L3_OwnersThatShareHandlersKeepThemToTheLast) {
  auto captured = std::make_shared<int>(7);
  const std::weak_ptr<int> seen = captured;
  std::optional<Owner> first;
  first.emplace(Handlers{[captured = std::move(captured)] {}});
  std::optional<Owner> second(*first);
  first.reset();
  EXPECT_FALSE(seen.expired());
  {
    const Owner::Call call(*second);
    call->on_call();
    second.reset();
    EXPECT_FALSE(seen.expired());
  }
  EXPECT_TRUE(seen.expired());
}

TEST(CallbackOwner, AThrowingHandlerLeavesItWhole) {
  Owner owner(Handlers{[] { throw std::runtime_error("oops"); }});
  const auto call_it = [&owner] {
    const Owner::Call call(owner);
    call->on_call();
  };
  EXPECT_THROW(call_it(), std::runtime_error);
  EXPECT_THROW(call_it(), std::runtime_error);
}

struct Session {
  explicit Session(Handlers handlers) : callbacks(std::move(handlers)) {}
  ~Session() { callbacks.end(); }
  Owner callbacks;
  std::string text = "a member behind the callbacks, which goes before them";
};

TEST(CallbackOwner, L7_EndLetsTheHandlersGoWhileTheOwnerIsWhole) {
  struct AtEnd {
    Session*& session;
    std::size_t& found;
    ~AtEnd() {
      EXPECT_TRUE(session->callbacks.has_ended());
      found = session->text.size();
    }
  };
  Session* session = nullptr;
  std::size_t found = 0;
  auto at_end = std::shared_ptr<AtEnd>(new AtEnd{session, found});
  session = new Session({[at_end = std::move(at_end)] {}});
  delete session;
  EXPECT_GT(found, 0U);
}

TEST(CallbackOwner, ACallAllocatesNothing) {
  Owner owner(Handlers{[] {}});
  EXPECT_EQ(testing_support::allocations_in([&owner] {
              const Owner::Call call(owner);
              call->on_call();
            }),
            0U);
}

}  // namespace
}  // namespace detent
