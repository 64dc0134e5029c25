// SPDX-License-Identifier: BSL-1.0
#include "detent/affinity.h"

#include "support/errors.h"
#include "support/processes.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

TEST(Affinity, O7_PassesOnTheThreadThatMadeIt) {
  const Affinity affinity;
  EXPECT_TRUE(affinity.on_own_thread());
  EXPECT_FALSE(affinity.in_forked_child());
  EXPECT_NO_THROW(affinity.check("call"));
  affinity.check_or_terminate("call");
}

TEST(Affinity, O7_ThrowsLogicErrorThatNamesTheCallOnAnotherThread) {
  const Affinity affinity;
  std::string message;
  std::thread([&] {
    EXPECT_FALSE(affinity.on_own_thread());
    message = message_of<std::logic_error>([&] { affinity.check("Reactor::watch"); });
  }).join();
  EXPECT_EQ(message.find("Reactor::watch"), 0U) << message;
  EXPECT_NE(message.find("thread"), std::string::npos) << message;
}

TEST(Affinity, O7_BelongsToTheThreadThatMadeItAndNotToTheMainThread) {
  std::thread([] {
    const Affinity affinity;
    EXPECT_NO_THROW(affinity.check("call"));
    std::thread([&] { EXPECT_THROW(affinity.check("call"), std::logic_error); }).join();
  }).join();
}

using AffinityDeathTest = testing::Test;

TEST(AffinityDeathTest, O7_TerminatesWithAMessageWhereItMustNotThrow) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Affinity affinity;
  EXPECT_DEATH(std::thread([&] { affinity.check_or_terminate("Handle::cancel"); }).join(),
               "Handle::cancel.*another thread");
}

TEST(Affinity, O8_ThrowsInAForkedChild) {
  const Affinity affinity;
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    EXPECT_TRUE(affinity.in_forked_child());
    const std::string message = message_of<std::logic_error>([&] { affinity.check("call"); });
    EXPECT_NE(message.find("parent process"), std::string::npos) << message;
  }));
  EXPECT_NO_THROW(affinity.check("call")) << "the parent goes on";
}

TEST(Affinity, O8_DestructorsPassInAForkedChild) {
  const Affinity affinity;
  EXPECT_TRUE(holds_in_a_forked_child([&] { affinity.check_or_terminate("call"); }));
}

TEST(Affinity, O8_DestructorsPassInTheChildThatAnotherThreadForked) {
  const Affinity affinity;
  std::thread([&] {
    EXPECT_TRUE(holds_in_a_forked_child([&] { affinity.check_or_terminate("call"); }));
  }).join();
}

TEST(Affinity, O8_OneMadeInTheChildWorksThereAndNotInTheGrandchild) {
  EXPECT_TRUE(holds_in_a_forked_child([] {
    const Affinity affinity;
    EXPECT_NO_THROW(affinity.check("call"));
    EXPECT_TRUE(
        holds_in_a_forked_child([&] { EXPECT_THROW(affinity.check("call"), std::logic_error); }));
  }));
}

}  // namespace
}  // namespace detent
