// SPDX-License-Identifier: BSL-1.0
#include "detent/jobs.h"

#include "support/allocations.h"
#include "support/calendar.h"
#include "support/errors.h"
#include "support/processes.h"
#include "support/standard.h"
#include "support/timer_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;
using Texts = std::vector<std::string>;

// Midnight, and nothing has been scheduled yet.
class SimulatedJobs : public SimulatedTimers {
 protected:
  SimulatedJobs() {
    clock_.set_wall(instant("2026-03-02T00:00:00Z"));
    wall_.emplace(*reactor_);
    jobs_.emplace(*wall_);
  }
  ~SimulatedJobs() override {
    jobs_.reset();
    wall_.reset();
  }

  // Says of each run when it was due, and what was missed before it, if anything was.
  auto note() {
    return [this](const JobRun& run) {
      runs_.push_back(to_text(run.scheduled) +
                      (run.missed == 0 ? "" : " missed " + std::to_string(run.missed)));
      actual_.push_back(run.actual);
    };
  }
  Texts taken() { return std::exchange(runs_, {}); }

  // Somebody sets the clock, and the loop sees it.
  void set_wall(const std::string& text, Duration later = {}) {
    clock_.set_wall(instant(text) + later);
    clock_.advance(0s);
  }

  std::optional<WallTimerService> wall_;
  std::optional<Jobs> jobs_;
  Texts runs_;
  std::vector<WallTime> actual_;
};

// ---- when

TEST_F(SimulatedJobs, TM11_AJobRunsWhenItIsDueAndNotBefore) {
  const Job job = jobs_->schedule(Cron("30 9 * * *"), {}, note());
  EXPECT_EQ(job.next_run(), instant("2026-03-02T09:30:00Z"));
  clock_.advance(9h + 30min - 1ns);
  EXPECT_TRUE(runs_.empty());
  clock_.advance(1ns);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T09:30:00Z"}));
  EXPECT_EQ(actual_.back(), instant("2026-03-02T09:30:00Z"));
  EXPECT_EQ(job.next_run(), instant("2026-03-03T09:30:00Z"));
  clock_.advance(48h);
  EXPECT_EQ(taken(), (Texts{"2026-03-03T09:30:00Z", "2026-03-04T09:30:00Z"}));
}

TEST_F(SimulatedJobs, TM11_ItsZoneDecides) {
  const CronOptions berlin = {.zone = TimeZone("Europe/Berlin")};
  clock_.set_wall(instant("2026-03-28T12:00:00Z"));
  const Job job = jobs_->schedule(Cron("30 2 * * *", berlin), {}, note());
  clock_.advance(48h);
  EXPECT_EQ(taken(), (Texts{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}));
}

TEST_F(SimulatedJobs, TM11_AnHourThatComesTwiceIsServedAsItsOverlapSays) {
  clock_.set_wall(instant("2026-10-24T12:00:00Z"));
  const CronOptions berlin = {.zone = TimeZone("Europe/Berlin"), .overlap = Overlap::both};
  const Job job = jobs_->schedule(Cron("30 2 * * *", berlin), {}, note());
  clock_.advance(36h);
  EXPECT_EQ(taken(), (Texts{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"}));
}

TEST_F(SimulatedJobs, TM11_ACallbackMayTakeNothing) {
  int calls = 0;
  const Job job = jobs_->schedule(Cron("@hourly"), {}, [&calls] { ++calls; });
  clock_.advance(3h);
  EXPECT_EQ(calls, 3);
}

TEST_F(SimulatedJobs, TM11_AJobThatIsNeverDueAgainIsNotActive) {
  clock_.set_wall(instant("2261-06-01T00:00:00Z"));
  const Job job = jobs_->schedule(Cron("0 0 1 1 *"), {}, note());
  EXPECT_FALSE(job.active());
  EXPECT_EQ(job.next_run(), std::nullopt);
  EXPECT_EQ(Job().next_run(), std::nullopt);
}

// ---- missed runs

TEST_F(SimulatedJobs, TM11_OfMissedRunsTheLastIsCalledOnceAndTheOthersAreCounted) {
  const Job job = jobs_->schedule(Cron("@hourly"), {.missed = MissedRuns::once}, note());
  clock_.suspend(0s);
  set_wall("2026-03-02T05:20:00Z");
  EXPECT_EQ(taken(), (Texts{"2026-03-02T05:00:00Z missed 4"}));
  EXPECT_EQ(actual_.back(), instant("2026-03-02T05:20:00Z"));
  clock_.advance(1h);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T06:00:00Z"}));
}

TEST_F(SimulatedJobs, TM11_SkippedRunsAreCountedWithTheNextThatIsCalled) {
  const Job job = jobs_->schedule(Cron("@hourly"), {.missed = MissedRuns::skip}, note());
  set_wall("2026-03-02T05:20:00Z");
  EXPECT_EQ(taken(), (Texts{}));
  clock_.advance(40min);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T06:00:00Z missed 5"}));
}

TEST_F(SimulatedJobs, TM11_WithinItsGraceARunIsNotMissed) {
  const Job job =
      jobs_->schedule(Cron("@hourly"), {.missed = MissedRuns::skip, .grace = 2min}, note());
  set_wall("2026-03-02T01:02:00Z");
  EXPECT_EQ(taken(), (Texts{"2026-03-02T01:00:00Z"}));
  set_wall("2026-03-02T02:02:00Z", 1ns);
  EXPECT_EQ(taken(), (Texts{}));
}

TEST_F(SimulatedJobs, TM11_AllMissedRunsAreCalledOneATurn) {
  const Job job = jobs_->schedule(Cron("@hourly"), {.missed = MissedRuns::all}, note());
  clock_.pass(3h + 1min);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(turn(), 1U);
    EXPECT_EQ(runs_.size(), static_cast<std::size_t>(i));
  }
  EXPECT_EQ(turn(), 0U);
  EXPECT_EQ(taken(),
            (Texts{"2026-03-02T01:00:00Z", "2026-03-02T02:00:00Z", "2026-03-02T03:00:00Z"}));
}

TEST_F(SimulatedJobs, TM11_OfTooManyMissedRunsTheLatestAreCalled) {
  const Job job =
      jobs_->schedule(Cron("@hourly"), {.missed = MissedRuns::all, .most_missed = 2}, note());
  clock_.advance(0s);
  set_wall("2026-03-02T10:30:00Z");
  EXPECT_EQ(taken(), (Texts{"2026-03-02T09:00:00Z missed 8", "2026-03-02T10:00:00Z"}));
}

TEST_F(SimulatedJobs, TM11_MoreMissedRunsThanAreCountedCostNoMoreThanThat) {
  const Cron each_second("* * * * * *");
  const Job once = jobs_->schedule(each_second, {.missed = MissedRuns::once}, note());
  set_wall("2036-03-02T05:20:07Z");
  EXPECT_EQ(taken(), (Texts{"2036-03-02T05:20:07Z missed 10000"}));
  const Job latest =
      jobs_->schedule(each_second, {.missed = MissedRuns::all, .most_missed = 3}, note());
  set_wall("2046-03-02T05:20:07Z");
  EXPECT_EQ(taken(),
            (Texts{"2046-03-02T05:20:07Z missed 10000", "2046-03-02T05:20:05Z missed 10000",
                   "2046-03-02T05:20:06Z", "2046-03-02T05:20:07Z"}));
}

// The nights are empty, so that the latest runs lie on both sides of one.
TEST_F(SimulatedJobs, TM11_TheLatestAreFoundAcrossALongBreak) {
  const Job job =
      jobs_->schedule(Cron("* 8-19 * * *"), {.missed = MissedRuns::all, .most_missed = 4}, note());
  set_wall("2056-03-02T08:01:30Z");
  EXPECT_EQ(taken(), (Texts{"2056-03-01T19:58:00Z missed 10000", "2056-03-01T19:59:00Z",
                            "2056-03-02T08:00:00Z", "2056-03-02T08:01:00Z"}));
}

// Counting anew for each of them would ask for fifty million instants, and take minutes.
TEST_F(SimulatedJobs, TM11_AsManyAsMayBeAreCalledWithoutCountingThemEachTime) {
  std::size_t calls = 0;
  const Job job = jobs_->schedule(Cron("* * * * * *"),
                                  {.missed = MissedRuns::all, .most_missed = Jobs::kMostCounted},
                                  [&calls](const JobRun& run) {
                                    ++calls;
                                    EXPECT_EQ(run.missed, 0U);
                                  });
  set_wall("2026-03-02T00:00:00Z", 10'000s);
  EXPECT_EQ(calls, 10'000U);
}

TEST_F(SimulatedJobs, TM11_WhatComesDueWhileMissedRunsAreCalledFollowsThem) {
  const Job job =
      jobs_->schedule(Cron("@hourly"), {.missed = MissedRuns::all, .most_missed = 2}, note());
  clock_.pass(4h);
  turn();
  clock_.pass(1h);
  while (turn() != 0) {
  }
  EXPECT_EQ(taken(), (Texts{"2026-03-02T03:00:00Z missed 2", "2026-03-02T04:00:00Z",
                            "2026-03-02T05:00:00Z"}));
}

TEST_F(SimulatedJobs, TM7_MissedRunsAreLimitedAnewWhenTheClockIsSetAmongThem) {
  const Job job =
      jobs_->schedule(Cron("@hourly"), {.missed = MissedRuns::all, .most_missed = 3}, note());
  clock_.pass(20h);
  turn();
  EXPECT_EQ(taken(), (Texts{"2026-03-02T18:00:00Z missed 17"}));
  set_wall("2026-03-02T17:30:00Z");
  EXPECT_EQ(taken(), (Texts{})) << "19:00 is not due any more";
  set_wall("2026-03-02T23:30:00Z");
  EXPECT_EQ(taken(), (Texts{"2026-03-02T21:00:00Z missed 2", "2026-03-02T22:00:00Z",
                            "2026-03-02T23:00:00Z"}));
}

TEST_F(SimulatedJobs, TM11_MissedRunsOfSeveralJobsAreCalledInTurns) {
  const Job one = jobs_->schedule(Cron("@hourly"), {.missed = MissedRuns::all}, note());
  const Job two = jobs_->schedule(Cron("30 * * * *"), {.missed = MissedRuns::all}, note());
  clock_.pass(3h);
  EXPECT_EQ(turn(), 2U);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T00:30:00Z", "2026-03-02T01:00:00Z"}));
  EXPECT_EQ(turn(), 2U);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T01:30:00Z", "2026-03-02T02:00:00Z"}));
}

TEST_F(SimulatedJobs, TM11_NeverMayBeTheLastRun) {
  const Job job = jobs_->schedule(Cron("0 0 1 1 *"), {.last_run = WallTime::min()}, note());
  clock_.advance(0s);
  EXPECT_EQ(taken(), (Texts{"2026-01-01T00:00:00Z missed 55"})) << "1971 to 2025";
  const Job other = jobs_->schedule(Cron("0 0 1 1 *"), {.last_run = WallTime::max()}, note());
  EXPECT_EQ(other.next_run(), instant("2027-01-01T00:00:00Z"));
}

TEST_F(SimulatedJobs, TM11_WhatARestartMissedIsCalledInTheNextTurnAndNotAtOnce) {
  Job late;
  const Job job = jobs_->schedule(Cron("0 1 2 3 *"), {}, [this, &late] {
    late = jobs_->schedule(Cron("@hourly"), {.last_run = instant("2026-03-02T00:00:00Z")}, note());
    EXPECT_TRUE(runs_.empty());
  });
  clock_.pass(1h);
  turn();
  EXPECT_TRUE(runs_.empty());
  turn();
  EXPECT_EQ(taken(), (Texts{"2026-03-02T01:00:00Z"}));
}

TEST_F(SimulatedJobs, TM7_WhatComesDueWhileTheMachineSleepsIsMissed) {
  const Job job = jobs_->schedule(Cron("@hourly"), {}, note());
  clock_.suspend(8h + 1min);
  clock_.advance(0s);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T08:00:00Z missed 7"}));
}

TEST_F(SimulatedJobs, TM11_ABusyLoopIsToldOfWhatItMissed) {
  const Job job = jobs_->schedule(Cron("* * * * * *"), {}, note());
  clock_.pass(5s + 300ms);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T00:00:05Z missed 4"}));
}

TEST_F(SimulatedJobs, TM11_ARememberedRunTellsWhatWasMissedSinceAndWithoutOneNothingWas) {
  const WallTime last = instant("2026-02-27T03:00:00Z");
  const Job job = jobs_->schedule(Cron("0 3 * * *"), {.last_run = last}, note());
  const Job forgetful = jobs_->schedule(Cron("0 3 * * *"), {}, [] {});
  EXPECT_EQ(forgetful.next_run(), instant("2026-03-02T03:00:00Z"));
  clock_.advance(0s);
  EXPECT_EQ(taken(), (Texts{"2026-03-01T03:00:00Z missed 1"}));
  clock_.advance(3h);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T03:00:00Z"}));
}

TEST_F(SimulatedJobs, TM11_ARememberedRunFarInTheFutureIsNotBelieved) {
  const Job job =
      jobs_->schedule(Cron("0 3 * * *"), {.last_run = instant("2099-01-01T03:00:00Z")}, note());
  EXPECT_EQ(job.next_run(), instant("2026-03-02T03:00:00Z"));
}

// ---- the clock is set

TEST_F(SimulatedJobs, TM7_WhatWasCalledIsNotCalledAgainWhenTheClockGoesBack) {
  const Job job = jobs_->schedule(Cron("@hourly"), {}, note());
  clock_.advance(3h);
  taken();
  clock_.set_wall(instant("2026-03-02T01:30:00Z"));
  clock_.advance(90min);  // 03:00 again
  EXPECT_EQ(taken(), (Texts{}));
  clock_.advance(1h);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T04:00:00Z"}));
}

TEST_F(SimulatedJobs, TM7_MoreThanADayBackTheClockWasWrongBeforeAndNoLess) {
  const Job job = jobs_->schedule(Cron("@hourly"), {}, note());
  clock_.advance(3h);
  EXPECT_EQ(taken().back(), "2026-03-02T03:00:00Z");
  set_wall("2026-03-01T03:00:00Z");
  EXPECT_EQ(job.next_run(), instant("2026-03-02T04:00:00Z"));
  set_wall("2026-03-01T03:00:00Z", -1ns);
  EXPECT_EQ(job.next_run(), instant("2026-03-01T03:00:00Z"));
}

TEST_F(SimulatedJobs, TM7_AClockThatWasWrongByYearsKeepsNoJobWaiting) {
  clock_.set_wall(instant("2099-01-01T00:30:00Z"));
  const Job job = jobs_->schedule(Cron("@hourly"), {}, note());
  clock_.advance(1h);
  EXPECT_EQ(taken(), (Texts{"2099-01-01T01:00:00Z"}));
  set_wall("2026-03-02T00:10:00Z");
  EXPECT_EQ(job.next_run(), instant("2026-03-02T01:00:00Z"));
  clock_.advance(1h);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T01:00:00Z"}));
}

// A machine starts with a clock that is wrong by hours, and sets it right soon after.
TEST_F(SimulatedJobs, TM7_AJobThatHasNotRunFollowsAClockThatIsSetBack) {
  clock_.set_wall(instant("2026-03-02T12:05:00Z"));
  const Job hourly = jobs_->schedule(Cron("@hourly"), {}, note());
  const Job daily = jobs_->schedule(Cron("0 10 * * *"), {}, [] {});
  EXPECT_EQ(daily.next_run(), instant("2026-03-03T10:00:00Z"));
  clock_.advance(20s);
  set_wall("2026-03-02T03:05:00Z");
  EXPECT_EQ(hourly.next_run(), instant("2026-03-02T04:00:00Z"));
  EXPECT_EQ(daily.next_run(), instant("2026-03-02T10:00:00Z"));
  clock_.advance(3h);
  EXPECT_EQ(taken(),
            (Texts{"2026-03-02T04:00:00Z", "2026-03-02T05:00:00Z", "2026-03-02T06:00:00Z"}));
}

TEST_F(SimulatedJobs, TM7_AJobThatHasNotRunFollowsAClockThatIsSetBackByTheLeast) {
  clock_.set_wall(instant("2026-03-02T12:00:00Z"));
  const Job job = jobs_->schedule(Cron("@hourly"), {}, note());
  EXPECT_EQ(job.next_run(), instant("2026-03-02T13:00:00Z"));
  clock_.set_wall(instant("2026-03-02T12:00:00Z") - 1ns);
  clock_.advance(1ns);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T12:00:00Z"}));
}

TEST_F(SimulatedJobs, TM7_AJobThatHasNotRunFollowsAClockThatIsSetToAndFro) {
  clock_.set_wall(instant("2026-03-02T12:05:00Z"));
  const Job job = jobs_->schedule(Cron("@hourly"), {}, note());
  set_wall("2026-03-02T09:30:00Z");
  EXPECT_EQ(taken(), (Texts{}));
  set_wall("2026-03-02T12:05:00Z");
  EXPECT_EQ(taken(), (Texts{"2026-03-02T12:00:00Z missed 2"}));
  clock_.set_wall(instant("2026-03-02T11:30:00Z"));
  clock_.advance(1h);
  EXPECT_EQ(taken(), (Texts{})) << "12:00 was called";
}

TEST_F(SimulatedJobs, TM7_ARunOfAnEarlierLifeIsNotCalledAgain) {
  clock_.set_wall(instant("2026-03-02T12:05:00Z"));
  const Job job =
      jobs_->schedule(Cron("@hourly"), {.last_run = instant("2026-03-02T12:00:00Z")}, note());
  clock_.set_wall(instant("2026-03-02T10:30:00Z"));
  clock_.advance(2h);
  EXPECT_EQ(taken(), (Texts{}));
  clock_.advance(30min);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T13:00:00Z"}));
}

TEST_F(SimulatedJobs, TM7_ARunThatWasLeftOutComesAgainWhenTheClockGoesBack) {
  const Job job = jobs_->schedule(Cron("@hourly"), {.missed = MissedRuns::skip}, note());
  clock_.advance(1h);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T01:00:00Z"}));
  set_wall("2026-03-02T06:30:00Z");
  EXPECT_EQ(taken(), (Texts{}));
  clock_.set_wall(instant("2026-03-02T03:30:00Z"));
  clock_.advance(30min);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T04:00:00Z missed 2"})) << "02:00 and 03:00";
  clock_.set_wall(instant("2026-03-02T00:30:00Z"));
  clock_.advance(4h);
  EXPECT_EQ(taken(), (Texts{})) << "04:00 was called";
}

// ---- jitter

TEST_F(SimulatedJobs, TM11_JitterIsTheSameForTheSameSeedAndRunAndReachesItsMostAndNoFurther) {
  const auto delays = [this](Jitter jitter) {
    make();
    jobs_.reset();
    jobs_.emplace(wall_.emplace(*reactor_));
    clock_.set_wall(instant("2026-03-02T00:00:00Z"));
    std::vector<Duration> found;
    const Job job = jobs_->schedule(Cron("@hourly"), {.jitter = jitter}, [&](const JobRun& run) {
      found.push_back(run.actual - run.scheduled);
    });
    clock_.advance(50h + jitter.most);
    EXPECT_EQ(found.size(), 50U);
    return found;
  };
  const std::vector<Duration> one = delays({.most = 10min, .seed = 1});
  EXPECT_EQ(delays({.most = 10min, .seed = 1}), one);
  EXPECT_NE(delays({.most = 10min, .seed = 2}), one);
  EXPECT_LT(std::ranges::min(one), 3min);
  EXPECT_GT(std::ranges::max(one), 7min);
  const std::vector<Duration> least = delays({.most = 1ns, .seed = 1});
  EXPECT_EQ(std::ranges::min(least), 0ns);
  EXPECT_EQ(std::ranges::max(least), 1ns);
}

TEST_F(SimulatedJobs, TM11_JitterEndsBeforeTheNextRunIsDue) {
  std::vector<JobRun> all;
  const Job job = jobs_->schedule(Cron("* * * * *"), {.jitter = {.most = 10h, .seed = 7}},
                                  [&all](const JobRun& run) { all.push_back(run); });
  clock_.advance(10min + 59s);
  ASSERT_GE(all.size(), 9U);
  for (const JobRun& run : all) {
    EXPECT_GE(run.actual, run.scheduled);
    EXPECT_LT(run.actual, run.scheduled + 1min);
    EXPECT_EQ(run.missed, 0U);
  }
}

TEST_F(SimulatedJobs, TM7_AJitteredRunIsNotRepeatedWhenTheClockGoesBackBehindIt) {
  const Job job = jobs_->schedule(Cron("@hourly"), {.jitter = {.most = 20min, .seed = 5}}, note());
  clock_.advance(1h + 20min);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T01:00:00Z"}));
  clock_.set_wall(instant("2026-03-02T00:59:00Z"));
  clock_.advance(1h);
  EXPECT_EQ(taken(), (Texts{}));
  clock_.advance(21min);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T02:00:00Z"}));
}

// ---- lifetimes

TEST_F(SimulatedJobs, L2_ACallbackMayDestroyTheTimersToo) {
  int calls = 0;
  const Job job = jobs_->schedule(Cron("@hourly"), {}, [&] {
    ++calls;
    jobs_.reset();
    wall_.reset();
  });
  clock_.advance(2h);
  EXPECT_EQ(calls, 1);
}

TEST_F(SimulatedJobs, O6_AJobThatThrowsGoesOnAtItsNextRun) {
  int calls = 0;
  const Job job = jobs_->schedule(Cron("@hourly"), {}, [&] {
    if (++calls == 1) throw std::runtime_error("the first time");
  });
  clock_.pass(1h);
  EXPECT_THROW(turn(), std::runtime_error);
  turn();
  EXPECT_EQ(calls, 1);
  clock_.advance(1h);
  EXPECT_EQ(calls, 2);
}

TEST_F(SimulatedJobs, O6_AJobMayBeEndedAfterItsThrowAndTheOthersDueThenAreCalled) {
  Job job = jobs_->schedule(Cron("@hourly"), {}, [] { throw std::runtime_error("always"); });
  const Job other = jobs_->schedule(Cron("@hourly"), {}, note());
  clock_.pass(1h);
  EXPECT_THROW(turn(), std::runtime_error);
  job.cancel();
  clock_.advance(0s);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T01:00:00Z"}));
  clock_.advance(1h);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T02:00:00Z"}));
}

TEST_F(SimulatedJobs, O6_AThrowLosesNoneOfTheMissedRuns) {
  int calls = 0;
  const Job job =
      jobs_->schedule(Cron("@hourly"), {.missed = MissedRuns::all}, [&](const JobRun& run) {
        if (++calls == 2) throw std::runtime_error("the second");
        note()(run);
      });
  clock_.pass(3h);
  turn();
  EXPECT_THROW(turn(), std::runtime_error);
  turn();
  EXPECT_EQ(taken(), (Texts{"2026-03-02T01:00:00Z", "2026-03-02T03:00:00Z"}));
}

TEST_F(SimulatedJobs, L1_AJobMayBeMovedWhileItsCallbackRuns) {
  Job job;
  Job moved;
  int calls = 0;
  job = jobs_->schedule(Cron("@hourly"), {}, [&] {
    if (++calls == 1) moved = std::move(job);
  });
  clock_.advance(2h);
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(moved.active());
}

TEST_F(SimulatedJobs, L5_JobsWhoseTimersAreGoneAreInertAndScheduleNoMore) {
  Job job = jobs_->schedule(Cron("@hourly"), {}, note());
  wall_.reset();
  EXPECT_FALSE(job.active());
  EXPECT_EQ(job.next_run(), std::nullopt);
  EXPECT_EQ(message_of<std::logic_error>(
                [this] { static_cast<void>(jobs_->schedule(Cron("@hourly"), {}, note())); }),
            "Jobs::schedule: the timer service of these jobs is gone");
  clock_.advance(2h);
  EXPECT_TRUE(runs_.empty());
  job.cancel();
}

// ---- misuse, costs

TEST_F(SimulatedJobs, TM11_OptionsThatMakeNoSenseAreRefusedWithTheirValues) {
  const std::vector<std::pair<JobOptions, std::string>> refused = {
      {{.most_missed = 0}, "most_missed is 0, and must be from 1 to 10000"},
      {{.most_missed = Jobs::kMostCounted + 1},
       "most_missed is 10001, and must be from 1 to 10000"},
      {{.grace = -1s}, "grace is -1000000000 ns, and must not be negative"},
      {{.jitter = {.most = -1ns}}, "jitter.most is -1 ns, and must not be negative"}};
  for (const auto& [options, why] : refused) {
    EXPECT_EQ(message_of<std::invalid_argument>([&, &asked = options] {
                static_cast<void>(jobs_->schedule(Cron("@hourly"), asked, [] {}));
              }),
              "Jobs::schedule: " + why);
  }
}

TEST_F(SimulatedJobs, TM11_AnEmptyCallbackIsRefused) {
  const auto refused = [this](auto empty) {
    EXPECT_EQ(message_of<std::invalid_argument>([&] {
                static_cast<void>(jobs_->schedule(Cron("@hourly"), {}, std::move(empty)));
              }),
              "Jobs::schedule: the callback is empty");
  };
  refused(std::function<void()>());
  refused(std::function<void(const JobRun&)>());
  refused(Callback<void()>());
  refused(Callback<void(const JobRun&)>());
  refused(static_cast<void (*)()>(nullptr));
  refused(static_cast<void (*)(const JobRun&)>(nullptr));
}

TEST_F(SimulatedJobs, TM11_CallbacksOfAnyKindAreTaken) {
  static int calls = 0;
  calls = 0;
  const auto count = [] { ++calls; };
  const std::function<void()> function = count;
  const Job one = jobs_->schedule(Cron("@hourly"), {}, function);
  const Job two = jobs_->schedule(Cron("@hourly"), {}, count);
  const Job three = jobs_->schedule(Cron("@hourly"), {}, +count);
  const Job four = jobs_->schedule(Cron("@hourly"), {}, Callback<void()>(count));
  clock_.advance(1h);
  EXPECT_EQ(calls, 4);
}

TEST_F(SimulatedJobs, O7_AnotherThreadIsRefused) {
  std::thread([this] {
    EXPECT_THROW(static_cast<void>(jobs_->schedule(Cron("@hourly"), {}, [] {})), std::logic_error);
  }).join();
}

TEST_F(SimulatedJobs, O7_AskingOrEndingAJobOnAnotherThreadEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Job job = jobs_->schedule(Cron("@hourly"), {}, [] {});
  const auto elsewhere = [](auto call) { std::thread(call).join(); };
  EXPECT_DEATH(elsewhere([&] { static_cast<void>(job.next_run()); }), "Job::next_run");
  EXPECT_DEATH(elsewhere([&] { job.cancel(); }), "another thread");
  EXPECT_DEATH(elsewhere([&] { jobs_.reset(); }), "~Jobs");
}

TEST_F(SimulatedJobs, O8_AForkedChildMayOnlyEndJobs) {
  std::optional<Job> job = jobs_->schedule(Cron("@hourly"), {}, note());
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    EXPECT_THROW(static_cast<void>(jobs_->schedule(Cron("@hourly"), {}, [] {})), std::logic_error);
    job.reset();
    jobs_.reset();
  }));
  clock_.advance(1h);
  EXPECT_EQ(taken(), (Texts{"2026-03-02T01:00:00Z"})) << "the parent's is unharmed";
}

TEST_F(SimulatedJobs, ARunAllocatesNothing) {
  std::size_t calls = 0;
  const CronOptions berlin = {.zone = TimeZone("Europe/Berlin")};
  const Job job = jobs_->schedule(Cron("0 3 * * *", berlin), {.jitter = {.most = 1min, .seed = 3}},
                                  [&calls] { ++calls; });
  clock_.advance(24h * 400);
  EXPECT_EQ(allocations_in([this] {
              for (int i = 0; i < 100; ++i) {
                clock_.pass(24h);
                turn();
              }
            }),
            0U);
  EXPECT_EQ(calls, 500U);
}

// ---- the kernel's time

class JobsOnEveryPoller : public TimersOnEveryPoller {};

TEST_P(JobsOnEveryPoller, TM11_AJobOfEachSecondIsCalledInTimeAndNeverEarlyInRealTime) {
  WallTimerService wall(reactor_);
  Jobs jobs(wall);
  std::vector<JobRun> runs;
  const Job job = jobs.schedule(Cron("* * * * * *"), {}, [&](const JobRun& run) {
    runs.push_back(run);
    EXPECT_GE(kernel_clock().wall_now(), run.scheduled);
  });
  run_callbacks(2);
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[1].scheduled - runs[0].scheduled, std::chrono::seconds(1 + runs[1].missed));
}

DETENT_ON_EVERY_POLLER(JobsOnEveryPoller);

}  // namespace
}  // namespace detent
