// SPDX-License-Identifier: BSL-1.0
// EVFILT_VNODE of kqueue(2). It watches open files, so each mark is a descriptor.
#include "files/file_notices.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>

#include "detent/unique_fd.h"
#include "kqueue.h"

namespace detent {
namespace {

// NOTE_DELETE: unlink(2) was called on the file. NOTE_RENAME: the file was renamed. NOTE_REVOKE:
// access to the file was revoked by revoke(2), or the file system was unmounted.
constexpr std::uint32_t kRemoval = NOTE_DELETE | NOTE_RENAME | NOTE_REVOKE;
// Of a directory. NOTE_WRITE: an entry was added, removed or renamed. NOTE_EXTEND: one came or went
// by a rename (FreeBSD). NOTE_LINK: a subdirectory was made or removed.
constexpr std::uint32_t kNames = NOTE_WRITE | NOTE_EXTEND | NOTE_LINK;
// Of a file. NOTE_WRITE: written to. NOTE_EXTEND: got longer. NOTE_LINK: the number of its links
// changed. NOTE_ATTRIB, of both: attributes changed.
constexpr std::uint32_t kContent = NOTE_ATTRIB | NOTE_WRITE | NOTE_EXTEND | NOTE_LINK;

// macOS has a mode for this, which does not keep a file system from being unmounted: open(2).
#ifdef O_EVTONLY
constexpr int kOpenFlags = O_EVTONLY | O_NONBLOCK | O_CLOEXEC;
#else
constexpr int kOpenFlags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
#endif

std::uint32_t notes_of(Notify what) noexcept {
  switch (what) {
    case Notify::removal:
      return kRemoval;
    case Notify::names:
      return kRemoval | kNames;
    case Notify::directory:
    case Notify::content:
      break;
  }
  return kRemoval | kContent;
}

// A file may have other names, so NOTE_DELETE does not say that it has gone.
FileHints hints_of(std::uint32_t notes, bool is_directory) noexcept {
  const auto has = [notes](std::uint32_t bits) { return (notes & bits) != 0; };
  return {.written = !is_directory && has(NOTE_WRITE | NOTE_EXTEND),
          .attributes = has(NOTE_ATTRIB),
          .place = has(kRemoval),
          .moved = has(NOTE_RENAME),
          .revoked = has(NOTE_REVOKE),
          .entries = is_directory && has(kNames)};
}

// Opening a device or a FIFO may have an effect, and a socket has no open. None of them is marked.
UniqueFd open_to_watch(const char* path) noexcept {
  struct stat status = {};
  if (::stat(path, &status) == -1) return {};
  if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) {
    return UniqueFd(::open(path, kOpenFlags));
  }
  errno = EOPNOTSUPP;
  return {};
}

using FileKey = std::pair<std::uint64_t, std::uint64_t>;  // device and inode

struct Marked {
  UniqueFd fd;
  FileKey key;
  bool is_directory = false;
  std::uint32_t notes = 0;
};

}  // namespace

struct FileNotices::State {
  // The mark of this file, which may be new; -1, with errno, when it cannot be watched.
  int mark_of(UniqueFd opened);
  void remove(int mark) noexcept;

  sys::Kqueue kqueue;
  std::unordered_map<int, Marked> marked;  // by descriptor
  std::map<FileKey, int> by_key;
  std::array<struct kevent, 64> events;
  std::size_t count = 0;
  std::size_t taken = 0;
};

const char* const FileNotices::kAddCall = "kevent";
const bool FileNotices::kTellOfEntries = false;

FileNotices::FileNotices() : state_(std::make_unique<State>()) {}
FileNotices::~FileNotices() = default;

int FileNotices::fd() const noexcept { return state_->kqueue.fd(); }

int FileNotices::State::mark_of(UniqueFd opened) {
  struct stat status = {};
  if (!opened || ::fstat(opened.fd(), &status) == -1) return -1;
  const FileKey key(status.st_dev, status.st_ino);
  const auto [known, is_new] = by_key.try_emplace(key, opened.fd());
  if (is_new) {
    const int fd = opened.fd();
    marked.emplace(fd, Marked{std::move(opened), key, S_ISDIR(status.st_mode)});
  }
  return known->second;
}

void FileNotices::State::remove(int mark) noexcept {
  const auto found = marked.find(mark);
  if (found == marked.end()) return;
  by_key.erase(found->second.key);
  marked.erase(found);  // closing a descriptor removes its events: kqueue(2)
}

int FileNotices::add(const std::string& path, Notify what) {
  const int mark = state_->mark_of(open_to_watch(path.c_str()));
  if (mark == -1) return -1;
  Marked& marked = state_->marked.at(mark);
  const bool is_new = marked.notes == 0;
  const std::uint32_t notes = marked.notes | notes_of(what);
  std::array change = {sys::make_change(mark, EVFILT_VNODE, EV_ADD | EV_CLEAR, notes)};
  sys::apply(fd(), change);
  const int error = static_cast<int>(change[0].data);
  if (error == 0) {
    marked.notes = notes;
    return mark;
  }
  if (is_new) state_->remove(mark);
  errno = error;
  return -1;
}

void FileNotices::remove(int mark) noexcept { state_->remove(mark); }

void FileNotices::receive() noexcept {
  const int count = sys::kevents(fd(), {}, state_->events, Duration::zero());
  state_->count = count > 0 ? static_cast<std::size_t>(count) : 0;
  state_->taken = 0;
}

std::optional<FileNotice> FileNotices::take() noexcept {
  if (state_->taken == state_->count) return std::nullopt;
  const struct kevent& event = state_->events[state_->taken++];
  const int mark = static_cast<int>(event.ident);
  const auto found = state_->marked.find(mark);
  if (found == state_->marked.end()) return FileNotice{.mark = mark};
  FileNotice notice = {.mark = mark,
                       .hints = hints_of(event.fflags, found->second.is_directory),
                       .is_last = (event.fflags & NOTE_REVOKE) != 0};
  if (notice.is_last) state_->remove(mark);
  return notice;
}

}  // namespace detent
