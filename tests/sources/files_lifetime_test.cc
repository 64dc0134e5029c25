// SPDX-License-Identifier: BSL-1.0
// The rows of the table of lifetimes that watched files have.
#include "detent/files.h"
#include "file_fixtures.h"
#include "support/lifetime_table.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

// Each registration has a file of its own, as long as there are not more than a few.
class FilesActor : public Actor {
 public:
  explicit FilesActor(std::string_view poller) : Actor(poller) {
    for (UniqueFd& file : files_written_) {
      const std::string path = path_of(static_cast<std::size_t>(&file - files_written_.data()));
      file.reset(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    }
    make_owner();
  }
  std::unique_ptr<Held> add(Callback<void()> call) override {
    return hold(files_->watch(watched_path(),
                              [call = std::move(call)](const FileChange&) mutable { call(); }));
  }
  void make_due() override {
    for (const UniqueFd& file : files_written_) write_at(file.fd(), 0);
  }
  void make_owner() override { files_.make(reactor()); }
  void end_owner() override { files_.end(); }
  void ask_the_going_owner() override {
    ToRefuse to_refuse([this] { EXPECT_FALSE(add(never())->active()); });
    EXPECT_FALSE(files_->watch(path_of(0), [call = to_refuse()](const FileChange&) { call(); }));
    EXPECT_FALSE(files_->watch(path_of(0), {.recursive = true},
                               [call = to_refuse()](const FileChange&) { call(); }));
  }

 protected:
  [[nodiscard]] std::string path_of(std::size_t number) const {
    return folder_ / std::to_string(number);
  }
  [[nodiscard]] virtual std::string watched_path() {
    return path_of(next_++ % files_written_.size());
  }

  const TemporaryFolder folder_;

 private:
  std::array<UniqueFd, 8> files_written_;
  std::size_t next_ = 0;

 protected:
  Owned<Files> files_;
};

struct FileActor final : FilesActor {
  static constexpr const char* kName = "File";
  using FilesActor::FilesActor;
};

// All watch the one path, so the kernel has one mark for them.
struct SharedFileActor final : FilesActor {
  static constexpr const char* kName = "SharedFile";
  using FilesActor::FilesActor;
  [[nodiscard]] std::string watched_path() override { return path_of(0); }
};

using OfFiles = testing::Types<FileActor, SharedFileActor>;
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, Lifetimes, OfFiles, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfCaptures, OfFiles, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfOwners, OfFiles, ActorNames);
INSTANTIATE_TYPED_TEST_SUITE_P(OnEveryPoller, LifetimesOfServices, OfFiles, ActorNames);

}  // namespace
}  // namespace detent
