// SPDX-License-Identifier: BSL-1.0
// What Files does in one turn, when a callback throws, when it is misused, and in a forked child.
#include "detent/files.h"
#include "file_fixtures.h"
#include "files/file_marks.h"
#include "support/allocations.h"
#include "support/errors.h"
#include "support/processes.h"
#include "support/standard.h"
#include "support/system_calls.h"

namespace detent {
namespace {

using namespace testing_support;
namespace fs = std::filesystem;

class FilesWorkOnEveryPoller : public WithFiles {
 protected:
  FilesWorkOnEveryPoller() { write_file(file_); }
  std::string numbered(int number) const { return folder_ / std::to_string(number); }
};

TEST_P(FilesWorkOnEveryPoller, O2_ATurnMakesSoManyCallsAndTheNextGoesOn) {
  constexpr int kPaths = 10;
  Files files(reactor_, {.looks_per_turn = 3});
  std::vector<Handle> handles;
  std::map<std::string, int> calls;
  for (int i = 0; i < kPaths; ++i) {
    handles.push_back(files.watch(
        numbered(i), [&](const FileChange& change) { ++calls[std::string(change.path)]; }));
    write_file(numbered(i));
  }
  std::size_t before = 0;
  for (int turns = 0; calls.size() < kPaths && turns < 100; ++turns) {
    turn();
    EXPECT_LE(calls.size(), before + 3);
    before = calls.size();
  }
  EXPECT_EQ(calls.size(), std::size_t{kPaths});
  for (const auto& [path, count] : calls) EXPECT_EQ(count, 1) << path;
}

TEST_P(FilesWorkOnEveryPoller, O2_WhatIsLeftOverKeepsTheLoopFromSleeping) {
  Files files(reactor_, {.looks_per_turn = 1});
  int calls = 0;
  std::vector<Handle> handles;
  for (int i = 0; i < 5; ++i) {
    handles.push_back(files.watch(numbered(i), [&](const FileChange&) {
      if (++calls == 5) reactor_.stop();
    }));
    write_file(numbered(i));
  }
  reactor_.run();
  EXPECT_EQ(calls, 5);
}

TEST_P(FilesWorkOnEveryPoller, O2_WhatIsLeftOverCountsAsNoCallback) {
  Files files(reactor_, {.looks_per_turn = 1});
  fs::create_directory(folder_ / "directory");
  for (int i = 0; i < 20; ++i) write_file(folder_ / "directory/" + std::to_string(i));
  std::string told;
  const Handle handle =
      files.watch(folder_ / "directory", [&](const FileChange& change) { told = change.path; });
  ASSERT_EQ(0, ::chmod((folder_ / "directory").c_str(), 0700));
  for (int i = 0; i < 20; ++i) {  // looks that tell nothing
    const std::string name = folder_ / "directory/new" + std::to_string(i);
    write_file(name);
    fs::remove(name);
  }
  std::size_t calls = 0;
  for (int turns = 0; turns < 100; ++turns) calls += reactor_.dispatch();
  EXPECT_EQ(calls, 1U);
  EXPECT_EQ(told, folder_ / "directory");
  const UniqueFd fd(::open((folder_ / "directory/last").c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_EQ(reactor_.run_once(std::chrono::seconds(10)), 1U);
}

// The kernel's queue is bounded, and says so.
TEST_P(FilesWorkOnEveryPoller, M3_WhileLooksAreLeftOverNoMoreNoticesAreHeard) {
  if (!FileNotices::kTellOfEntries) GTEST_SKIP() << "inotify's queue";
  Files files(reactor_, {.looks_per_turn = 64});
  int told = 0;
  bool overflow = false;
  const Handle handle = files.watch(folder_.path(), [&](const FileChange& change) {
    ++told;
    overflow |= change.what.overflow;
  });
  int most = 16'384;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> most;
  const int names = most + 2000;
  for (int i = 0; i < names; ++i) {
    ASSERT_EQ(0, ::symlink("nowhere", numbered(i).c_str()));
    if (i % 1000 == 0) turn();
  }
  EXPECT_LE(told, 64 * (names / 1000 + 1));
  for (int turns = 0; turns < 4 * names && !overflow; ++turns) turn();
  EXPECT_TRUE(overflow);
}

TEST_P(FilesWorkOnEveryPoller, O2_APathWithALotToTellKeepsNoOtherWaiting) {
  Files files(reactor_, {.looks_per_turn = 4});
  const std::string directory = folder_ / "directory";
  fs::create_directory(directory);
  int entries = 0;
  int entries_before_file = -1;
  const Handle of_directory = files.watch(directory, [&](const FileChange&) { ++entries; });
  const Handle of_file =
      files.watch(file_, [&](const FileChange&) { entries_before_file = entries; });
  for (int i = 0; i < 100; ++i) write_file(directory + '/' + std::to_string(i));
  std::ofstream(file_, std::ios::app) << "more";
  for (int turns = 0; entries < 100 && turns < 1000; ++turns) turn();
  EXPECT_EQ(entries, 100);
  EXPECT_GE(entries_before_file, 0);
  EXPECT_LT(entries_before_file, 5);
}

TEST_P(FilesWorkOnEveryPoller, O6_AfterAThrowTheRestIsToldInTheNextTurnAndNothingTwice) {
  constexpr int kPaths = 6;
  std::vector<Handle> handles;
  std::map<std::string, int> calls;
  for (int i = 0; i < kPaths; ++i) {
    handles.push_back(files_.watch(numbered(i), [&](const FileChange& change) {
      ++calls[std::string(change.path)];
      throw std::runtime_error("thrown");
    }));
    write_file(numbered(i));
  }
  for (int i = 0; i < kPaths; ++i) {
    EXPECT_THROW(turn(), std::runtime_error) << i;
    EXPECT_EQ(calls.size(), static_cast<std::size_t>(i + 1));
  }
  settle(reactor_);
  EXPECT_EQ(calls.size(), std::size_t{kPaths});
  for (const auto& [path, count] : calls) EXPECT_EQ(count, 1) << path;
}

TEST_P(FilesWorkOnEveryPoller, O6_TheSameWithAThrowOfWhatWasLeftOver) {
  constexpr int kPaths = 6;
  Files files(reactor_, {.looks_per_turn = 1});
  std::vector<Handle> handles;
  int calls = 0;
  for (int i = 0; i < kPaths; ++i) {
    handles.push_back(files.watch(numbered(i), [&](const FileChange&) {
      if (++calls % 2 == 0) throw std::runtime_error("thrown");
    }));
    write_file(numbered(i));
  }
  int throws = 0;
  for (int turns = 0; turns < 100; ++turns) {
    try {
      turn();
    } catch (const std::runtime_error&) {
      ++throws;
    }
  }
  EXPECT_EQ(calls, kPaths);
  EXPECT_EQ(throws, kPaths / 2);
}

TEST_P(FilesWorkOnEveryPoller, M3_InsideACallbackItsOwnWatchAndAnyOtherMayBeCancelled) {
  std::array<Handle, 3> handles;
  std::string path;
  int calls = 0;
  for (Handle& handle : handles) {
    handle = files_.watch(file_, [&](const FileChange& change) {
      ++calls;
      for (Handle& each : handles) each.cancel();
      path = change.path;  // still there
    });
  }
  std::ofstream(file_, std::ios::app) << "more";
  settle(reactor_);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(path, file_);
}

TEST_P(FilesWorkOnEveryPoller, M3_ACallbackMayChangeWhatItIsToldOf) {
  const Handle handle = files_.watch(file_, [&](const FileChange& change) {
    told_[file_] = change.what;
    if (++calls_ < 10) write_file(file_, std::string(100, 'x'));
  });
  write_file(file_);
  settle(reactor_);
  EXPECT_EQ(calls_, 10);
}

TEST_P(FilesWorkOnEveryPoller, M5_AnObserverHearsTheNameOfTheWatch) {
  struct Names final : Observer {
    void before(const Call& call) noexcept override { names.emplace_back(call.name.text); }
    void after(const Call& /*call*/) noexcept override {}
    void turn(Duration /*waited*/, Duration /*worked*/) noexcept override {}
    std::vector<std::string> names;
  } observer;
  const Handle observing = reactor_.observe(observer);
  const Handle handle = files_.watch(
      file_, [](const FileChange&) {}, "settings");
  std::ofstream(file_, std::ios::app) << "more";
  settle(reactor_);
  EXPECT_EQ(observer.names, std::vector<std::string>{"settings"});
}

TEST_P(FilesWorkOnEveryPoller, M3_MisuseIsRefusedWithTheReason) {
  const auto on_change = [](const FileChange&) {};
  EXPECT_THROW(Files(reactor_, {.looks_per_turn = 0}), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(files_.watch(file_, nullptr)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(files_.watch("", on_change)), std::invalid_argument);
  const std::string with_nul("a\0b", 3);
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { static_cast<void>(files_.watch(with_nul, on_change)); }),
            "Files::watch(\"a\"): the path has a NUL behind that");
}

TEST_P(FilesWorkOnEveryPoller, O7_AnotherThreadMayNotWatch) {
  std::thread([&] {
    EXPECT_THROW(static_cast<void>(files_.watch(file_, [](const FileChange&) {})),
                 std::logic_error);
  }).join();
}

// A child shares the parent's inotify. What it destroys there must not end the parent's watches.
TEST_P(FilesWorkOnEveryPoller, O8_AForkedChildHarmsNoWatchOfItsParent) {
  Handle handle = watch(file_);
  auto files = std::make_unique<Files>(reactor_);
  int calls = 0;
  const Handle other = files->watch(file_, [&](const FileChange&) { ++calls; });
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    EXPECT_THROW(static_cast<void>(files_.watch(file_, [](const FileChange&) {})),
                 std::logic_error);
    handle.cancel();
    files.reset();
  }));
  std::ofstream(file_, std::ios::app) << "more";
  EXPECT_EQ(told_of_file(), (FileEvents{.written = true, .extended = true}));
  EXPECT_EQ(calls, 1);
}

TEST_P(FilesWorkOnEveryPoller, M3_NoticesThatAThrowHasLostAreAnOverflow) {
  FileMarks marks;
  const FileMarkUser user;
  const int mark = marks.add(file_, Notify::content, user);
  ASSERT_NE(mark, -1);
  const auto no_memory = [](const FileNotice&, const FileMarkUser&) { throw std::bad_alloc(); };
  int heard = 0;
  int overflows = 0;
  const auto hear = [&] {
    marks.hear([&](const FileNotice&, const FileMarkUser&) { ++heard; }, [&] { ++overflows; });
  };
  write_file(file_);
  EXPECT_THROW(marks.hear(no_memory, [&] { ++overflows; }), std::bad_alloc);
  EXPECT_EQ(overflows, 0);
  hear();
  EXPECT_EQ(overflows, 1);
  write_file(file_);
  hear();
  EXPECT_EQ(overflows, 1);
  EXPECT_GT(heard, 0);
  marks.remove(mark, user);
}

TEST_P(FilesWorkOnEveryPoller, WhatHappensToOtherFilesOfTheDirectoryCostsNoLook) {
  constexpr int kTurns = 50;
  const auto calls = system_calls_of([&]() -> std::function<void()> {
    struct Loop {
      explicit Loop(std::string_view poller) : reactor(on_poller(poller)) {}
      Reactor reactor;
      Files files{reactor};
      Handle handle;
    };
    auto loop = std::make_shared<Loop>(GetParam());
    loop->handle = loop->files.watch(file_, [](const FileChange&) { ::_exit(2); });
    return [loop, other = numbered(1)] {
      for (int i = 0; i < kTurns; ++i) {
        const UniqueFd fd(::open(other.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
        loop->reactor.dispatch();
        ::unlink(other.c_str());
        loop->reactor.dispatch();
      }
    };
  });
  if (!calls) GTEST_SKIP() << kUntraced;
  EXPECT_EQ(calls->count(SYS_statx), 0U);
  EXPECT_EQ(calls->count(SYS_inotify_add_watch), 0U);
  EXPECT_EQ(calls->at(SYS_read), 2 * kTurns);
}

// Where notices have no names (BSD), a file that another program makes in /tmp costs a look at the
// way to this one. So a few writes are measured at a time, and the best of these counts.
TEST_P(FilesWorkOnEveryPoller, TenThousandWritesToAFileAllocateNothing) {
  const UniqueFd fd(::open(file_.c_str(), O_WRONLY | O_CLOEXEC));
  const Handle handle = files_.watch(file_, [this](const FileChange&) { ++calls_; });
  const auto write = [&](int times) {
    for (int i = 0; i < times; ++i) {
      write_at(fd.fd(), 0);
      turn();
      turn();
    }
  };
  write(2000);
  std::vector<std::size_t> counted;
  for (int i = 0; i < 500; ++i) counted.push_back(allocations_in([&] { write(20); }));
  if (FileNotices::kTellOfEntries) {
    EXPECT_EQ(*std::ranges::max_element(counted), 0U);
  }
  EXPECT_EQ(*std::ranges::min_element(counted), 0U);
  EXPECT_EQ(calls_, 12'000);
}

DETENT_ON_EVERY_POLLER(FilesWorkOnEveryPoller);

}  // namespace
}  // namespace detent
