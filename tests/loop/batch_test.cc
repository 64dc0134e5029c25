// SPDX-License-Identifier: BSL-1.0
#include "pollers/batch.h"

#include "support/errors.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

constexpr HandlerId kId = {.slot = 1, .generation = 1};

[[noreturn]] void fail_to_wait() {
  throw std::system_error(EBADF, std::system_category(), "the kernel's call");
}

TEST(Batch, L6_AnErrorDoesNotCostTheCallerWhatWasToldBeforeIt) {
  std::array<Event, 2> room;
  const auto told = fill_batch(room, [](Batch& batch) {
    batch.push({.id = kId, .ready = {.invalid = true}});
    fail_to_wait();
  });
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].id, kId);
}

TEST(Batch, AnErrorBeforeAnyEventIsThrown) {
  std::array<Event, 2> room;
  EXPECT_EQ(error_of([&] { fill_batch(room, [](Batch&) { fail_to_wait(); }); }),
            std::errc::bad_file_descriptor);
}

}  // namespace
}  // namespace detent
