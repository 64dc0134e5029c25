// SPDX-License-Identifier: BSL-1.0
// What the environment may decide, and where it may not.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "detent/poller.h"
#include "support/child_program.h"
#include "support/standard.h"
#include "support/temporary_folder.h"

namespace detent {
namespace {

using namespace testing_support;

// A program of root's that another user runs, who chooses the last poller and a seed.
class ProgramOfRoot : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can make a program that is set-uid root";
    const std::filesystem::path folder = folder_.path();
    for (const auto& each : {folder.parent_path(), folder})
      ASSERT_EQ(::chmod(each.c_str(), 0755), 0);
    ASSERT_TRUE(std::filesystem::copy_file(DETENT_ENVIRONMENT_PROGRAM, program_ = folder_ / "x"));
  }

  // The lines that it prints when it is run by a user who is nobody in particular.
  std::string output_with_mode(mode_t mode) {
    EXPECT_EQ(::chmod(program_.c_str(), mode), 0);
    ChildProgram program(program_, {.environment = {{"DETENT_POLLER", last_},
                                                    {"DETENT_SEED", "42"},
                                                    // It may not look into a set-uid program.
                                                    {"ASAN_OPTIONS", "detect_leaks=0"}},
                                    .user = 65'534});
    EXPECT_EQ(program.wait(), 0) << program.errors();
    return program.output();
  }

  const std::string default_{poller_names().front()};
  const std::string last_{poller_names().back()};

 private:
  const TemporaryFolder folder_;
  std::string program_;
};

TEST_F(ProgramOfRoot, M6_ObeysTheEnvironmentWithoutTheSetUidBit) {
  EXPECT_EQ(output_with_mode(0755), "plain\npoller " + last_ + "\nseed 42\n");
}

TEST_F(ProgramOfRoot, M6_IgnoresTheEnvironmentWithTheSetUidBit) {
  const std::string output = output_with_mode(04755);
  if (output.starts_with("plain")) GTEST_SKIP() << "set-uid has no effect on this file system";
  EXPECT_TRUE(output.starts_with("set-uid\npoller " + default_ + "\nseed ")) << output;
  EXPECT_FALSE(output.ends_with(" 42\n"));
}

}  // namespace
}  // namespace detent
