// SPDX-License-Identifier: BSL-1.0
/// \file
/// Files that tests change, and a loop that watches them.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "detent/files.h"
#include "detent/unique_fd.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/temporary_folder.h"

namespace detent {

inline void PrintTo(const FileEvents& events, std::ostream* out) {
  const auto print = [out](bool is, const char* word) {
    if (is) *out << word << ' ';
  };
  print(events.created, "created");
  print(events.deleted, "deleted");
  print(events.replaced, "replaced");
  print(events.written, "written");
  print(events.extended, "extended");
  print(events.attributes, "attributes");
  print(events.linked, "linked");
  print(events.renamed, "renamed");
  print(events.revoked, "revoked");
  print(events.overflow, "overflow");
}

}  // namespace detent

namespace detent::testing_support {

/// Makes the file or empties it, then writes.
inline void write_file(const std::string& path, std::string_view text = "text\n") {
  std::ofstream out(path, std::ios::trunc);
  out << text << std::flush;
  EXPECT_TRUE(out.good()) << path;
}

/// One write(2), where the file has bytes already or at its end.
inline void write_at(int fd, off_t offset, std::string_view text = "x") {
  EXPECT_EQ(static_cast<ssize_t>(text.size()), ::pwrite(fd, text.data(), text.size(), offset));
}

/// What was told of each path, in all.
using Told = std::map<std::string, FileEvents>;

inline FileEvents operator|(FileEvents a, const FileEvents& b) {
  a.created |= b.created;
  a.deleted |= b.deleted;
  a.replaced |= b.replaced;
  a.written |= b.written;
  a.extended |= b.extended;
  a.attributes |= b.attributes;
  a.linked |= b.linked;
  a.renamed |= b.renamed;
  a.revoked |= b.revoked;
  a.overflow |= b.overflow;
  return a;
}

/// Runs turns until nothing is left to be told. The kernel's notices come with the change itself,
/// but a turn takes only some hundreds, and not each of them tells something.
inline void settle(Reactor& reactor, int quiet_turns = 4) {
  for (int quiet = 0; quiet < quiet_turns; ++quiet) {
    if (reactor.dispatch() > 0) quiet = 0;
  }
}

/// Watches on each poller; file_ does not exist yet.
class WithFiles : public ReactorOnEveryPoller {
 protected:
  [[nodiscard]] Handle watch(const std::string& path, FileWatchOptions options = {}) {
    return files_.watch(path, options, [this](const FileChange& change) {
      ++calls_;
      FileEvents& events = told_[std::string(change.path)];
      events = events | change.what;
    });
  }
  /// What has been told since the last time.
  Told told(int quiet_turns = 4) {
    settle(reactor_, quiet_turns);
    return std::exchange(told_, {});
  }
  /// The same, for the one path.
  FileEvents told_of(const std::string& path) { return told()[path]; }
  FileEvents told_of_file() { return told_of(file_); }

  const TemporaryFolder folder_;
  const std::string file_ = folder_ / "file";
  int calls_ = 0;
  Told told_;
  Files files_{reactor_};
};

}  // namespace detent::testing_support
