// SPDX-License-Identifier: BSL-1.0
// What is told of a directory's entries, and of all that is below a directory.
#include "detent/files.h"
#include "file_fixtures.h"
#include "files/file_notices.h"
#include "support/conformance.h"
#include "support/errors.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
namespace fs = std::filesystem;

constexpr FileEvents kCreated = {.created = true};
constexpr FileEvents kDeleted = {.deleted = true};
constexpr FileEvents kReplaced = {.replaced = true};

// ---- entries

class DirectoriesOnEveryPoller : public WithFiles {
 protected:
  DirectoriesOnEveryPoller() {
    fs::create_directory(directory_);
    write_file(entry_);
  }
  const std::string directory_ = folder_ / "directory";
  const std::string entry_ = directory_ + "/entry";
  const std::string other_ = directory_ + "/other";
};

TEST_P(DirectoriesOnEveryPoller, M3_EntriesThatComeAndGoAreToldByTheirOwnPath) {
  const Handle handle = watch(directory_);
  write_file(other_);
  EXPECT_EQ(told(), (Told{{other_, kCreated}}));
  fs::create_directory(directory_ + "/sub");
  EXPECT_EQ(told(), (Told{{directory_ + "/sub", kCreated}}));
  fs::create_symlink("nowhere", directory_ + "/link");
  EXPECT_EQ(told(), (Told{{directory_ + "/link", kCreated}}));
  fs::remove(entry_);
  EXPECT_EQ(told(), (Told{{entry_, kDeleted}}));
}

TEST_P(DirectoriesOnEveryPoller, M3_AnEntryThatIsReplacedByARenameIsReplaced) {
  const Handle handle = watch(directory_);
  write_file(folder_ / "new");
  fs::rename(folder_ / "new", entry_);
  EXPECT_EQ(told(), (Told{{entry_, kReplaced}}));
}

TEST_P(DirectoriesOnEveryPoller, M3_AnEntryThatGetsAnotherNameIsDeletedAndCreated) {
  const Handle handle = watch(directory_);
  fs::rename(entry_, other_);
  const Told changes = told();
  EXPECT_EQ(changes.at(other_), kCreated);
  if (FileNotices::kTellOfEntries) {
    EXPECT_EQ(changes.at(entry_), (FileEvents{.deleted = true, .renamed = true}));
  } else {
    EXPECT_DIFFERENCE(changes.at(entry_) == kDeleted);
  }
  EXPECT_EQ(changes.size(), 2U);
}

TEST_P(DirectoriesOnEveryPoller, K9_WhatIsWrittenToAnEntryIsToldWhereTheSystemTellsIt) {
  const Handle handle = watch(directory_);
  std::ofstream(entry_, std::ios::app) << "more";
  const Told written = told();
  ASSERT_EQ(0, ::chmod(entry_.c_str(), 0600));
  const Told set = told();
  if (!FileNotices::kTellOfEntries) {
    EXPECT_DIFFERENCE((written.empty() && set.empty()));
    return;
  }
  EXPECT_EQ(written, (Told{{entry_, {.written = true, .extended = true}}}));
  EXPECT_EQ(set, (Told{{entry_, {.attributes = true}}}));
}

// Of an entry's links and of what is written through another name, a directory does not hear.
TEST_P(DirectoriesOnEveryPoller, K9_WhatHappensByAnotherNameOfAnEntryIsNotToldByItsDirectory) {
  const Handle handle = watch(directory_);
  ASSERT_EQ(0, ::link(entry_.c_str(), (folder_ / "second").c_str()));
  std::ofstream(folder_ / "second", std::ios::app) << "more";
  EXPECT_EQ(told(), Told{});
}

TEST_P(DirectoriesOnEveryPoller, M3_AnEntryThatIsUnlinkedAndMadeAgainIsReplaced) {
  const Handle handle = watch(directory_);
  for (int round = 0; round < 50; ++round) {
    fs::remove(entry_);
    write_file(entry_);
    const Told changes = told();
    if (FileNotices::kTellOfEntries) {
      ASSERT_EQ(changes, (Told{{entry_, kReplaced}})) << round;
    } else if (!changes.empty()) {  // the new file may have the number of the old one
      ASSERT_EQ(changes, (Told{{entry_, kReplaced}})) << round;
    }
  }
}

TEST_P(DirectoriesOnEveryPoller, M3_AFileThatHasNoNameAnyMoreIsNotTakenForTheOneThatHas) {
  const UniqueFd old_file(::open(entry_.c_str(), O_WRONLY | O_CLOEXEC));
  const Handle handle = watch(directory_);
  fs::remove(entry_);
  EXPECT_EQ(told(), (Told{{entry_, kDeleted}}));
  write_file(entry_);
  EXPECT_EQ(told(), (Told{{entry_, kCreated}}));
  write_at(old_file.fd(), 0, "nobody reads this");
  EXPECT_EQ(told(), Told{});
}

TEST_P(DirectoriesOnEveryPoller, M3_WhatIsBelowAnEntryIsNotTold) {
  fs::create_directories(directory_ + "/sub/sub");
  const Handle handle = watch(directory_);
  write_file(directory_ + "/sub/file");
  write_file(directory_ + "/sub/sub/file");
  EXPECT_EQ(told(), Told{});
}

TEST_P(DirectoriesOnEveryPoller, K9_ADirectorysOwnAttributesAreTold) {
  const Handle handle = watch(directory_);
  ASSERT_EQ(0, ::chmod(directory_.c_str(), 0700));
  EXPECT_EQ(told(), (Told{{directory_, {.attributes = true}}}));
}

TEST_P(DirectoriesOnEveryPoller, M3_ADirectoryThatIsRemovedTellsItsEntriesFirst) {
  std::vector<std::string> order;
  const Handle handle =
      files_.watch(directory_, [&](const FileChange& change) { order.emplace_back(change.path); });
  fs::remove_all(directory_);
  settle(reactor_);
  EXPECT_EQ(order, (std::vector<std::string>{entry_, directory_}));
}

TEST_P(DirectoriesOnEveryPoller,
       M3_ADirectoryThatIsMovedAwayIsDeletedWithItsEntriesAndMayComeBack) {
  const Handle handle = watch(directory_);
  fs::rename(directory_, folder_ / "elsewhere");
  EXPECT_EQ(told(), (Told{{entry_, kDeleted}, {directory_, {.deleted = true, .renamed = true}}}));
  write_file(folder_ / "elsewhere/other");
  EXPECT_EQ(told(), Told{});
  fs::rename(folder_ / "elsewhere", directory_);
  EXPECT_EQ(told(), (Told{{directory_, kCreated}, {entry_, kCreated}, {other_, kCreated}}));
}

TEST_P(DirectoriesOnEveryPoller, M3_ADirectoryInPlaceOfAnotherTellsWhatDiffers) {
  fs::create_directory(folder_ / "new");
  write_file(folder_ / "new/other");
  const Handle handle = watch(directory_);
  fs::rename(directory_, folder_ / "elsewhere");
  fs::rename(folder_ / "new", directory_);
  EXPECT_EQ(told(), (Told{{directory_, {.replaced = true, .renamed = true}},
                          {entry_, kDeleted},
                          {other_, kCreated}}));
}

TEST_P(DirectoriesOnEveryPoller, M3_ADirectoryThatDoesNotExistYetIsToldWithItsEntries) {
  fs::remove_all(directory_);
  const Handle handle = watch(directory_);
  fs::create_directory(directory_);
  write_file(entry_);
  EXPECT_EQ(told(), (Told{{directory_, kCreated}, {entry_, kCreated}}));
  write_file(other_);
  EXPECT_EQ(told(), (Told{{other_, kCreated}}));
}

TEST_P(DirectoriesOnEveryPoller, M3_APathWithASlashAtItsEndIsTheSame) {
  const Handle handle = watch(directory_ + "//");
  write_file(other_);
  EXPECT_EQ(told(), (Told{{other_, kCreated}}));
}

TEST_P(DirectoriesOnEveryPoller, M3_AFileAndItsDirectoryAreToldEachForItself) {
  const Handle of_directory = watch(directory_);
  int calls = 0;
  Handle of_file = files_.watch(entry_, [&](const FileChange&) { ++calls; });
  write_file(folder_ / "new");
  fs::rename(folder_ / "new", entry_);
  EXPECT_EQ(told(), (Told{{entry_, kReplaced}}));
  EXPECT_EQ(calls, 1);
  of_file.cancel();
  fs::remove(entry_);
  EXPECT_EQ(told(), (Told{{entry_, kDeleted}}));
  EXPECT_EQ(calls, 1);
}

DETENT_ON_EVERY_POLLER(DirectoriesOnEveryPoller);

// ---- all that is below

class TreesOnEveryPoller : public WithFiles {
 protected:
  void SetUp() override {
    if (FileNotices::kTellOfEntries) return;
    EXPECT_UNSUPPORTED(watch_tree());
    GTEST_SKIP() << "recursive is for Linux";
  }
  Handle watch_tree() { return watch(tree_, {.recursive = true}); }

  /// What exists below the tree by what was told.
  void keep(const FileChange& change) {
    if (change.what.deleted) {
      known_.erase(std::string(change.path));
    } else {
      known_.emplace(change.path);
    }
  }
  std::set<std::string> found() const {
    std::set<std::string> paths;
    for (const auto& entry : fs::recursive_directory_iterator(tree_)) paths.insert(entry.path());
    return paths;
  }

  const std::string tree_ = [this] {
    fs::create_directories(folder_ / "tree/sub/subsub");
    return folder_ / "tree";
  }();
  std::set<std::string> known_;
};

TEST_P(TreesOnEveryPoller, M3_ChangesAtAnyDepthAreTold) {
  const Handle handle = watch_tree();
  const std::string deep = tree_ + "/sub/subsub/file";
  write_file(deep);
  EXPECT_EQ(told(), (Told{{deep, kCreated}}));
  std::ofstream(deep, std::ios::app) << "more";
  EXPECT_EQ(told(), (Told{{deep, {.written = true, .extended = true}}}));
  fs::remove(deep);
  EXPECT_EQ(told(), (Told{{deep, kDeleted}}));
}

TEST_P(TreesOnEveryPoller, M3_WhatWasInANewDirectoryBeforeItWasWatchedIsTold) {
  const Handle handle = watch_tree();
  fs::create_directories(tree_ + "/new/below");
  write_file(tree_ + "/new/below/file");
  EXPECT_EQ(told(), (Told{{tree_ + "/new", kCreated},
                          {tree_ + "/new/below", kCreated},
                          {tree_ + "/new/below/file", kCreated}}));
  write_file(tree_ + "/new/below/other");
  EXPECT_EQ(told(), (Told{{tree_ + "/new/below/other", kCreated}}));
}

TEST_P(TreesOnEveryPoller, M3_ADirectoryThatIsMovedInsideIsDeletedAndCreatedWithAllBelow) {
  write_file(tree_ + "/sub/subsub/file");
  const Handle handle = watch_tree();
  fs::rename(tree_ + "/sub", tree_ + "/moved");
  const FileEvents gone = {.deleted = true, .renamed = true};
  EXPECT_EQ(told(), (Told{{tree_ + "/sub", gone},
                          {tree_ + "/sub/subsub", kDeleted},
                          {tree_ + "/sub/subsub/file", kDeleted},
                          {tree_ + "/moved", kCreated},
                          {tree_ + "/moved/subsub", kCreated},
                          {tree_ + "/moved/subsub/file", kCreated}}));
  write_file(tree_ + "/moved/subsub/other");
  EXPECT_EQ(told(), (Told{{tree_ + "/moved/subsub/other", kCreated}}));
}

TEST_P(TreesOnEveryPoller, M3_ADirectoryThatIsMovedOutsideTellsNothingAnyMore) {
  const Handle handle = watch_tree();
  fs::rename(tree_ + "/sub", folder_ / "elsewhere");
  static_cast<void>(told());
  write_file(folder_ / "elsewhere/file");
  write_file(folder_ / "elsewhere/subsub/file");
  EXPECT_EQ(told(), Told{});
}

TEST_P(TreesOnEveryPoller, M3_ADirectoryBelowThatIsReplacedIsWatchedAnew) {
  const Handle handle = watch_tree();
  for (int round = 0; round < 20; ++round) {
    fs::remove_all(tree_ + "/sub");
    fs::create_directory(tree_ + "/sub");
    static_cast<void>(told());
    const std::string file = tree_ + "/sub/file";
    write_file(file);
    ASSERT_EQ(told(), (Told{{file, kCreated}})) << round;
  }
}

TEST_P(TreesOnEveryPoller, M3_ADirectoryBelowThatIsMovedAwayAndMadeAnewIsWatchedAnew) {
  const Handle handle = watch_tree();
  fs::rename(tree_ + "/sub", folder_ / "elsewhere");
  fs::create_directory(tree_ + "/sub");
  EXPECT_EQ(told(), (Told{{tree_ + "/sub", {.replaced = true, .renamed = true}},
                          {tree_ + "/sub/subsub", kDeleted}}));
  write_file(folder_ / "elsewhere/file");
  EXPECT_EQ(told(), Told{});
  write_file(tree_ + "/sub/file");
  EXPECT_EQ(told(), (Told{{tree_ + "/sub/file", kCreated}}));
}

TEST_P(TreesOnEveryPoller, M3_ALinkToADirectoryIsAnEntryAndNotFollowed) {
  fs::create_directory(folder_ / "outside");
  fs::create_directory_symlink(folder_ / "outside", tree_ + "/link");
  fs::create_directory_symlink("..", tree_ + "/sub/up");
  const Handle handle = watch_tree();
  write_file(folder_ / "outside/file");
  EXPECT_EQ(told(), Told{});
}

// Through the link, the paths of its entries still lead to files.
TEST_P(TreesOnEveryPoller, M3_ADirectoryThatBecomesASymbolicLinkIsReplacedAndItsEntriesAreGone) {
  const std::string sub = tree_ + "/sub";
  const std::string elsewhere = folder_ / "elsewhere";
  write_file(sub + "/subsub/file");
  const Handle handle = watch_tree();
  fs::rename(sub, elsewhere);
  fs::create_directory_symlink(elsewhere, sub);
  EXPECT_EQ(told(), (Told{{sub, {.replaced = true, .renamed = true}},
                          {sub + "/subsub", kDeleted},
                          {sub + "/subsub/file", kDeleted}}));
  write_file(elsewhere + "/file");
  write_file(elsewhere + "/subsub/other");
  EXPECT_EQ(told(), Told{});
  fs::remove(sub);
  fs::rename(elsewhere, sub);
  static_cast<void>(told());
  write_file(sub + "/subsub/last");
  EXPECT_EQ(told(), (Told{{sub + "/subsub/last", kCreated}}));
}

// An entry that comes behind the place where the listing is may be in no list.
TEST_P(TreesOnEveryPoller, M3_NothingIsLostInADirectoryThatGrowsWhileItIsListed) {
  constexpr int kMany = 2000;
  const auto make_many = [](const std::string& directory, const std::string& prefix) {
    for (int i = 0; i < kMany; ++i) write_file(directory + '/' + prefix + std::to_string(i), "");
  };
  const Handle handle =
      files_.watch(tree_, {.recursive = true}, [this](const FileChange& change) { keep(change); });
  fs::create_directory(folder_ / "big");
  make_many(folder_ / "big", "before");
  std::atomic<bool> done = false;
  fs::rename(folder_ / "big", tree_ + "/big");
  std::thread other([&] {
    make_many(tree_ + "/big", "during");
    done = true;
  });
  while (!done) turn();
  other.join();
  settle(reactor_);
  known_.insert({tree_ + "/sub", tree_ + "/sub/subsub"});
  EXPECT_EQ(known_, found());
}

// Four threads make and remove directories and files while the loop runs. At the end exactly what
// exists has been told to exist.
TEST_P(TreesOnEveryPoller, M3_NothingIsLostInATreeThatGrowsFasterThanItIsWatched) {
  fs::remove_all(tree_ + "/sub");
  const Handle handle =
      files_.watch(tree_, {.recursive = true}, [this](const FileChange& change) { keep(change); });
  constexpr int kThreads = 4;
  std::atomic<int> running = kThreads;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([this, thread, &running] {
      for (int i = 0; i < 30; ++i) {
        std::string at = tree_ + '/' + std::to_string(thread) + '_' + std::to_string(i);
        const std::string top = at;
        for (int depth = 0; depth < 6; ++depth) {
          fs::create_directory(at);
          write_file(at + "/file");
          at += "/below";
        }
        if (i % 3 == 1) fs::remove_all(top);
        if (i % 3 == 2) fs::rename(top, top + "_moved");
      }
      --running;
    });
  }
  while (running > 0) turn();
  for (std::thread& thread : threads) thread.join();
  settle(reactor_);
  EXPECT_EQ(known_, found());
}

DETENT_ON_EVERY_POLLER(TreesOnEveryPoller);

}  // namespace
}  // namespace detent
