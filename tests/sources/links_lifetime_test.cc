// SPDX-License-Identifier: BSL-1.0
// The rows of the table of lifetimes that Links has.
#include "detent/links.h"
#include "support/kernel_double.h"
#include "support/lifetime_table.h"
#include "support/own_links.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

// One for all tests, since none of them looks at what was before.
OwnNetwork& network() {
  static OwnNetwork network;
  return network;
}

// Switching the loopback device is the cheapest change that there is.
class LinkActor final : public Actor {
 public:
  static constexpr const char* kName = "Link";
  static const char* obstacle() {
    if (kKernelIsADouble) return "there is no rtnetlink beside a kqueue";
    return network() ? nullptr : OwnNetwork::kNotAllowed;
  }

  explicit LinkActor(std::string_view poller) : Actor(poller) { make_owner(); }
  void make_owner() override {
    network().inside([this] { links_.make(reactor()); });
  }
  void end_owner() override { links_.end(); }
  void ask_the_going_owner() override {
    ToRefuse to_refuse([this] { EXPECT_EQ(links_->list().size(), 1U); });
    EXPECT_FALSE(
        links_->watch([call = to_refuse()](const LinkChange& /*change*/) mutable { call(); }));
    EXPECT_TRUE(links_->find("lo"));
    EXPECT_EQ(links_->counters().losses, 0U);
  }

  std::unique_ptr<Held> add(Callback<void()> call) override {
    return hold(links_->watch([call = std::move(call)](const LinkChange& change) mutable {
      if (change.kind == LinkChange::Kind::up || change.kind == LinkChange::Kind::down) call();
    }));
  }
  void make_due() override {
    static bool up = false;
    up = !up;
    network().set_up("lo", up);
  }

 private:
  Owned<Links> links_;
};

using OfLinks = testing::Types<LinkActor>;
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, Lifetimes, OfLinks, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfCaptures, OfLinks, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfOwners, OfLinks, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfServices, OfLinks, ActorNames);

}  // namespace
}  // namespace detent
