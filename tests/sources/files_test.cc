// SPDX-License-Identifier: BSL-1.0
// What is told of a file at a path, word by word, and of the path when the file is another one.
#include "detent/files.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>

#include "file_fixtures.h"
#include "support/errors.h"
#include "support/kernel_double.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
namespace fs = std::filesystem;

// ---- the words

class FilesOnEveryPoller : public WithFiles {
 protected:
  FilesOnEveryPoller() { write_file(file_); }
};

TEST_P(FilesOnEveryPoller, M3_NothingIsToldOfAFileThatDoesNotChange) {
  const Handle handle = watch(file_);
  EXPECT_EQ(told(), Told{});
  std::ifstream in(file_);
  std::string line;
  std::getline(in, line);
  EXPECT_EQ(told(), Told{});
  EXPECT_EQ(calls_, 0);
}

TEST_P(FilesOnEveryPoller, K9_BytesWrittenOverOthersAreWritten) {
  const Handle handle = watch(file_);
  const UniqueFd fd(::open(file_.c_str(), O_WRONLY | O_CLOEXEC));
  write_at(fd.fd(), 0);
  EXPECT_EQ(told_of_file(), (FileEvents{.written = true}));
}

TEST_P(FilesOnEveryPoller, K9_BytesAddedAreWrittenAndExtended) {
  const Handle handle = watch(file_);
  std::ofstream(file_, std::ios::app) << "more";
  EXPECT_EQ(told_of_file(), (FileEvents{.written = true, .extended = true}));
}

TEST_P(FilesOnEveryPoller, K9_AFileThatIsTruncatedIsWritten) {
  const Handle handle = watch(file_);
  ASSERT_EQ(0, ::truncate(file_.c_str(), 1));
  EXPECT_EQ(told_of_file(), (FileEvents{.written = true}));
}

TEST_P(FilesOnEveryPoller, K9_AModeThatIsSetIsAttributes) {
  const Handle handle = watch(file_);
  ASSERT_EQ(0, ::chmod(file_.c_str(), 0600));
  EXPECT_EQ(told_of_file(), (FileEvents{.attributes = true}));
}

TEST_P(FilesOnEveryPoller, K9_TimesThatAreSetAreAttributesAndNothingWritten) {
  const Handle handle = watch(file_);
  ASSERT_EQ(0, ::utimes(file_.c_str(), nullptr));
  EXPECT_EQ(told_of_file(), (FileEvents{.attributes = true}));
}

TEST_P(FilesOnEveryPoller, K9_ATimeOfWritingThatIsSetAloneIsWrittenOnLinux) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  const Handle handle = watch(file_);
  const std::array times = {timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                            timespec{.tv_sec = 1, .tv_nsec = 0}};
  ASSERT_EQ(0, ::utimensat(AT_FDCWD, file_.c_str(), times.data(), 0));
  EXPECT_EQ(told_of_file(), (FileEvents{.written = true}));
}

TEST_P(FilesOnEveryPoller, M3_WhatIsWrittenThroughAMappingIsNotToldOnLinux) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  const Handle handle = watch(file_);
  const UniqueFd fd(::open(file_.c_str(), O_RDWR | O_CLOEXEC));
  void* const mapped = ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd.fd(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  *static_cast<char*>(mapped) = 'X';
  EXPECT_EQ(0, ::msync(mapped, 1, MS_SYNC));
  EXPECT_EQ(0, ::munmap(mapped, 1));
  EXPECT_EQ(told(), Told{});
}

TEST_P(FilesOnEveryPoller, S7_AFileThatGrowsCannotBeWatchedAsADescriptorAndIsToldByItsPath) {
  const UniqueFd fd(::open(file_.c_str(), O_RDONLY | O_CLOEXEC));
  const auto wait_for_more = [&] {
    static_cast<void>(reactor_.watch(fd.fd(), {.readable = true}, [](Ready) {}));
  };
  EXPECT_EQ(error_of(wait_for_more), std::errc::operation_not_permitted);
  const Handle handle = watch(file_);
  std::ofstream(file_, std::ios::app) << "more";
  EXPECT_TRUE(told_of_file().extended);
}

TEST_P(FilesOnEveryPoller, K9_AnOwnerThatIsSetIsAttributes) {
  const Handle handle = watch(file_);
  ASSERT_EQ(0, ::chown(file_.c_str(), ::geteuid(), ::getegid()));
  EXPECT_EQ(told_of_file(), (FileEvents{.attributes = true}));
}

TEST_P(FilesOnEveryPoller, K9_AHardLinkThatIsMadeOrRemovedIsLinked) {
  const Handle handle = watch(file_);
  const std::string second = folder_ / "second";
  ASSERT_EQ(0, ::link(file_.c_str(), second.c_str()));
  EXPECT_EQ(told_of_file(), (FileEvents{.linked = true}));
  ASSERT_EQ(0, ::unlink(second.c_str()));
  EXPECT_EQ(told_of_file(), (FileEvents{.linked = true}));
}

TEST_P(FilesOnEveryPoller, K9_AFileThatIsUnlinkedIsDeleted) {
  const Handle handle = watch(file_);
  fs::remove(file_);
  EXPECT_EQ(told(), (Told{{file_, {.deleted = true}}}));
}

TEST_P(FilesOnEveryPoller, K9_AFileThatIsMovedAwayIsDeletedAndRenamed) {
  const Handle handle = watch(file_);
  fs::rename(file_, folder_ / "elsewhere");
  EXPECT_EQ(told(), (Told{{file_, {.deleted = true, .renamed = true}}}));
}

// ---- the path, not the inode

TEST_P(FilesOnEveryPoller, M3_ASaveByRenameIsReplacedEachTimeAndWritesToTheNewFileAreTold) {
  const Handle handle = watch(file_);
  for (int save = 0; save < 50; ++save) {
    write_file(folder_ / "new", "saved\n");
    fs::rename(folder_ / "new", file_);
    ASSERT_EQ(told(), (Told{{file_, {.replaced = true}}})) << save;
    std::ofstream(file_, std::ios::app) << "more";
    ASSERT_EQ(told_of_file(), (FileEvents{.written = true, .extended = true})) << save;
  }
}

TEST_P(FilesOnEveryPoller, M3_UnlinkedAndMadeAgainWithinATurnIsReplacedEachTime) {
  const Handle handle = watch(file_);
  for (int round = 0; round < 50; ++round) {
    fs::remove(file_);
    write_file(file_);
    ASSERT_EQ(told(), (Told{{file_, {.replaced = true}}})) << round;
  }
}

TEST_P(FilesOnEveryPoller, M3_UnlinkedAndMadeAgainTurnByTurnIsDeletedAndCreated) {
  const Handle handle = watch(file_);
  for (int round = 0; round < 50; ++round) {
    fs::remove(file_);
    ASSERT_EQ(told_of_file(), (FileEvents{.deleted = true})) << round;
    write_file(file_);
    ASSERT_EQ(told_of_file(), (FileEvents{.created = true})) << round;
  }
}

TEST_P(FilesOnEveryPoller, M3_AFileThatIsMovedAwayAndMadeAnewIsReplacedAndRenamed) {
  const Handle handle = watch(file_);
  fs::rename(file_, folder_ / "file.1");
  write_file(file_);
  EXPECT_EQ(told(), (Told{{file_, {.replaced = true, .renamed = true}}}));
  write_file(folder_ / "file.1", "late lines of the old log\n");
  EXPECT_EQ(told(), Told{}) << "the file that was there before";
}

TEST_P(FilesOnEveryPoller, M3_AnOldFileThatSomebodyHoldsOpenTellsNothingAnyMore) {
  UniqueFd old_file(::open(file_.c_str(), O_WRONLY | O_CLOEXEC));
  const Handle handle = watch(file_);
  write_file(folder_ / "new");
  fs::rename(folder_ / "new", file_);
  EXPECT_EQ(told(), (Told{{file_, {.replaced = true}}}));
  write_at(old_file.fd(), 0, "nobody reads this");
  ASSERT_EQ(0, ::fchmod(old_file.fd(), 0600));
  EXPECT_EQ(told(), Told{});
  old_file.reset();
  EXPECT_EQ(told(), Told{}) << "now the kernel removes the old file";
  std::ofstream(file_, std::ios::app) << "more";
  EXPECT_EQ(told_of_file(), (FileEvents{.written = true, .extended = true}));
}

TEST_P(FilesOnEveryPoller, M3_AnOldFileThatHasAnotherNameTellsNothingAnyMore) {
  const std::string second = folder_ / "second";
  ASSERT_EQ(0, ::link(file_.c_str(), second.c_str()));
  const Handle handle = watch(file_);
  write_file(folder_ / "new");
  fs::rename(folder_ / "new", file_);
  EXPECT_EQ(told(), (Told{{file_, {.replaced = true}}}));
  std::ofstream(second, std::ios::app) << "more";
  fs::remove(second);
  EXPECT_EQ(told(), Told{});
  std::ofstream(file_, std::ios::app) << "more";
  EXPECT_EQ(told_of_file(), (FileEvents{.written = true, .extended = true}));
}

TEST_P(FilesOnEveryPoller, M3_WhatTheKernelItselfChangesInProcIsNotToldOnLinux) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  const std::string path = "/proc/self/comm";
  std::string former;
  std::ifstream(path) >> former;
  const Handle handle = watch(path);
  ASSERT_EQ(0, ::prctl(PR_SET_NAME, "another"));
  EXPECT_EQ(told(), Told{});
  std::ofstream(path) << former << std::flush;
  EXPECT_TRUE(told_of(path).written) << "by a program that writes to it";
}

TEST_P(FilesOnEveryPoller, M3_AFileThatSomebodyHoldsOpenIsDeletedWhenItsNameGoes) {
  const UniqueFd held(::open(file_.c_str(), O_WRONLY | O_CLOEXEC));
  const Handle handle = watch(file_);
  fs::remove(file_);
  EXPECT_EQ(told_of_file(), (FileEvents{.deleted = true}));
  write_at(held.fd(), 0);
  EXPECT_EQ(told(), Told{});
  write_file(file_);
  EXPECT_EQ(told_of_file(), (FileEvents{.created = true}));
}

TEST_P(FilesOnEveryPoller, M3_AWriteThroughASecondHardLinkIsAWriteToTheFile) {
  const std::string second = folder_ / "second";
  ASSERT_EQ(0, ::link(file_.c_str(), second.c_str()));
  const Handle handle = watch(file_);
  std::ofstream(second, std::ios::app) << "more";
  EXPECT_EQ(told(), (Told{{file_, {.written = true, .extended = true}}}));
}

TEST_P(FilesOnEveryPoller, M3_TwoPathsOfOneFileAreToldEachForItself) {
  const std::string second = folder_ / "second";
  ASSERT_EQ(0, ::link(file_.c_str(), second.c_str()));
  const Handle handle = watch(file_);
  Handle other = watch(second);
  std::ofstream(file_, std::ios::app) << "more";
  const FileEvents written = {.written = true, .extended = true};
  EXPECT_EQ(told(), (Told{{file_, written}, {second, written}}));
  fs::rename(second, folder_ / "third");
  EXPECT_EQ(told()[second], (FileEvents{.deleted = true, .renamed = true}));
  fs::remove(folder_ / "third");
  EXPECT_EQ(told(), (Told{{file_, {.linked = true}}}));
  other.cancel();
  std::ofstream(file_, std::ios::app) << "more";
  EXPECT_EQ(told(), (Told{{file_, written}}));
}

TEST_P(FilesOnEveryPoller, M3_TwoWatchesOfOnePathAreBothToldAndOneGoesOnWithoutTheOther) {
  int calls = 0;
  Handle first = files_.watch(file_, [&](const FileChange&) { ++calls; });
  const Handle second = watch(file_);
  std::ofstream(file_, std::ios::app) << "more";
  settle(reactor_);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(calls_, 1);
  first.cancel();
  write_file(folder_ / "new");
  fs::rename(folder_ / "new", file_);
  settle(reactor_);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(calls_, 2);
}

// Nothing of the file differs but what the kernel's clock says, which may be coarse.
TEST_P(FilesOnEveryPoller, M3_NoWriteIsLostHoweverSoonAfterTheLast) {
  const UniqueFd fd(::open(file_.c_str(), O_WRONLY | O_CLOEXEC));
  const Handle handle = watch(file_);
  for (int i = 0; i < 1000; ++i) {
    write_at(fd.fd(), 0);
    told_ = {};
    turn();
    turn();
    ASSERT_EQ(told_[file_], (FileEvents{.written = true})) << i;
  }
}

TEST_P(FilesOnEveryPoller, M3_ChangesOfOneTurnAreOneCall) {
  const Handle handle = watch(file_);
  ASSERT_EQ(0, ::chmod(file_.c_str(), 0600));
  std::ofstream(file_, std::ios::app) << "more";
  ASSERT_EQ(0, ::link(file_.c_str(), (folder_ / "second").c_str()));
  EXPECT_EQ(told_of_file(), (FileEvents{
                                .written = true,
                                .extended = true,
                                .attributes = true,
                                .linked = true,
                            }));
  EXPECT_EQ(calls_, 1);
}

TEST_P(FilesOnEveryPoller, M3_WhatCameAndWentWithinATurnLeavesNothingToTell) {
  fs::remove(file_);
  const Handle handle = watch(file_);
  write_file(file_);
  fs::remove(file_);
  EXPECT_EQ(told(), Told{});
}

TEST_P(FilesOnEveryPoller, M3_ADirectoryInPlaceOfTheFileIsReplacedAndBack) {
  const Handle handle = watch(file_);
  fs::remove(file_);
  fs::create_directory(file_);
  EXPECT_EQ(told(), (Told{{file_, {.replaced = true}}}));
  write_file(file_ + "/entry");
  EXPECT_EQ(told(), (Told{{file_ + "/entry", {.created = true}}}));
  fs::remove_all(file_);
  write_file(file_);
  EXPECT_EQ(told(), (Told{{file_ + "/entry", {.deleted = true}}, {file_, {.replaced = true}}}));
}

TEST_P(FilesOnEveryPoller, M3_NewContentIsWhatCanBeReadAgain) {
  EXPECT_TRUE((FileEvents{.created = true}.has_new_content()));
  EXPECT_TRUE((FileEvents{.replaced = true}.has_new_content()));
  EXPECT_TRUE((FileEvents{.written = true}.has_new_content()));
  EXPECT_FALSE((FileEvents{.deleted = true, .attributes = true, .linked = true}.has_new_content()));
}

DETENT_ON_EVERY_POLLER(FilesOnEveryPoller);

}  // namespace
}  // namespace detent
