// SPDX-License-Identifier: BSL-1.0
// EVFILT_VNODE: what happens to a file or a directory that is open.
#include "kqueue_double.h"
#include "support/descriptor_table.h"
#include "support/processes.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "test_files.h"
#include "test_queue.h"

namespace kqueue_double {
namespace {

constexpr std::uint32_t kAll =
    NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK | NOTE_RENAME | NOTE_REVOKE;

class KqueueDoubleVnode : public KqueueDouble {
 protected:
  KqueueDoubleVnode() {
    append(path_);
    fs::create_directory(folder_path_);
    file_ = open_to_watch(path_);
    folder_ = open_to_watch(folder_path_);
  }

  int watch(const UniqueFd& fd, std::uint32_t notes = kAll, unsigned flags = EV_CLEAR) const {
    return queue_.add(fd.fd(), EVFILT_VNODE, flags, {.fflags = notes});
  }

  /// What is told now; 0 for no event.
  [[nodiscard]] std::uint32_t told() const {
    const Events events = queue_.collect();
    EXPECT_LE(events.size(), 1U);
    return events.empty() ? 0 : events[0].fflags;
  }

  TemporaryFolder top_;
  fs::path path_ = top_ / "file";
  fs::path folder_path_ = top_ / "folder";
  UniqueFd file_;
  UniqueFd folder_;
};

TEST_F(KqueueDoubleVnode, AnEventNamesTheDescriptorAndWhatHappened) {
  int tag = 0;
  ASSERT_EQ(queue_.add(file_.fd(), EVFILT_VNODE, EV_CLEAR, {.fflags = kAll, .udata = &tag}), 0);
  EXPECT_EQ(queue_.collect().size(), 0U);
  fs::permissions(path_, fs::perms::owner_all);
  const Event event = only(queue_.wait());
  EXPECT_EQ(event.ident, static_cast<std::uintptr_t>(file_.fd()));
  EXPECT_EQ(event.filter, EVFILT_VNODE);
  EXPECT_EQ(event.flags, EV_CLEAR);
  EXPECT_EQ(event.fflags, NOTE_ATTRIB);
  EXPECT_EQ(event.data, 0);
  EXPECT_EQ(event.udata, &tag);
}

TEST_F(KqueueDoubleVnode, AWriteThatMakesTheFileLongerExtendsIt) {
  ASSERT_EQ(watch(file_), 0);
  append(path_);
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND);
  EXPECT_EQ(told(), 0U);
}

TEST_F(KqueueDoubleVnode, AWriteOverWhatIsThereIsAWriteAlone) {
  ASSERT_EQ(watch(file_), 0);
  overwrite(path_);
  EXPECT_EQ(told(), NOTE_WRITE);
}

TEST_F(KqueueDoubleVnode, TruncatingIsAChangeOfAttributesAndNoWrite) {
  ASSERT_EQ(watch(file_), 0);
  fs::resize_file(path_, 1);
  EXPECT_EQ(told(), NOTE_ATTRIB);
}

TEST_F(KqueueDoubleVnode, ASecondNameChangesTheNumberOfLinks) {
  ASSERT_EQ(watch(file_), 0);
  fs::create_hard_link(path_, top_ / "second");
  EXPECT_EQ(told(), NOTE_LINK);
}

TEST_F(KqueueDoubleVnode, RemovingAnyNameIsADeleteAsOnFreeBsd) {
  fs::create_hard_link(path_, top_ / "second");
  ASSERT_EQ(watch(file_), 0);
  fs::remove(top_ / "second");
  EXPECT_EQ(told(), NOTE_DELETE) << "though it has a name yet";
  fs::remove(path_);
  EXPECT_EQ(told(), NOTE_DELETE);
}

TEST_F(KqueueDoubleVnode, AFileThatIsReplacedByARenameIsDeleted) {
  append(top_ / "new");
  ASSERT_EQ(watch(file_), 0);
  fs::rename(top_ / "new", path_);
  EXPECT_EQ(told(), NOTE_DELETE);
}

TEST_F(KqueueDoubleVnode, TheOpenFileIsFollowedAndNotItsName) {
  ASSERT_EQ(watch(file_), 0);
  fs::rename(path_, top_ / "other");
  EXPECT_EQ(told(), NOTE_RENAME);
  append(path_);  // a new file of the old name
  EXPECT_EQ(told(), 0U);
  append(top_ / "other");
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND);
}

TEST_F(KqueueDoubleVnode, AFileWithoutANameIsStillWatched) {
  const UniqueFd writer(checked(::open(path_.c_str(), O_WRONLY | O_CLOEXEC), "open"));
  ASSERT_EQ(watch(file_), 0);
  fs::remove(path_);
  EXPECT_EQ(told(), NOTE_DELETE);
  put(writer.fd(), "longer");
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND);
}

TEST_F(KqueueDoubleVnode, AnEntryOfADirectoryThatComesGoesOrMovesIsAWrite) {
  ASSERT_EQ(watch(folder_), 0);
  append(folder_path_ / "one");
  EXPECT_EQ(told(), NOTE_WRITE);
  fs::rename(folder_path_ / "one", folder_path_ / "two");
  EXPECT_EQ(told(), NOTE_WRITE);
  fs::rename(folder_path_ / "two", top_ / "two");
  EXPECT_EQ(told(), NOTE_WRITE);
  fs::rename(top_ / "two", folder_path_ / "two");
  EXPECT_EQ(told(), NOTE_WRITE) << "FreeBSD adds NOTE_EXTEND, the others do not";
  fs::create_hard_link(path_, folder_path_ / "three");
  EXPECT_EQ(told(), NOTE_WRITE);
  fs::create_symlink("three", folder_path_ / "four");
  EXPECT_EQ(told(), NOTE_WRITE);
  fs::remove(folder_path_ / "two");
  EXPECT_EQ(told(), NOTE_WRITE);
}

TEST_F(KqueueDoubleVnode, ASubdirectoryThatIsMadeOrRemovedChangesTheLinksToo) {
  ASSERT_EQ(watch(folder_), 0);
  fs::create_directory(folder_path_ / "inner");
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_LINK);
  fs::remove(folder_path_ / "inner");
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_LINK);
}

TEST_F(KqueueDoubleVnode, WhatHappensWithinAnEntryIsNoChangeOfTheDirectory) {
  append(folder_path_ / "one");
  fs::create_directory(folder_path_ / "inner");
  ASSERT_EQ(watch(folder_), 0);
  append(folder_path_ / "one");
  fs::permissions(folder_path_ / "one", fs::perms::owner_all);
  append(folder_path_ / "inner" / "deep");
  EXPECT_EQ(told(), 0U);
}

TEST_F(KqueueDoubleVnode, ADirectoryIsRenamedChangedAndDeletedLikeAFile) {
  ASSERT_EQ(watch(folder_), 0);
  fs::permissions(folder_path_, fs::perms::owner_all);
  EXPECT_EQ(told(), NOTE_ATTRIB);
  fs::create_directory(top_ / "elsewhere");
  fs::rename(folder_path_, top_ / "elsewhere/folder");
  EXPECT_EQ(told(), NOTE_RENAME);
  fs::remove(top_ / "elsewhere/folder");
  EXPECT_EQ(told(), NOTE_DELETE);
}

TEST_F(KqueueDoubleVnode, ADirectoryThatIsReplacedByARenameIsDeleted) {
  fs::create_directory(top_ / "new");
  ASSERT_EQ(watch(folder_), 0);
  fs::rename(top_ / "new", folder_path_);
  EXPECT_EQ(told(), NOTE_DELETE);
}

TEST_F(KqueueDoubleVnode, ANeighbourOfADirectoryIsNoneOfItsBusiness) {
  ASSERT_EQ(watch(folder_), 0);
  fs::remove(path_);
  fs::create_directory(top_ / "new");
  EXPECT_EQ(told(), 0U);
}

TEST_F(KqueueDoubleVnode, WhatWasNotAskedForIsNotTold) {
  ASSERT_EQ(watch(file_, NOTE_DELETE), 0);
  append(path_);
  fs::permissions(path_, fs::perms::owner_all);
  EXPECT_EQ(told(), 0U);
  EXPECT_FALSE(is_readable(queue_.fd()));
}

TEST_F(KqueueDoubleVnode, AllThatOneChangeMeansIsToldWhenAnyOfItWasAskedFor) {
  ASSERT_EQ(watch(file_, NOTE_EXTEND), 0);
  append(path_);
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND);
  overwrite(path_);
  EXPECT_EQ(told(), 0U);
}

TEST_F(KqueueDoubleVnode, NotesGatherUntilTheyAreCollected) {
  ASSERT_EQ(watch(file_), 0);
  append(path_);
  fs::rename(path_, top_ / "other");
  fs::remove(top_ / "other");
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND | NOTE_RENAME | NOTE_DELETE);
  EXPECT_EQ(told(), 0U);
}

TEST_F(KqueueDoubleVnode, WithoutNotesItIsAcceptedAndTellsNothing) {
  ASSERT_EQ(watch(file_, 0), 0);
  append(path_);
  fs::remove(path_);
  EXPECT_EQ(told(), 0U);
  EXPECT_EQ(queue_.apply(file_.fd(), EVFILT_VNODE, EV_DELETE), 0);
}

TEST_F(KqueueDoubleVnode, WithoutClearTheNotesStay) {
  ASSERT_EQ(watch(file_, kAll, 0), 0);
  append(path_);
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND);
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND);
  fs::remove(path_);
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND | NOTE_DELETE);
}

TEST_F(KqueueDoubleVnode, AOneShotTellsOnceAndIsGone) {
  ASSERT_EQ(watch(file_, kAll, EV_ONESHOT), 0);
  append(path_);
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND);
  append(path_);
  EXPECT_EQ(told(), 0U);
  EXPECT_EQ(queue_.apply(file_.fd(), EVFILT_VNODE, EV_DELETE), ENOENT);
}

TEST_F(KqueueDoubleVnode, ADispatchIsDisabledByBeingToldAndGathersMeanwhile) {
  ASSERT_EQ(watch(file_, kAll, EV_CLEAR | EV_DISPATCH), 0);
  append(path_);
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND);
  fs::remove(path_);
  EXPECT_EQ(told(), 0U);
  ASSERT_EQ(queue_.apply(file_.fd(), EVFILT_VNODE, EV_ENABLE, {.fflags = kAll}), 0);
  EXPECT_EQ(told(), NOTE_DELETE);
}

TEST_F(KqueueDoubleVnode, WhatIsDisabledTellsWhenItIsEnabled) {
  ASSERT_EQ(watch(file_, kAll, EV_CLEAR | EV_DISABLE), 0);
  append(path_);
  EXPECT_EQ(told(), 0U);
  ASSERT_EQ(queue_.apply(file_.fd(), EVFILT_VNODE, EV_ENABLE, {.fflags = kAll}), 0);
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND);
}

TEST_F(KqueueDoubleVnode, AnyChangeOfItSaysAnewWhatIsAskedFor) {
  ASSERT_EQ(watch(file_), 0);
  append(path_);
  ASSERT_EQ(watch(file_, NOTE_DELETE), 0);
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND) << "it was asked for when it happened";
  append(path_);
  EXPECT_EQ(told(), 0U);
  ASSERT_EQ(queue_.apply(file_.fd(), EVFILT_VNODE, EV_ENABLE), 0);  // with no notes
  fs::remove(path_);
  EXPECT_EQ(told(), 0U);
}

TEST_F(KqueueDoubleVnode, WhatHappenedBeforeItIsNotTold) {
  append(path_);
  fs::remove(path_);
  ASSERT_EQ(watch(file_), 0);
  EXPECT_EQ(told(), 0U);
}

TEST_F(KqueueDoubleVnode, AThreadThatWaitsIsWoken) {
  ASSERT_EQ(watch(folder_), 0);
  const std::jthread remover = when_asleep([&] { fs::remove(folder_path_); });
  EXPECT_EQ(only(queue_.wait()).fflags, NOTE_DELETE);
}

TEST_F(KqueueDoubleVnode, TwoDescriptorsOfOneFileAndTwoKqueuesAreEachTold) {
  const UniqueFd second = open_to_watch(path_);
  const TestQueue other;
  ASSERT_EQ(watch(file_), 0);
  ASSERT_EQ(watch(second, NOTE_DELETE), 0);
  ASSERT_EQ(other.add(file_.fd(), EVFILT_VNODE, EV_CLEAR, {.fflags = kAll}), 0);
  append(path_);
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND);
  EXPECT_EQ(only(other.collect()).fflags, NOTE_WRITE | NOTE_EXTEND);
  ASSERT_EQ(queue_.apply(file_.fd(), EVFILT_VNODE, EV_DELETE), 0);
  fs::remove(path_);
  EXPECT_EQ(only(queue_.collect()).ident, static_cast<std::uintptr_t>(second.fd()));
  EXPECT_EQ(only(other.collect()).fflags, NOTE_DELETE);
}

TEST_F(KqueueDoubleVnode, ALaterRegistrationOfTheSameFileIsNotToldWhatWasBefore) {
  const UniqueFd second = open_to_watch(path_);
  ASSERT_EQ(watch(file_), 0);
  append(path_);
  ASSERT_EQ(watch(second), 0);
  EXPECT_EQ(only(queue_.collect()).ident, static_cast<std::uintptr_t>(file_.fd()));
}

// Not a rule of the kernels: Linux gives a user 128 inotify.
TEST_F(KqueueDoubleVnode, AThousandFilesAreWatched) {
  std::vector<UniqueFd> files;
  for (int i = 0; i < 1000; ++i) {
    const fs::path path = folder_path_ / std::to_string(i);
    append(path);
    files.push_back(open_to_watch(path));
    ASSERT_EQ(watch(files.back()), 0);
  }
  for (int i = 0; i < 1000; ++i) append(folder_path_ / std::to_string(i));
  EXPECT_EQ(queue_.collect(2000).size(), 1000U);
  files.clear();
  fs::remove_all(folder_path_);
  EXPECT_FALSE(is_readable(queue_.fd()));
}

TEST_F(KqueueDoubleVnode, ADirectoryAndWhatIsInItAreWatchedTogetherAndEachForItself) {
  fs::create_directory(folder_path_ / "inner");
  const UniqueFd inner = open_to_watch(folder_path_ / "inner");
  ASSERT_EQ(watch(folder_), 0);
  ASSERT_EQ(watch(inner), 0);
  append(folder_path_ / "one");
  EXPECT_EQ(told(), NOTE_WRITE);
  fs::remove(folder_path_ / "inner");
  const Events events = queue_.collect();
  ASSERT_EQ(events.size(), 2U);
  for (const Event& event : events) {
    const bool is_inner = event.ident == static_cast<std::uintptr_t>(inner.fd());
    EXPECT_EQ(event.fflags, is_inner ? NOTE_DELETE : NOTE_WRITE | NOTE_LINK);
  }
}

TEST_F(KqueueDoubleVnode, WhatStaysIsWatchedWhenItsNeighbourIsNotAnyMore) {
  fs::create_directory(folder_path_ / "inner");
  const UniqueFd inner = open_to_watch(folder_path_ / "inner");
  ASSERT_EQ(watch(folder_), 0);
  ASSERT_EQ(watch(inner), 0);
  ASSERT_EQ(queue_.apply(folder_.fd(), EVFILT_VNODE, EV_DELETE), 0);
  fs::remove(folder_path_ / "inner");
  EXPECT_EQ(told(), NOTE_DELETE);
}

TEST_F(KqueueDoubleVnode, WhatIsWatchedNoMoreDoesNotMakeTheKqueueReadable) {
  ASSERT_EQ(watch(file_), 0);
  ASSERT_EQ(watch(folder_), 0);
  ASSERT_EQ(queue_.apply(file_.fd(), EVFILT_VNODE, EV_DELETE), 0);
  folder_.reset();
  EXPECT_FALSE(is_readable(queue_.fd()));
  append(path_);
  fs::remove(folder_path_);
  EXPECT_FALSE(is_readable(queue_.fd()));
}

TEST_F(KqueueDoubleVnode, ItStandsBesideTheOtherFiltersOfItsDescriptor) {
  ASSERT_EQ(queue_.add(file_.fd(), EVFILT_READ), 0);
  ASSERT_EQ(watch(file_), 0);
  append(path_);
  const Events events = queue_.collect();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(of_filter(events, EVFILT_VNODE)->fflags, NOTE_WRITE | NOTE_EXTEND);
  ASSERT_EQ(queue_.apply(file_.fd(), EVFILT_READ, EV_DELETE), 0);
  append(path_);
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND);
}

TEST_F(KqueueDoubleVnode, ClosingTheDescriptorDropsItEvenWhileADuplicateLives) {
  const int number = file_.fd();
  const UniqueFd duplicate(::dup(number));
  ASSERT_EQ(watch(file_), 0);
  append(path_);
  file_.reset();
  EXPECT_EQ(told(), 0U);
  file_ = open_to_watch(folder_path_);
  ASSERT_EQ(file_.fd(), number);
  append(path_);
  append(folder_path_ / "one");
  EXPECT_EQ(told(), 0U);
  EXPECT_EQ(queue_.apply(number, EVFILT_VNODE, EV_DELETE), ENOENT);
  ASSERT_EQ(watch(file_), 0);
  fs::remove(folder_path_ / "one");
  EXPECT_EQ(told(), NOTE_WRITE);
}

TEST_F(KqueueDoubleVnode, WhatIsNeitherAFileNorADirectoryIsEinval) {
  const TestQueue other;
  const SocketPair pipe = make_pipe();
  const UniqueFd device = open_to_watch("/dev/null");
  for (const int fd : {pair_.near.fd(), pipe.near.fd(), other.fd(), queue_.fd(), device.fd()}) {
    EXPECT_EQ(queue_.add(fd, EVFILT_VNODE, EV_CLEAR, {.fflags = kAll}), EINVAL) << fd;
  }
}

TEST_F(KqueueDoubleVnode, ADescriptorThatIsNotOpenIsEbadfAndOneNotRegisteredEnoent) {
  EXPECT_EQ(queue_.add(9999, EVFILT_VNODE, 0, {.fflags = kAll}), EBADF);
  EXPECT_EQ(queue_.add(-1, EVFILT_VNODE, 0, {.fflags = kAll}), EBADF);
  EXPECT_EQ(queue_.apply(file_.fd(), EVFILT_VNODE, EV_DELETE), ENOENT);
}

TEST_F(KqueueDoubleVnode, ItIsNotInheritedByFork) {
  ASSERT_EQ(watch(file_), 0);
  append(path_);
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    for (const int fd : open_descriptors()) EXPECT_LT(fd, 1000);
  }));
  EXPECT_EQ(told(), NOTE_WRITE | NOTE_EXTEND) << "the child has taken nothing away";
}

// Not a rule of the kernels: the double must not be seen.
TEST_F(KqueueDoubleVnode, NothingIsLeftOpenAndWhatIsOpenIsHidden) {
  const DescriptorsBefore before;
  {
    const TestQueue queue;
    ASSERT_EQ(queue.add(folder_.fd(), EVFILT_VNODE, 0, {.fflags = kAll}), 0);
    ASSERT_EQ(queue.add(file_.fd(), EVFILT_VNODE, 0, {.fflags = kAll}), 0);
    ASSERT_EQ(queue.apply(file_.fd(), EVFILT_VNODE, EV_DELETE), 0);
    for (const int fd : before.opened_since()) EXPECT_EQ(is_hidden(fd), fd != queue.fd()) << fd;
  }
  EXPECT_TRUE(before.opened_since().empty());
}

}  // namespace
}  // namespace kqueue_double
