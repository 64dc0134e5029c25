// SPDX-License-Identifier: BSL-1.0
// What EVFILT_VNODE tells, compared with a model after each of many random operations.
#include "support/standard.h"
#include "test_files.h"
#include "test_queue.h"

namespace kqueue_double {
namespace {

constexpr int kOperations = 3'000;

// A file or a directory that is open, and its registration.
struct Watched {
  UniqueFd fd = {};
  bool added = false;
  bool enabled = true;
  std::uint32_t asked = 0;
  std::uint32_t pending = 0;

  void change(std::uint32_t notes) {
    if (added && (asked & notes) != 0) pending |= notes;
  }
  void open(const fs::path& path) {
    *this = {};
    fd = open_to_watch(path);
  }
};

struct File : Watched {
  std::vector<fs::path> names = {};
};

// Four files in two directories, each of which may have a subdirectory.
class VnodeStage {
 public:
  explicit VnodeStage(std::uint64_t seed) : random_(seed) {
    for (const fs::path& path : paths_) fs::create_directory(path);
    for (std::size_t i = 0; i < paths_.size(); ++i) directories_.at(i).open(paths_.at(i));
    for (File& file : files_) create(file);
  }

  void run() {
    for (int i = 0; i < kOperations && !testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE("operation " + std::to_string(i));
      act();
      compare();
    }
  }

 private:
  std::size_t dice(std::size_t sides) { return random_() % sides; }
  fs::path fresh_name() { return paths_.at(dice(2)) / std::to_string(++names_given_); }
  Watched& directory_of(const fs::path& path) {
    return directories_.at(path.parent_path() == paths_[0] ? 0 : 1);
  }
  Watched& any() {
    return dice(3) == 0 ? directories_.at(dice(2)) : static_cast<Watched&>(files_.at(dice(4)));
  }

  void act() {
    const std::size_t what = dice(16);
    if (what < 4) {
      add(any());
    } else if (what < 6) {
      change_registration(any());
    } else if (what < 7) {
      toggle_subdirectory(dice(2));
    } else {
      change(files_.at(dice(4)));
    }
  }

  void add(Watched& watched) {
    watched.asked = static_cast<std::uint32_t>(dice(NOTE_REVOKE));  // any below it
    watched.added = true;
    EXPECT_EQ(queue_.add(watched.fd.fd(), EVFILT_VNODE, EV_CLEAR, {.fflags = watched.asked}), 0);
  }

  void change_registration(Watched& watched) {
    const unsigned kind = std::array<unsigned, 3>{EV_DELETE, EV_ENABLE, EV_DISABLE}.at(dice(3));
    const int error = queue_.apply(watched.fd.fd(), EVFILT_VNODE, kind, {.fflags = watched.asked});
    EXPECT_EQ(error, watched.added ? 0 : ENOENT);
    if (!watched.added) return;
    watched.enabled = kind != EV_DISABLE;
    watched.added = kind != EV_DELETE;
    if (!watched.added) watched.pending = 0;
  }

  void toggle_subdirectory(std::size_t which) {
    const fs::path path = paths_.at(which) / "inner";
    if (!fs::remove(path)) fs::create_directory(path);
    directories_.at(which).change(NOTE_WRITE | NOTE_LINK);
  }

  // Under the number that it had, if it was open.
  void create(File& file) {
    file.names = {fresh_name()};
    append(file.names[0]);
    static_cast<Watched&>(file).open(file.names[0]);
    directory_of(file.names[0]).change(NOTE_WRITE);
  }

  void change(File& file) {
    if (file.names.empty()) return create(file);
    const fs::path name = file.names.at(dice(file.names.size()));
    const std::size_t what = dice(8);
    if (what < 4) {
      file.change(change_inside(name, what));
    } else if (what < 5 && file.names.size() < 3) {
      file.names.push_back(fresh_name());
      fs::create_hard_link(name, file.names.back());
      file.change(NOTE_LINK);
      directory_of(file.names.back()).change(NOTE_WRITE);
    } else if (what < 7) {
      rename(file, name);
    } else {
      fs::remove(name);
      lose(file, name);
      directory_of(name).change(NOTE_WRITE);
    }
  }

  static std::uint32_t change_inside(const fs::path& name, std::size_t what) {
    if (what == 0) {
      overwrite(name);
      return NOTE_WRITE;
    }
    if (what == 1) {
      fs::permissions(name, fs::perms::owner_all);
      return NOTE_ATTRIB;
    }
    const std::uintmax_t size = fs::file_size(name);
    if (what == 2 && size > 1) {
      fs::resize_file(name, size - 1);
      return NOTE_ATTRIB;
    }
    append(name);
    return NOTE_WRITE | NOTE_EXTEND;
  }

  // Sometimes to the name of another file, which loses it.
  void rename(File& file, const fs::path& name) {
    File& other = files_.at(dice(4));
    const bool replaces = &other != &file && !other.names.empty();
    const fs::path target = replaces ? other.names[0] : fresh_name();
    fs::rename(name, target);
    if (replaces) lose(other, target);
    std::replace(file.names.begin(), file.names.end(), name, target);
    file.change(NOTE_RENAME);
    directory_of(name).change(NOTE_WRITE);
    directory_of(target).change(NOTE_WRITE);
  }

  static void lose(File& file, const fs::path& name) {
    file.names.erase(std::find(file.names.begin(), file.names.end(), name));
    file.change(NOTE_DELETE);
  }

  void compare() {
    std::map<int, std::uint32_t> wanted;
    const auto tell = [&wanted](Watched& watched) {
      if (!watched.enabled || watched.pending == 0) return;
      wanted[watched.fd.fd()] = std::exchange(watched.pending, 0);
    };
    for (Watched& directory : directories_) tell(directory);
    for (File& file : files_) tell(file);
    std::map<int, std::uint32_t> told;
    for (const Event& event : queue_.collect()) told[static_cast<int>(event.ident)] = event.fflags;
    EXPECT_EQ(told, wanted);
  }

  std::mt19937_64 random_;
  TemporaryFolder top_;
  TestQueue queue_;
  std::array<fs::path, 2> paths_ = {top_ / "one", top_ / "other"};
  std::array<Watched, 2> directories_;
  std::array<File, 4> files_;
  int names_given_ = 0;
};

TEST_F(KqueueDouble, TheNotesAgreeWithAModelAfterEachOfManyRandomOperations) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    VnodeStage(seed).run();
  }
}

}  // namespace
}  // namespace kqueue_double
