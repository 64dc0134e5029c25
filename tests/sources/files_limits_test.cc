// SPDX-License-Identifier: BSL-1.0
// What happens at the limits: of the kernel's queue, of its marks, of rights.
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "detent/files.h"
#include "file_fixtures.h"
#include "files/file_notices.h"
#include "support/errors.h"
#include "support/failing_calls.h"
#include "support/processes.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
namespace fs = std::filesystem;

constexpr FileEvents kCreated = {.created = true};

class FilesLimitsOnEveryPoller : public WithFiles {
 protected:
  FilesLimitsOnEveryPoller() { write_file(file_); }

  void SetUp() override {
    if (!FileNotices::kTellOfEntries) GTEST_SKIP() << "inotify's limits";
  }
};

// ---- the kernel's queue

// In which a turn may take a part of a full queue that tells nothing.
constexpr int kManyTurns = 500;

// Fills the queue while the loop does not run. Notices of different names do not merge.
void fill_the_queue(const std::string& directory) {
  int most = 16'384;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> most;
  for (int i = 0; i < most / 2 + 100; ++i) {
    const std::string path = directory + "/filler" + std::to_string(i);
    const UniqueFd fd(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    ASSERT_EQ(0, ::unlink(path.c_str()));
  }
}

TEST_P(FilesLimitsOnEveryPoller, M3_LostNoticesAreToldToEachWatchAndWhatDiffersIsToldAfterThem) {
  const std::string directory = folder_ / "directory";
  const std::string gone = directory + "/gone";
  const std::string late = directory + "/late";
  const std::string other = folder_ / "other";
  fs::create_directory(directory);
  write_file(gone);
  const Handle of_directory = watch(directory);
  const Handle of_file = watch(file_);
  const Handle of_other = watch(other);
  fill_the_queue(directory);
  // All of this comes behind the end of the queue.
  fs::remove(gone);
  write_file(late);
  fs::remove(file_);
  write_file(file_);
  write_file(other);
  EXPECT_EQ(told(kManyTurns), (Told{{directory, {.overflow = true}},
                                    {gone, {.deleted = true}},
                                    {late, kCreated},
                                    {file_, {.replaced = true, .overflow = true}},
                                    {other, {.created = true, .overflow = true}}}));
  std::ofstream(file_, std::ios::app) << "more";
  std::ofstream(other, std::ios::app) << "more";
  std::ofstream(late, std::ios::app) << "more";
  const FileEvents extended = {.written = true, .extended = true};
  EXPECT_EQ(told(), (Told{{file_, extended}, {other, extended}, {late, extended}}));
}

TEST_P(FilesLimitsOnEveryPoller, M3_LostNoticesOfATreeAreMadeUpForAtAnyDepth) {
  const std::string tree = folder_ / "tree";
  fs::create_directories(tree + "/kept/below");
  fs::create_directories(tree + "/replaced/below");
  const Handle handle = watch(tree, {.recursive = true});
  fill_the_queue(tree);
  write_file(tree + "/kept/below/file");
  fs::remove_all(tree + "/replaced");
  fs::create_directories(tree + "/replaced/other");
  Told changes = told(kManyTurns);
  EXPECT_EQ(changes[tree + "/kept/below/file"], kCreated);
  EXPECT_EQ(changes[tree + "/replaced/below"], (FileEvents{.deleted = true}));
  EXPECT_EQ(changes[tree + "/replaced/other"], kCreated);
  EXPECT_TRUE(changes[tree].overflow);
  write_file(tree + "/replaced/other/file");
  EXPECT_EQ(told(), (Told{{tree + "/replaced/other/file", kCreated}}));
}

// ---- the system's limits

// The process makes a loop and `set_up` watches; then the kernel refuses further marks.
template <class SetUp, class Then>
bool holds_at_the_limit(std::string_view poller, int error, SetUp set_up, Then then) {
  return holds_in_a_forked_child([&] {
    Reactor reactor(on_poller(poller));
    Files files(reactor);
    Told told;
    const Handle handle = set_up(files, [&told](const FileChange& change) {
      FileEvents& events = told[std::string(change.path)];
      events = events | change.what;
    });
    EXPECT_TRUE(let_call_fail(SYS_inotify_add_watch, error));
    then(reactor, files, told);
  });
}

TEST_P(FilesLimitsOnEveryPoller, M3_AWatchThatIsRefusedSaysWhichPathAndWhoseAndLeavesNothing) {
  EXPECT_TRUE(holds_at_the_limit(
      GetParam(), ENOSPC, [](Files&, auto&&) { return Handle(); },
      [this](Reactor& reactor, Files& files, Told&) {
        const auto watch = [&] {
          static_cast<void>(files.watch(
              file_, [](const FileChange&) { ADD_FAILURE(); }, "settings"));
        };
        EXPECT_EQ(error_of(watch), std::errc::no_space_on_device);
        const std::string message = message_of<std::system_error>(watch);
        EXPECT_TRUE(message.starts_with("Files::watch: path \"" + file_ + "\", \"settings\" of "))
            << message;
        EXPECT_NE(message.find(": inotify_add_watch(\"/\""), std::string::npos) << message;
        write_file(file_);
        settle(reactor);
      }));
}

TEST_P(FilesLimitsOnEveryPoller,
       M3_ANewDirectoryThatCannotBeMarkedIsToldAsOverflowAndTheRestGoesOn) {
  const std::string tree = folder_ / "tree";
  fs::create_directory(tree);
  EXPECT_TRUE(holds_at_the_limit(
      GetParam(), ENOSPC,
      [&tree](Files& files, auto&& on_change) {
        return files.watch(tree, {.recursive = true}, on_change);
      },
      [&tree](Reactor& reactor, Files&, Told& told) {
        fs::create_directory(tree + "/new");
        write_file(tree + "/new/file");
        write_file(tree + "/file");
        settle(reactor);
        EXPECT_EQ(told, (Told{{tree, {.overflow = true}},
                              {tree + "/new", kCreated},
                              {tree + "/new/file", kCreated},
                              {tree + "/file", kCreated}}));
      }));
}

TEST_P(FilesLimitsOnEveryPoller, M3_AFileThatCannotBeMarkedAnyMoreIsToldWithOverflow) {
  EXPECT_TRUE(holds_at_the_limit(
      GetParam(), ENOMEM,
      [this](Files& files, auto&& on_change) { return files.watch(file_, on_change); },
      [this](Reactor& reactor, Files&, Told& told) {
        write_file(folder_ / "new");
        fs::rename(folder_ / "new", file_);
        settle(reactor);
        EXPECT_EQ(told, (Told{{file_, {.replaced = true, .overflow = true}}}));
      }));
}

TEST_P(FilesLimitsOnEveryPoller, M3_WithoutADescriptorThereIsNoFiles) {
  EXPECT_TRUE(holds_in_a_forked_child([] {
    Reactor reactor(on_poller(GetParam()));
    EXPECT_TRUE(let_call_fail(SYS_inotify_init1, EMFILE));
    EXPECT_EQ(error_of([&] { const Files files(reactor); }), std::errc::too_many_files_open);
  }));
}

// It is listed when there is another notice of it.
TEST_P(FilesLimitsOnEveryPoller, M3_ADirectoryThatCannotBeListedIsToldAsOverflow) {
  const std::string tree = folder_ / "tree";
  fs::create_directory(tree);
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    Reactor reactor(on_poller(GetParam()));
    Files files(reactor);
    Told told;
    const auto keep = [&told](const FileChange& change) {
      FileEvents& events = told[std::string(change.path)];
      events = events | change.what;
    };
    const Handle handle = files.watch(tree, {.recursive = true}, keep);
    fs::create_directory(tree + "/new");
    write_file(tree + "/new/file");
    rlimit former = {};
    ASSERT_EQ(0, ::getrlimit(RLIMIT_NOFILE, &former));
    const UniqueFd lowest(::dup(0));
    ASSERT_TRUE(lowest);
    const rlimit none = {static_cast<rlim_t>(lowest.fd()) + 1, former.rlim_max};
    ASSERT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &none));
    settle(reactor);
    EXPECT_EQ(std::exchange(told, {}),
              (Told{{tree, {.overflow = true}}, {tree + "/new", kCreated}}));
    const auto watch = [&] { static_cast<void>(files.watch(tree, keep)); };
    EXPECT_EQ(error_of(watch), std::errc::too_many_files_open);
    const std::string message = message_of<std::system_error>(watch);
    EXPECT_NE(message.find(": open(\"" + tree + "\")"), std::string::npos) << message;
    ASSERT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &former));
    ASSERT_EQ(0, ::chmod((tree + "/new").c_str(), 0700));
    settle(reactor);
    EXPECT_EQ(told, (Told{{tree + "/new", {.attributes = true}}, {tree + "/new/file", kCreated}}));
  }));
}

// ---- rights

constexpr uid_t kNobody = 65'534;

void open_to_others(const TemporaryFolder& folder) {
  for (const fs::path& open : {fs::path(folder.path()), fs::path(folder.path()).parent_path()}) {
    ASSERT_EQ(0, ::chmod(open.c_str(), 0755));
  }
}

TEST_P(FilesLimitsOnEveryPoller, M3_ADirectoryFarUpMayBeUnreadableAndTheLastMayNot) {
  const std::string deep = folder_ / "hidden/open/file";
  fs::create_directories(folder_ / "hidden/open");
  write_file(deep);
  open_to_others(folder_);
  ASSERT_EQ(0, ::chmod((folder_ / "hidden").c_str(), 0711));
  if (::geteuid() != 0) GTEST_SKIP() << "only root may become another user";
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    ASSERT_EQ(0, ::setuid(kNobody));
    Reactor reactor(on_poller(GetParam()));
    Files files(reactor);
    int calls = 0;
    const Handle handle = files.watch(deep, [&calls](const FileChange&) { ++calls; });
    EXPECT_TRUE(handle.active());
    EXPECT_EQ(error_of([&] {
                static_cast<void>(files.watch(folder_ / "hidden/file", [](const FileChange&) {}));
              }),
              std::errc::permission_denied);
  }));
}

TEST_P(FilesLimitsOnEveryPoller, M3_OfATreeWhatMayNotBeReadIsLeftOut) {
  const std::string tree = folder_ / "tree";
  const std::string hidden = tree + "/hidden";
  fs::create_directories(hidden);
  open_to_others(folder_);
  ASSERT_EQ(0, ::chmod(hidden.c_str(), 0700));
  ASSERT_EQ(0, ::chmod(tree.c_str(), 0777));
  if (::geteuid() != 0) GTEST_SKIP() << "only root may become another user";
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    ASSERT_EQ(0, ::seteuid(kNobody));
    Reactor reactor(on_poller(GetParam()));
    Files files(reactor);
    Told told;
    const Handle handle = files.watch(tree, {.recursive = true}, [&told](const FileChange& change) {
      FileEvents& events = told[std::string(change.path)];
      events = events | change.what;
    });
    fs::create_directory(tree + "/other");
    settle(reactor);
    EXPECT_EQ(std::exchange(told, {}), (Told{{tree + "/other", kCreated}}));
    ASSERT_EQ(0, ::seteuid(0));
    write_file(hidden + "/file");
    ASSERT_EQ(0, ::chmod(hidden.c_str(), 0755));
    ASSERT_EQ(0, ::seteuid(kNobody));
    settle(reactor);
    EXPECT_EQ(told, (Told{{hidden, {.attributes = true}}, {hidden + "/file", kCreated}}));
  }));
}

TEST_P(FilesLimitsOnEveryPoller, M3_TheEntriesOfADirectoryComeAndGoWithTheRightToSearchIt) {
  const std::string tree = folder_ / "tree";
  const std::string inner = tree + "/inner";
  fs::create_directories(inner);
  write_file(inner + "/file");
  open_to_others(folder_);
  ASSERT_EQ(0, ::chmod(inner.c_str(), 0744));  // others may read its names alone
  if (::geteuid() != 0) GTEST_SKIP() << "only root may become another user";
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    ASSERT_EQ(0, ::seteuid(kNobody));
    Reactor reactor(on_poller(GetParam()));
    Files files(reactor);
    Told told;
    const Handle handle = files.watch(tree, {.recursive = true}, [&told](const FileChange& change) {
      FileEvents& events = told[std::string(change.path)];
      events = events | change.what;
    });
    const auto told_after_chmod = [&](mode_t mode) {
      EXPECT_EQ(0, ::seteuid(0));
      EXPECT_EQ(0, ::chmod(inner.c_str(), mode));
      EXPECT_EQ(0, ::seteuid(kNobody));
      settle(reactor);
      return std::exchange(told, {});
    };
    EXPECT_EQ(told_after_chmod(0755),
              (Told{{inner, {.attributes = true}}, {inner + "/file", kCreated}}));
    EXPECT_EQ(told_after_chmod(0744),
              (Told{{inner, {.attributes = true}}, {inner + "/file", {.deleted = true}}}));
  }));
}

// ---- what only some systems tell

// From now on this process has file systems of its own, and a new one there. False where it may
// not.
bool mount_for_this_process(const std::string& directory) {
  if (::unshare(CLONE_NEWNS) == -1 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1) return false;
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("detent", directory.c_str(), "tmpfs", 0, nullptr) == 0;
}

// Without an upper layer it needs no extended attributes.
bool mount_overlay_for_this_process(const std::string& directory) {
  if (!mount_for_this_process(directory)) return false;
  for (const char* part : {"/first", "/second", "/merged"}) fs::create_directory(directory + part);
  write_file(directory + "/first/file");
  const std::string layers = "lowerdir=" + directory + "/first:" + directory + "/second";
  const std::string merged = directory + "/merged";
  return ::mount("detent", merged.c_str(), "overlay", MS_RDONLY, layers.c_str()) == 0;
}

TEST_P(FilesLimitsOnEveryPoller, M3_WhatIsChangedInALayerOfAnOverlayIsNotTold) {
  const std::string mount = folder_ / "mount";
  fs::create_directory(mount);
  if (!holds_in_a_forked_child([&] { ASSERT_TRUE(mount_overlay_for_this_process(mount)); })) {
    GTEST_SKIP() << "this process may not mount an overlay";
  }
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    ASSERT_TRUE(mount_overlay_for_this_process(mount));
    Reactor reactor(on_poller(GetParam()));
    Files files(reactor);
    int calls = 0;
    const auto count = [&calls](const FileChange&) { ++calls; };
    const Handle of_file = files.watch(mount + "/merged/file", count);
    const Handle of_directory = files.watch(mount + "/merged", count);
    std::ofstream(mount + "/first/file", std::ios::app) << "more";
    write_file(mount + "/first/other");
    settle(reactor);
    EXPECT_EQ(calls, 0);
  }));
}

TEST_P(FilesLimitsOnEveryPoller, K9_AFileSystemThatIsUnmountedIsRevoked) {
  const std::string mount = folder_ / "mount";
  const std::string path = mount + "/file";
  fs::create_directory(mount);
  if (!holds_in_a_forked_child([&] { ASSERT_TRUE(mount_for_this_process(mount)); })) {
    GTEST_SKIP() << "this process may not mount";
  }
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    ASSERT_TRUE(mount_for_this_process(mount));
    write_file(path);
    Reactor reactor(on_poller(GetParam()));
    Files files(reactor);
    FileEvents told;
    const Handle handle =
        files.watch(path, [&told](const FileChange& change) { told = told | change.what; });
    ASSERT_EQ(0, ::umount(mount.c_str()));
    settle(reactor);
    EXPECT_EQ(told, (FileEvents{.deleted = true, .revoked = true}));
    told = {};
    write_file(path);  // in the directory beneath
    settle(reactor);
    EXPECT_EQ(told, kCreated);
  }));
}

DETENT_ON_EVERY_POLLER(FilesLimitsOnEveryPoller);

}  // namespace
}  // namespace detent
