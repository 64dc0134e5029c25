// SPDX-License-Identifier: BSL-1.0
// What happens to a path between a look at it and the mark. This program's inotify_add_watch stands
// in front of the system's.
#include <sys/inotify.h>
#include <sys/syscall.h>

#include "file_fixtures.h"
#include "files/file_notices.h"
#include "support/standard.h"

namespace {

// Around the next call for that path.
struct Around {
  std::string path;
  std::function<void()> before;
  std::function<void()> after;
};
thread_local const Around* around = nullptr;

int add_watch(int fd, const char* path, std::uint32_t mask) {
  return static_cast<int>(::syscall(SYS_inotify_add_watch, fd, path, mask));
}

}  // namespace

extern "C" int inotify_add_watch(int fd, const char* path, std::uint32_t mask) noexcept {
  if (around == nullptr || around->path != path) return add_watch(fd, path, mask);
  const Around& here = *std::exchange(around, nullptr);
  here.before();
  const int mark = add_watch(fd, path, mask);
  here.after();
  return mark;
}

namespace detent {
namespace {

using namespace testing_support;
namespace fs = std::filesystem;

class FilesRaceOnEveryPoller : public WithFiles {
 protected:
  void SetUp() override {
    if (!FileNotices::kTellOfEntries) GTEST_SKIP() << "inotify";
  }
};

TEST_P(FilesRaceOnEveryPoller, M3_AFileThatIsAwayWhileItIsMarkedIsMarkedWhenItIsBack) {
  const std::string away = folder_ / "away";
  const std::string other = folder_ / "other";
  write_file(file_);
  write_file(other);
  const Around swap = {.path = file_,
                       .before =
                           [&] {
                             fs::rename(file_, away);
                             fs::rename(other, file_);
                           },
                       .after =
                           [&] {
                             fs::rename(file_, other);
                             fs::rename(away, file_);
                           }};
  around = &swap;
  const Handle handle = watch(file_);
  EXPECT_EQ(around, nullptr);
  static_cast<void>(told());
  std::ofstream(file_, std::ios::app) << "more";
  EXPECT_EQ(told_of_file(), (FileEvents{.written = true, .extended = true}));
  std::ofstream(other, std::ios::app) << "more";
  EXPECT_EQ(told(), Told{});
}

DETENT_ON_EVERY_POLLER(FilesRaceOnEveryPoller);

}  // namespace
}  // namespace detent
