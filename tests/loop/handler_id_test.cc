// SPDX-License-Identifier: BSL-1.0
#include "detent/handler_id.h"

#include "support/standard.h"

namespace detent {
namespace {

TEST(HandlerId, AFreshOneNamesNothing) { EXPECT_EQ(HandlerId{}.generation, 0U); }

TEST(HandlerId, TheSameSlotInAnotherGenerationIsAnotherRegistration) {
  EXPECT_NE((HandlerId{.slot = 3, .generation = 1}), (HandlerId{.slot = 3, .generation = 3}));
}

TEST(HandlerId, FitsThe64BitsThatAKernelCarries) {
  static_assert(sizeof(HandlerId) == 8 && std::is_trivially_copyable_v<HandlerId>);
}

}  // namespace
}  // namespace detent
