// SPDX-License-Identifier: BSL-1.0
// The examples of the calendar, run as a user runs them.
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/child_program.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
using Lines = std::vector<std::string>;

Lines output_of(const std::vector<std::string>& arguments) {
  ChildProgram program(example("next_runs"), {.arguments = arguments});
  Lines lines;
  while (const auto line = program.next_line()) lines.push_back(*line);
  EXPECT_EQ(program.wait(), 0) << program.errors();
  return lines;
}

// ---- next_runs

TEST(CalendarExamples, TM11_NextRunsPrintsBothTimesAndTheRuleForAGap) {
  EXPECT_EQ(output_of({"30 2 * * *", "--zone", "Europe/Berlin", "-n", "3", "--from",
                       "2026-03-28T00:00:00Z"}),
            (Lines{"2026-03-28T01:30:00Z  2026-03-28T02:30:00+01:00",
                   "2026-03-29T01:00:00Z  2026-03-29T03:00:00+02:00  gap: run_after",
                   "2026-03-30T00:30:00Z  2026-03-30T02:30:00+02:00"}));
}

TEST(CalendarExamples, TM11_NextRunsPrintsTheRuleForAnOverlap) {
  EXPECT_EQ(output_of({"30 2 * * *", "--zone", "Europe/Berlin", "-n", "2", "--from",
                       "2026-10-25T00:00:00Z"}),
            (Lines{"2026-10-25T00:30:00Z  2026-10-25T02:30:00+02:00  overlap: first",
                   "2026-10-26T01:30:00Z  2026-10-26T02:30:00+01:00"}));
  EXPECT_EQ(output_of({"30 * * * *", "--zone", "America/New_York", "-n", "3", "--from",
                       "2026-11-01T05:00:00Z"}),
            (Lines{"2026-11-01T05:30:00Z  2026-11-01T01:30:00-04:00  overlap: each",
                   "2026-11-01T06:30:00Z  2026-11-01T01:30:00-05:00  overlap: each",
                   "2026-11-01T07:30:00Z  2026-11-01T02:30:00-05:00"}));
}

TEST(CalendarExamples, TM11_NextRunsStartsNowAndGivesTenInUtc) {
  const Lines lines = output_of({"* * * * *"});
  EXPECT_EQ(lines.size(), 10U);
  for (const std::string& line : lines) EXPECT_TRUE(line.ends_with(":00+00:00")) << line;
}

TEST(CalendarExamples, TM11_AnErrorOfNextRunsIsOneLineAndANonZeroExit) {
  const std::vector<std::vector<std::string>> mistakes = {
      {},
      {"61 * * * *"},
      {"* * * * *", "--zone", "Nowhere"},
      {"* * * * *", "-n", "x"},
      {"* * * * *", "--from", "yesterday"},
      {"* * * * *", "--from", "2026-02-30T00:00:00Z"},
      {"* * * * *", "--what", "1"},
      {"* * * * *", "-n"}};
  for (const auto& arguments : mistakes) {
    ChildProgram program(example("next_runs"), {.arguments = arguments});
    EXPECT_NE(program.wait(), 0);
    const std::string errors = program.errors();
    EXPECT_EQ(errors.find('\n'), errors.size() - 1) << errors;
    EXPECT_EQ(program.next_line(), std::nullopt);
  }
}

// ---- periodic_jobs

class PeriodicJobs : public testing::Test {
 protected:
  PeriodicJobs() { std::filesystem::create_directory(folder_); }
  ~PeriodicJobs() override { std::filesystem::remove_all(folder_); }

  void write_state(const std::string& text) const { std::ofstream(state_) << text; }
  [[nodiscard]] std::string read_state() const {
    std::ifstream file(state_);
    std::string line;
    std::getline(file, line);
    return line;
  }
  // The first line about the job that remembers, after which the program is asked to end.
  std::string first_backup() {
    ChildProgram program(example("periodic_jobs"), {.arguments = {state_}});
    const std::string line = program.wait_for_line("backup: ");
    program.send_signal(SIGTERM);
    EXPECT_EQ(program.wait_for_line("stopped"), "stopped");
    EXPECT_EQ(program.wait(), 0);
    return line;
  }

  const std::string folder_ = testing::TempDir() + "detent_jobs_" + std::to_string(::getpid());
  const std::string state_ = folder_ + "/last_run";
};

TEST_F(PeriodicJobs, TM11_RemembersItsLastRunAcrossARestart) {
  EXPECT_NE(first_backup(), "");
  const std::string remembered = read_state();
  ASSERT_FALSE(remembered.empty());
  EXPECT_FALSE(std::filesystem::exists(state_ + ".new"));
  // As if it had ended a thousand backups, of one each two seconds, before.
  write_state(std::to_string(std::stoll(remembered) - 2'000) + "\n");
  const std::string line = first_backup();
  const auto missed = line.find("ms late, ");
  ASSERT_NE(missed, std::string::npos) << line;
  EXPECT_GE(std::stoi(line.substr(missed + 9)), 999) << line;
  EXPECT_GE(std::stoll(read_state()), std::stoll(remembered));
}

TEST_F(PeriodicJobs, TM11_ADamagedStateIsLeftAsideAndReplaced) {
  for (const char* text : {"", "x\n", "-5\n", "99999999999999999999\n", "12 monkeys\n"}) {
    write_state(text);
    const std::string line = first_backup();
    EXPECT_NE(line.find(" 0 missed before"), std::string::npos) << "'" << text << "': " << line;
    EXPECT_GT(std::stoll(read_state()), 1'700'000'000);
  }
}

TEST_F(PeriodicJobs, TM11_AStateFromTheFutureKeepsNoJobWaiting) {
  write_state("8000000000\n");
  EXPECT_NE(first_backup(), "");
  EXPECT_LT(std::stoll(read_state()), 8'000'000'000);
}

TEST_F(PeriodicJobs, EndsCleanlyWithSigint) {
  ChildProgram program(example("periodic_jobs"), {.arguments = {state_}});
  EXPECT_NE(program.wait_for_line("pulse: "), "");
  program.send_signal(SIGINT);
  EXPECT_EQ(program.wait(), 0) << program.errors();
  EXPECT_TRUE(program.output().ends_with("\nstopped\n")) << program.output();
}

TEST_F(PeriodicJobs, ComplainsInOneLineWhenItCannotRemember) {
  ChildProgram program(example("periodic_jobs"), {.arguments = {folder_ + "/none/last_run"}});
  EXPECT_EQ(program.wait(), 1);
  EXPECT_TRUE(program.errors().starts_with("periodic_jobs: open: ")) << program.errors();
  EXPECT_EQ(program.errors().find('\n'), program.errors().size() - 1) << program.errors();
}

TEST_F(PeriodicJobs, RefusesALengthThatIsNone) {
  for (const char* length : {"", "x", "-1", "1s"}) {
    ChildProgram program(example("periodic_jobs"), {.arguments = {state_, length}});
    EXPECT_EQ(program.wait(), 2) << length;
  }
}

TEST_F(PeriodicJobs, EndsByItselfWhenAskedTo) {
  ChildProgram program(example("periodic_jobs"), {.arguments = {state_, "1"}});
  EXPECT_EQ(program.wait_for_line("stopped"), "stopped");
  EXPECT_EQ(program.wait(), 0);
}

}  // namespace
}  // namespace detent
