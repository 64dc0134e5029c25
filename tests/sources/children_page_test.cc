// SPDX-License-Identifier: BSL-1.0
// What the page and the header of Children show, compiled and run.
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "process_fixtures.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

TEST(ChildrenPage, M2_ABackupIsStartedAndItsExitTold) {
  Reactor reactor;
  const std::string folder = testing::TempDir() + "/detent_backup" + std::to_string(::getpid());
  std::filesystem::create_directory(folder);
  const std::string archive = "/dev/null";
  std::optional<bool> is_saved;
  detent::Children children(reactor);
  const detent::Child backup =
      children.spawn({.arguments = {"tar", "cf", archive, "."}, .directory = folder},
                     [&](const detent::ProcessExit& exit) { is_saved = exit.code == 0; });
  while (!is_saved) ASSERT_NE(reactor.run_once(kPatience), 0U);
  EXPECT_TRUE(*is_saved);
  std::filesystem::remove(folder);
}

TEST(ChildrenPage, M2_AFilterIsFedAndEnded) {
  Reactor reactor;
  const TestProcess process;
  const int daemon_pid = process.pid();
  std::string last_words;
  const auto report = [&](const std::string& text) { last_words = text; };
  bool is_gone = false;
  detent::Children children(reactor);
  detent::Child filter = children.spawn(
      {.arguments = {"sort", "-n"}, .input = detent::Stdio::pair, .output = detent::Stdio::pair},
      [&](const detent::ProcessExit& exit) {
        if (exit.code) report("ended with " + std::to_string(*exit.code));
        if (exit.signal) report("killed by " + std::to_string(*exit.signal));
      });
  const detent::UniqueFd to_filter = filter.take_input();  // for a Socket, or a watch
  filter.terminate(5s);  // SIGTERM, and SIGKILL after five seconds
  const detent::Handle watch =
      children.watch(daemon_pid, [&](const detent::ProcessExit&) { is_gone = true; });
  while (last_words.empty()) ASSERT_NE(reactor.run_once(kPatience), 0U);
  EXPECT_EQ(last_words, "killed by " + std::to_string(SIGTERM));
  EXPECT_FALSE(is_gone);
}

}  // namespace
}  // namespace detent
