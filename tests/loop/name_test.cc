// SPDX-License-Identifier: BSL-1.0
#include "detent/name.h"

#include "support/standard.h"

namespace detent {
namespace {

Name registered_here(Name name = {}) { return name; }

TEST(Name, TellsWhereTheFunctionThatTakesItWasCalled) {
  const Name name = registered_here();
  EXPECT_EQ(name.line, __LINE__ - 1);
  EXPECT_TRUE(std::string_view(name.file).ends_with("name_test.cc"));
  EXPECT_STREQ(name.text, "");
}

TEST(Name, ATextKeepsThePlaceOfTheCall) {
  const Name name = registered_here("control socket");
  EXPECT_EQ(name.line, __LINE__ - 1);
  EXPECT_STREQ(name.text, "control socket");
}

}  // namespace
}  // namespace detent
