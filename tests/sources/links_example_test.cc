// SPDX-License-Identifier: BSL-1.0
// The example of links, run as a user runs it.
#include <csignal>

#include "support/child_program.h"
#include "support/kernel_double.h"
#include "support/own_links.h"
#include "support/poller_fixtures.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

class LinkWatchExample : public testing::TestWithParam<std::string_view> {};

TEST_P(LinkWatchExample, K11_PrintsTheLinksAndWhatBecomesOfThem) {
  if (kKernelIsADouble) GTEST_SKIP() << "there is no rtnetlink beside a kqueue";
  OwnNetwork network;
  if (!network) GTEST_SKIP() << OwnNetwork::kNotAllowed;
  const ChildOptions options = {.environment = {{"DETENT_POLLER", std::string(GetParam())}}};
  std::optional<ChildProgram> program;
  network.inside([&] { program.emplace(example("link_watch"), options); });
  EXPECT_EQ(program->next_line(), "1 lo: is down");
  network.set_up("lo", true);
  EXPECT_EQ(program->next_line(), "1 lo: up");
  EXPECT_EQ(program->next_line(), "1 lo: running");
  network.add("eth0");
  const std::string index = std::to_string(network.index_of("eth0"));
  EXPECT_EQ(program->next_line(), index + " eth0: came");
  network.rename("eth0", "lan");
  EXPECT_EQ(program->next_line(), index + " lan: renamed");
  network.remove("lan");
  EXPECT_EQ(program->next_line(), index + " lan: went");
  program->send_signal(SIGTERM);
  EXPECT_EQ(program->wait(), -SIGTERM) << program->errors();
}

DETENT_ON_EVERY_POLLER(LinkWatchExample);

}  // namespace
}  // namespace detent
