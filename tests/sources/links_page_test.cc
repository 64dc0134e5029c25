// SPDX-License-Identifier: BSL-1.0
// What docs/sources.md and the header show of links, compiled and run.
#include "detent/links.h"
#include "detent/reactor.h"
#include "support/kernel_double.h"
#include "support/own_links.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

class LinksPage : public testing::Test {
 protected:
  void SetUp() override {
    if (kKernelIsADouble) GTEST_SKIP() << "there is no rtnetlink beside a kqueue";
    if (!network_) GTEST_SKIP() << OwnNetwork::kNotAllowed;
  }

  OwnNetwork network_;
};

TEST_F(LinksPage, K11_TheHeadersProgramPrintsWhatRuns) {
  detent::Reactor reactor;
  testing::internal::CaptureStdout();
  network_.inside([&] {
    detent::Links links(reactor);
    for (const detent::Link& link : links.list()) std::puts(link.name.c_str());
    const detent::Handle watch = links.watch([](const detent::LinkChange& change) {
      if (change.kind == detent::LinkChange::Kind::running) std::puts(change.link.name.c_str());
    });
    network_.set_up("lo", true);
    reactor.dispatch();
  });
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "lo\nlo\n");
}

TEST_F(LinksPage, K11_ThePagesProgramUsesALinkWhileItRuns) {
  detent::Reactor reactor;
  std::set<std::string> in_use;
  const auto use = [&](const std::string& name) { in_use.insert(name); };
  const auto leave = [&](const std::string& name) { in_use.erase(name); };
  const auto links_owner = network_.inside([&] { return std::make_unique<Links>(reactor); });
  Links& links = *links_owner;
  const detent::Handle watch = links.watch([&](const detent::LinkChange& change) {
    if (change.kind == detent::LinkChange::Kind::running) use(change.link.name);
    if (change.kind == detent::LinkChange::Kind::not_running) leave(change.link.name);
  });
  for (const detent::Link& link : links.list()) {
    if (link.running) use(link.name);
  }
  EXPECT_EQ(in_use.size(), 0U);
  network_.set_up("lo", true);
  reactor.dispatch();
  EXPECT_EQ(in_use.count("lo"), 1U);
  network_.set_up("lo", false);
  reactor.dispatch();
  EXPECT_EQ(in_use.size(), 0U);
}

}  // namespace
}  // namespace detent
