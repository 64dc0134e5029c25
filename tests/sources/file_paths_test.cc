// SPDX-License-Identifier: BSL-1.0
// What is told of a path when something changes on the way to it.
#include <sys/syscall.h>

#include "detent/files.h"
#include "file_fixtures.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
namespace fs = std::filesystem;

constexpr FileEvents kCreated = {.created = true};
constexpr FileEvents kDeleted = {.deleted = true};
constexpr FileEvents kReplaced = {.replaced = true};
constexpr FileEvents kExtended = {.written = true, .extended = true};

class FilePathsOnEveryPoller : public WithFiles {
 protected:
  void append(const std::string& path) {
    std::ofstream out(path, std::ios::app);
    out << "more" << std::flush;
    EXPECT_TRUE(out.good()) << path;
  }
  const std::string deep_ = folder_ / "one/two/three/file";
  const std::string parent_ = folder_ / "one/two/three";
};

// ---- what does not exist yet

TEST_P(FilePathsOnEveryPoller, M3_APathThatDoesNotExistYetIsToldWhenItDoes) {
  const Handle handle = watch(file_);
  write_file(folder_ / "other");
  EXPECT_EQ(told(), Told{});
  write_file(file_);
  EXPECT_EQ(told(), (Told{{file_, kCreated}}));
  append(file_);
  EXPECT_EQ(told(), (Told{{file_, kExtended}}));
}

TEST_P(FilePathsOnEveryPoller, M3_DirectoriesThatDoNotExistYetMayComeOneByOne) {
  const Handle handle = watch(deep_);
  for (const char* directory : {"one", "one/two", "one/two/three"}) {
    fs::create_directory(folder_ / directory);
    EXPECT_EQ(told(), Told{}) << directory;
  }
  write_file(deep_);
  EXPECT_EQ(told(), (Told{{deep_, kCreated}}));
}

TEST_P(FilePathsOnEveryPoller, M3_DirectoriesThatDoNotExistYetMayComeAllAtOnce) {
  const Handle handle = watch(deep_);
  for (int round = 0; round < 20; ++round) {
    fs::create_directories(parent_);
    write_file(deep_);
    ASSERT_EQ(told(), (Told{{deep_, kCreated}})) << round;
    append(deep_);
    ASSERT_EQ(told(), (Told{{deep_, kExtended}})) << round;
    fs::remove_all(folder_ / "one");
    ASSERT_EQ(told(), (Told{{deep_, kDeleted}})) << round;
  }
}

TEST_P(FilePathsOnEveryPoller, M3_DirectoriesMayComeByARename) {
  const Handle handle = watch(deep_);
  fs::create_directories(folder_ / "prepared/two/three");
  write_file(folder_ / "prepared/two/three/file");
  EXPECT_EQ(told(), Told{});
  fs::rename(folder_ / "prepared", folder_ / "one");
  EXPECT_EQ(told(), (Told{{deep_, kCreated}}));
}

TEST_P(FilePathsOnEveryPoller, M3_AFileInPlaceOfADirectoryIsLikeNothingThere) {
  write_file(folder_ / "one");
  const Handle handle = watch(deep_);
  fs::remove(folder_ / "one");
  fs::create_directories(parent_);
  write_file(deep_);
  EXPECT_EQ(told(), (Told{{deep_, kCreated}}));
}

// Another thread makes and removes all of it, and the loop looks at any moment between.
TEST_P(FilePathsOnEveryPoller, M3_WhateverComesWhileItMovesDownTheLastStateIsTold) {
  bool exists = false;
  const Handle handle =
      files_.watch(deep_, [&](const FileChange& change) { exists = !change.what.deleted; });
  for (int round = 0; round < 20; ++round) {
    const bool shall_exist = round % 2 == 0;
    std::atomic<bool> done = false;
    std::thread other([&] {
      for (int i = 0; i < 5; ++i) {
        fs::create_directories(parent_);
        write_file(deep_);
        if (i < 4 || !shall_exist) fs::remove_all(folder_ / "one");
      }
      done = true;
    });
    while (!done) turn();
    other.join();
    settle(reactor_);
    ASSERT_EQ(exists, shall_exist) << round;
  }
}

// A directory comes, and at any moment while that is looked at, all that is below it comes at once.
TEST_P(FilePathsOnEveryPoller, M3_NothingIsMissedBetweenALookAndTheMarkAfterIt) {
  bool exists = false;
  const Handle handle =
      files_.watch(deep_, [&](const FileChange& change) { exists = !change.what.deleted; });
  for (int round = 0; round < 300; ++round) {
    fs::create_directories(folder_ / "prepared/three");
    write_file(folder_ / "prepared/three/file");
    std::atomic<bool> done = false;
    std::thread other([&] {
      fs::create_directory(folder_ / "one");
      for (std::atomic<int> delay = 0; delay < round * 100; ++delay) {
      }
      fs::rename(folder_ / "prepared", folder_ / "one/two");
      done = true;
    });
    while (!done) turn();
    other.join();
    settle(reactor_);
    ASSERT_TRUE(exists) << round;
    fs::remove_all(folder_ / "one");
    settle(reactor_);
    ASSERT_FALSE(exists) << round;
  }
}

// ---- what is on the way goes

class ExistingPathOnEveryPoller : public FilePathsOnEveryPoller {
 protected:
  ExistingPathOnEveryPoller() {
    fs::create_directories(parent_);
    write_file(deep_);
  }
};

TEST_P(ExistingPathOnEveryPoller, M3_EachDirectoryOnTheWayMayBeMovedAndComeBack) {
  const Handle handle = watch(deep_);
  for (const char* directory : {"one", "one/two", "one/two/three"}) {
    fs::rename(folder_ / directory, folder_ / "elsewhere");
    EXPECT_EQ(told(), (Told{{deep_, kDeleted}})) << directory;
    fs::rename(folder_ / "elsewhere", folder_ / directory);
    EXPECT_EQ(told(), (Told{{deep_, kCreated}})) << directory;
    append(deep_);
    EXPECT_EQ(told(), (Told{{deep_, kExtended}})) << directory;
  }
}

TEST_P(ExistingPathOnEveryPoller, M3_AFileInADirectoryThatWasMovedAwayTellsNothingAnyMore) {
  const Handle handle = watch(deep_);
  fs::rename(folder_ / "one", folder_ / "elsewhere");
  EXPECT_EQ(told(), (Told{{deep_, kDeleted}}));
  append(folder_ / "elsewhere/two/three/file");
  EXPECT_EQ(told(), Told{});
}

TEST_P(ExistingPathOnEveryPoller, M3_EachDirectoryOnTheWayMayBeReplaced) {
  const Handle handle = watch(deep_);
  fs::create_directories(folder_ / "other/two/three");
  write_file(folder_ / "other/two/three/file");
  fs::rename(folder_ / "one", folder_ / "elsewhere");
  fs::rename(folder_ / "other", folder_ / "one");
  EXPECT_EQ(told(), (Told{{deep_, kReplaced}}));
  append(deep_);
  EXPECT_EQ(told(), (Told{{deep_, kExtended}}));
}

#ifdef RENAME_EXCHANGE
TEST_P(ExistingPathOnEveryPoller, M3_TwoPathsThatChangePlacesAreReplacedBoth) {
  const std::string other = folder_ / "other";
  write_file(other);
  const Handle handle = watch(deep_);
  const Handle second = watch(other);
  ASSERT_EQ(0, ::renameat2(AT_FDCWD, deep_.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE));
  const FileEvents exchanged = {.replaced = true, .renamed = true};
  EXPECT_EQ(told(), (Told{{deep_, exchanged}, {other, exchanged}}));
}
#endif

// There is no notice that a directory was removed while it is held open, except for the directory
// above it.
TEST_P(ExistingPathOnEveryPoller, M3_ADirectoryThatIsRemovedWhileItIsHeldOpenMayBeMadeAgain) {
  constexpr std::array kDirectories = {"one/two/three", "one/two", "one"};
  for (std::size_t removed = 1; removed <= kDirectories.size(); ++removed) {
    SCOPED_TRACE(removed);
    const Handle handle = watch(deep_);
    const std::string last = folder_ / kDirectories[removed - 1];
    const UniqueFd held(::open(last.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    fs::remove(deep_);
    EXPECT_EQ(told(), (Told{{deep_, kDeleted}}));
    for (std::size_t i = 0; i < removed; ++i) {
      fs::remove(folder_ / kDirectories[i]);
      EXPECT_EQ(told(), Told{});
    }
    fs::create_directories(parent_);
    write_file(deep_);
    EXPECT_EQ(told(), (Told{{deep_, kCreated}}));
  }
}

// ---- symbolic links

TEST_P(ExistingPathOnEveryPoller, M3_AWriteToTheFileBehindALinkIsTold) {
  fs::create_symlink("one/two/three/file", file_);
  const Handle handle = watch(file_);
  append(deep_);
  EXPECT_EQ(told(), (Told{{file_, kExtended}}));
}

TEST_P(ExistingPathOnEveryPoller, M3_ALinkThatLeadsElsewhereNowIsReplaced) {
  write_file(folder_ / "other");
  fs::create_symlink("one/two/three/file", file_);
  const Handle handle = watch(file_);
  fs::create_symlink(folder_ / "other", folder_ / "new link");
  fs::rename(folder_ / "new link", file_);
  EXPECT_EQ(told(), (Told{{file_, kReplaced}}));
  append(folder_ / "other");
  EXPECT_EQ(told(), (Told{{file_, kExtended}}));
  append(deep_);
  EXPECT_EQ(told(), Told{});
}

TEST_P(ExistingPathOnEveryPoller, M3_ALinkToNothingIsToldWhenThereIsSomething) {
  fs::create_symlink("missing/below", file_);
  const Handle handle = watch(file_);
  fs::create_directory(folder_ / "missing");
  EXPECT_EQ(told(), Told{});
  write_file(folder_ / "missing/below");
  EXPECT_EQ(told(), (Told{{file_, kCreated}}));
  fs::remove_all(folder_ / "missing");
  EXPECT_EQ(told(), (Told{{file_, kDeleted}}));
}

TEST_P(ExistingPathOnEveryPoller, M3_LinksInACircleAreLikeNothingThere) {
  fs::create_symlink("file", folder_ / "first");
  fs::create_symlink("first", file_);
  const Handle handle = watch(file_);
  EXPECT_EQ(told(), Told{});
  fs::remove(folder_ / "first");
  write_file(folder_ / "first");
  EXPECT_EQ(told(), (Told{{file_, kCreated}}));
}

// As Kubernetes lays out a volume of settings: a file is a link through ..data, which is a link to
// a directory, and ..data alone is replaced.
TEST_P(FilePathsOnEveryPoller, M3_SettingsThatAreSwappedByALinkToTheirDirectoryAreReplaced) {
  const auto make_version = [this](const std::string& name) {
    fs::create_directory(folder_ / name);
    write_file(folder_ / (name + "/settings"), name);
    fs::create_directory_symlink(name, folder_ / "..data_tmp");
    fs::rename(folder_ / "..data_tmp", folder_ / "..data");
  };
  make_version("..version0");
  fs::create_symlink("..data/settings", folder_ / "settings");
  const std::string path = folder_ / "settings";
  const Handle handle = watch(path);
  for (int version = 1; version < 20; ++version) {
    make_version("..version" + std::to_string(version));
    ASSERT_EQ(told(), (Told{{path, kReplaced}})) << version;
    fs::remove_all(folder_ / ("..version" + std::to_string(version - 1)));
    ASSERT_EQ(told(), Told{}) << version;
  }
}

TEST_P(ExistingPathOnEveryPoller, M3_ALinkOnTheWayMayGoUpAgain) {
  fs::create_directory_symlink("two/three/..", folder_ / "one/link");
  const std::string path = folder_ / "one/link/../two/./three//file";
  const Handle handle = watch(path);
  append(deep_);
  EXPECT_EQ(told(), (Told{{path, kExtended}}));
  fs::remove(folder_ / "one/link");
  EXPECT_EQ(told(), (Told{{path, kDeleted}}));
}

// ---- how a path is given

TEST_P(ExistingPathOnEveryPoller, M3_ARelativePathStartsAtTheDirectoryOfTheCall) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_ / "one");
  const Handle handle = watch("two/three/file");
  fs::current_path(before);
  append(deep_);
  EXPECT_EQ(told(), (Told{{"two/three/file", kExtended}}));
}

TEST_P(ExistingPathOnEveryPoller, M3_TheRootMayBeWatched) {
  const Handle handle = watch("/");
  EXPECT_TRUE(handle.active());
  append(deep_);
  EXPECT_EQ(told().count(deep_), 0U);
}

TEST_P(ExistingPathOnEveryPoller, M3_ANameTooLongOrOfAnyBytesIsAPathLikeAnother) {
  const Handle too_long = watch(folder_ / std::string(300, 'x'));
  const std::string odd = folder_ / "a \xff\n\"'name";
  const Handle handle = watch(odd);
  write_file(odd);
  EXPECT_EQ(told(), (Told{{odd, kCreated}}));
}

DETENT_ON_EVERY_POLLER(FilePathsOnEveryPoller);
DETENT_ON_EVERY_POLLER(ExistingPathOnEveryPoller);

}  // namespace
}  // namespace detent
