// SPDX-License-Identifier: BSL-1.0
// examples/reload_on_change, and what programs do to a file that they save.
#include <signal.h>

#include "file_fixtures.h"
#include "support/child_program.h"
#include "support/standard.h"

namespace detent::testing_support {
namespace {

class ReloadExampleOnEveryPoller : public testing::TestWithParam<std::string_view> {
 protected:
  ReloadExampleOnEveryPoller() {
    write_file(file_, "one\n");
    EXPECT_NE(program_.wait_for_line("4 bytes, first line: one"), "");
  }
  ~ReloadExampleOnEveryPoller() override {
    program_.send_signal(SIGTERM);
    EXPECT_EQ(program_.wait(), -SIGTERM);
    EXPECT_EQ(program_.errors(), "");
  }

  // In a shell, where $f is the file and $d its directory.
  void run(const std::string& command) const {
    ChildProgram shell("sh", {.arguments = {"-ec", command},
                              .environment = {{"f", file_}, {"d", folder_.path()}}});
    EXPECT_EQ(shell.wait(), 0) << command << '\n' << shell.errors();
  }
  void expect(const std::string& line) { EXPECT_EQ(program_.wait_for_line(line), line); }

  const TemporaryFolder folder_;
  const std::string file_ = folder_ / "service.conf";
  ChildProgram program_{
      example("reload_on_change"),
      {.arguments = {file_}, .environment = {{"DETENT_POLLER", std::string(GetParam())}}}};
};

TEST_P(ReloadExampleOnEveryPoller, M3_WhateverTheShellsToolsDoItReadsTheNewSettings) {
  run("echo two >> $f");
  expect("8 bytes, first line: one");
  run("echo three > $f");
  expect("6 bytes, first line: three");
  run("sed -i s/three/fourth/ $f");
  expect("7 bytes, first line: fourth");
  run("echo number five > $d/new; mv $d/new $f");
  expect("12 bytes, first line: number five");
  run("echo number six is longer > $d/new; cp $d/new $f");
  expect("21 bytes, first line: number six is longer");
  run("rm $f");
  expect("no settings");
  run("echo seven > $f");
  expect("6 bytes, first line: seven");
  run("rm $f; echo number eight > $f");
  expect("13 bytes, first line: number eight");
  run("ln -sf $d/new $f");
  expect("21 bytes, first line: number six is longer");
  run("echo nine > $d/new");
  expect("5 bytes, first line: nine");
}

TEST_P(ReloadExampleOnEveryPoller, M3_VimMayWriteIntoTheFileOrReplaceIt) {
  if (!is_installed("vim")) GTEST_SKIP() << "needs vim";
  const std::string vim = "vim -es -u NONE -i NONE -N --cmd 'set backup backupdir=. ";
  run(vim + "backupcopy=no' -c 's/one/two lines/' -c wq $f");
  expect("10 bytes, first line: two lines");
  run(vim + "backupcopy=yes' -c 's/two lines/three/' -c wq $f");
  expect("6 bytes, first line: three");
  run(vim + "backupcopy=auto' -c 's/three/fourth line/' -c wq $f");
  expect("12 bytes, first line: fourth line");
}

INSTANTIATE_TEST_SUITE_P(OnEveryPoller, ReloadExampleOnEveryPoller,
                         testing::ValuesIn(poller_names()),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace detent::testing_support
