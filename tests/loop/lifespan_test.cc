// SPDX-License-Identifier: BSL-1.0
#include "detent/lifespan.h"

#include <gtest/gtest.h>

#include <memory>

namespace detent {
namespace {

struct Object {
  Lifespan lifespan;
};

TEST(Lifespan, AGuardIsTrueWhileItsObjectExists) {
  Object object;
  const Lifespan::Guard alive(object.lifespan);
  EXPECT_TRUE(alive);
}

TEST(Lifespan, EveryNestedGuardLearnsOfTheObjectsEnd) {
  auto object = std::make_unique<Object>();
  const Lifespan::Guard outer(object->lifespan);
  const Lifespan::Guard inner(object->lifespan);
  object.reset();
  EXPECT_FALSE(inner);
  EXPECT_FALSE(outer);
}

TEST(Lifespan, AGuardThatIsGoneIsNotTold) {
  auto object = std::make_unique<Object>();
  const Lifespan::Guard outer(object->lifespan);
  { const Lifespan::Guard gone(object->lifespan); }
  object.reset();  // would write to the dead guard's place on the stack
  EXPECT_FALSE(outer);
}

}  // namespace
}  // namespace detent
