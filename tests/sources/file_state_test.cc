// SPDX-License-Identifier: BSL-1.0
// What to tell of two states of a path and the kernel's hints between them. Kernels with a coarse
// clock, and file systems that know no time of birth, make more of these than the one of this test.
#include "files/file_state.h"

#include "file_fixtures.h"
#include "support/standard.h"

namespace detent {
namespace {

constexpr FileState kFile = {.exists = true,
                             .inode = 7,
                             .links = 1,
                             .size = 100,
                             .mode = 0100644,
                             .written = 1000,
                             .changed = 1000};

template <class Change>
FileState changed(Change change) {
  FileState state = kFile;
  change(state);
  return state;
}

TEST(FileState, M3_AHintOfAWriteIsBelievedThoughNothingDiffers) {
  EXPECT_EQ(difference(kFile, kFile, {.written = true}), (FileEvents{.written = true}));
  EXPECT_EQ(difference(kFile, kFile, {.attributes = true}), (FileEvents{.attributes = true}));
  EXPECT_EQ(difference(kFile, kFile, {}), FileEvents{});
}

TEST(FileState, M3_AnotherFileOfTheSameNumberIsReplaced) {
  EXPECT_EQ(difference(kFile, kFile, {.gone = true}), (FileEvents{.replaced = true}));
  EXPECT_EQ(difference(kFile, kFile, {.left = true}), (FileEvents{.replaced = true}));
  const FileState younger = changed([](FileState& state) { state.born = 5; });
  EXPECT_EQ(difference(kFile, younger, {}), (FileEvents{.replaced = true}));
}

TEST(FileState, M3_WithoutAHintTheTimesDecide) {
  const FileState written = changed([](FileState& state) { state.written = state.changed = 2000; });
  EXPECT_EQ(difference(kFile, written, {}), (FileEvents{.written = true}));
  EXPECT_EQ(difference(kFile, written, {.attributes = true}), (FileEvents{.attributes = true}));
  const FileState set = changed([](FileState& state) { state.changed = 2000; });
  EXPECT_EQ(difference(kFile, set, {}), (FileEvents{.attributes = true}));
  EXPECT_EQ(difference(kFile, set, {.overflow = true}), (FileEvents{.attributes = true}));
  EXPECT_EQ(difference(kFile, set, {.place = true}), FileEvents{}) << "moved away and back";
}

TEST(FileState, K9_ASizeThatIsSetIsNoAttribute) {
  const FileState shorter = changed([](FileState& state) { state.size = 1; });
  EXPECT_EQ(difference(kFile, shorter, {.attributes = true}), (FileEvents{.written = true}));
  const FileState longer = changed([](FileState& state) { state.size = 200; });
  EXPECT_EQ(difference(kFile, longer, {.attributes = true}),
            (FileEvents{.written = true, .extended = true}));
}

TEST(FileState, M3_OfADirectoryOnlyItselfIsTold) {
  const auto as_directory = [](FileState& state) { state.is_directory = true; };
  const FileState directory = changed(as_directory);
  FileState with_more = directory;
  with_more.links = 2;
  with_more.size = 4096;
  with_more.written = with_more.changed = 2000;
  EXPECT_EQ(difference(directory, with_more, {}), FileEvents{});
  with_more.mode = 0040700;
  EXPECT_EQ(difference(directory, with_more, {}), (FileEvents{.attributes = true}));
}

}  // namespace
}  // namespace detent
