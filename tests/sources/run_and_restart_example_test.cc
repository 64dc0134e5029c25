// SPDX-License-Identifier: BSL-1.0
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "support/child_program.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

// The number in front of it.
std::string without_pid(const std::optional<std::string>& line) {
  if (!line) return "the end";
  return line->substr(line->find(' ') + 1);
}

TEST(RunAndRestartExamples, M2_RunsACommandAgainUntilItSucceeds) {
  const std::string file =
      testing::TempDir() + "/detent_run_and_restart" + std::to_string(::getpid());
  std::filesystem::remove(file);
  ChildProgram program(
      example("run_and_restart"),
      {.arguments = {"--first-delay", "1", "sh", "-c",
                     "echo >> " + file + "; [ $(wc -l < " + file + ") -gt 2 ] || exit 4"}});
  for (const char* line : {"started", "ended with code 4", "started", "ended with code 4",
                           "started", "ended with code 0"}) {
    EXPECT_EQ(without_pid(program.next_line()), line);
  }
  EXPECT_EQ(program.wait(), 0) << program.errors();
  std::filesystem::remove(file);
}

TEST(RunAndRestartExamples, M2_EndsItsCommandWhenItIsTerminated) {
  ChildProgram program(example("run_and_restart"), {.arguments = {"sleep", "1000"}});
  EXPECT_EQ(without_pid(program.next_line()), "started");
  program.send_signal(SIGTERM);
  EXPECT_EQ(without_pid(program.next_line()), "ended by signal " + std::to_string(SIGTERM));
  EXPECT_EQ(program.wait(), 0) << program.errors();
}

// What is left has the output of the example open, so that would not end.
TEST(RunAndRestartExamples, M2_LeavesNothingOfTheGroupBehind) {
  ChildProgram program(
      example("run_and_restart"),
      {.arguments = {"sh", "-c", "(trap '' TERM; echo it ignores; exec sleep 1000) & wait"}});
  program.wait_for_line("it ignores");
  program.send_signal(SIGTERM);
  EXPECT_EQ(program.wait(), 0) << program.errors();
}

TEST(RunAndRestartExamples, M2_ACommandThatCannotBeStartedIsOneLineAndANonZeroExit) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, {"no-such-program"}}) {
    ChildProgram program(example("run_and_restart"), {.arguments = arguments});
    EXPECT_EQ(program.wait(), 1);
    EXPECT_EQ(std::ranges::count(program.errors(), '\n'), 1) << program.errors();
  }
}

}  // namespace
}  // namespace detent
