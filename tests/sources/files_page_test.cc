// SPDX-License-Identifier: BSL-1.0
// What docs/sources.md and the first comment of files.h show, compiled and run.
#include "detent/files.h"
#include "detent/reactor.h"
#include "file_fixtures.h"
#include "files/file_notices.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
namespace fs = std::filesystem;

// The page's paths are relative.
class FilesPage : public testing::Test {
 protected:
  FilesPage() { fs::current_path(folder_.path()); }
  ~FilesPage() override { fs::current_path(before_); }

  const fs::path before_ = fs::current_path();
  const TemporaryFolder folder_;
};

TEST_F(FilesPage, M3_AFileOfSettingsIsReadAgain) {
  Reactor reactor;
  int reloads = 0;
  const auto reload = [&reloads] { ++reloads; };
  detent::Files files(reactor);
  auto watch = files.watch("service.conf", [&](const detent::FileChange& change) {
    if (change.what.has_new_content()) reload();
  });
  write_file("service.conf");
  settle(reactor);
  write_file("new");
  fs::rename("new", "service.conf");
  settle(reactor);
  fs::remove("service.conf");
  settle(reactor);
  EXPECT_EQ(reloads, 2);
}

TEST_F(FilesPage, M3_ADirectoryThatMailComesInto) {
  if (!FileNotices::kTellOfEntries) GTEST_SKIP() << "recursive is for Linux";
  Reactor reactor;
  Files files(reactor);
  fs::create_directories("mail/new");
  std::vector<std::string> taken;
  const auto take = [&taken](std::string_view path) { taken.emplace_back(path); };
  const auto list_again = [] {};
  const detent::Handle mail =
      files.watch("mail", {.recursive = true}, [&](const detent::FileChange& change) {
        if (change.what.created) take(change.path);  // "mail/new/42"
        if (change.what.overflow) list_again();
      });
  write_file("mail/new/42");
  settle(reactor);
  EXPECT_EQ(taken, std::vector<std::string>{"mail/new/42"});
}

}  // namespace
}  // namespace detent
