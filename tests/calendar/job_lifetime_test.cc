// SPDX-License-Identifier: BSL-1.0
// The row of the table of lifetimes that jobs have.
#include "detent/jobs.h"
#include "support/lifetime_table.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

class JobActor final : public Actor {
 public:
  static constexpr const char* kName = "Job";
  explicit JobActor(std::string_view poller) : Actor(poller) { make_owner(); }

  std::unique_ptr<Held> add(Callback<void()> call) override {
    static const Cron hourly("@hourly");
    return hold(jobs_->schedule(hourly, {}, std::move(call)));
  }
  void make_due() override { clock_.pass(1h); }
  void make_owner() override { jobs_.make(wall_); }
  void end_owner() override { jobs_.end(); }
  void ask_the_going_owner() override {
    const Cron daily("@daily");
    ToRefuse to_refuse([&] { EXPECT_FALSE(jobs_->schedule(daily, {}, never())); });
    EXPECT_FALSE(jobs_->schedule(daily, {}, to_refuse()));
  }

 private:
  WallTimerService wall_{reactor()};
  Owned<Jobs> jobs_;
};

using WithJobs = testing::Types<JobActor>;
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, Lifetimes, WithJobs, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfCaptures, WithJobs, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfOwners, WithJobs, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfServices, WithJobs, ActorNames);

}  // namespace
}  // namespace detent
