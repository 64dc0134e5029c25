// SPDX-License-Identifier: BSL-1.0
#include "files/file_notices.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <cstring>

#include "detent/affinity.h"
#include "detent/unique_fd.h"
#include "sys.h"

namespace detent {
namespace {

// A file that has been unlinked may still be open, and be written to. Without IN_EXCL_UNLINK the
// directory would tell that under the name of what is there now.
constexpr std::uint32_t kRemoval = IN_MOVE_SELF | IN_DELETE_SELF | IN_EXCL_UNLINK;
constexpr std::uint32_t kNames = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr std::uint32_t kContent = IN_MODIFY | IN_ATTRIB;

std::uint32_t mask_of(Notify what) noexcept {
  switch (what) {
    case Notify::removal:
      return kRemoval;
    case Notify::names:
      return kRemoval | kNames;
    case Notify::directory:
      return kRemoval | kNames | kContent | IN_ONLYDIR | IN_DONT_FOLLOW;
    case Notify::content:
      break;
  }
  return kRemoval | kNames | kContent;
}

FileHints hints_of(std::uint32_t mask) noexcept {
  const auto has = [mask](std::uint32_t bits) { return (mask & bits) != 0; };
  return {.written = has(IN_MODIFY),
          .attributes = has(IN_ATTRIB),
          .place = has(kNames | IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED),
          .left = has(IN_DELETE | IN_MOVED_FROM),
          .moved = has(IN_MOVED_FROM | IN_MOVE_SELF),
          .gone = has(IN_DELETE_SELF | IN_IGNORED),
          .revoked = has(IN_UNMOUNT),
          .overflow = has(IN_Q_OVERFLOW)};
}

}  // namespace

struct FileNotices::State {
  UniqueFd fd = UniqueFd(sys::check(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init1"));
  Affinity affinity;
  alignas(inotify_event) std::array<char, 16'384> buffer;
  std::size_t size = 0;
  std::size_t taken = 0;
};
static_assert(16'384 >= sizeof(inotify_event) + NAME_MAX + 1, "the longest notice");

const char* const FileNotices::kAddCall = "inotify_add_watch";
const bool FileNotices::kTellOfEntries = true;

FileNotices::FileNotices() : state_(std::make_unique<State>()) {}
FileNotices::~FileNotices() = default;

int FileNotices::fd() const noexcept { return state_->fd.fd(); }

// An inode has one watch of this inotify, whose mask would be replaced: IN_MASK_ADD.
int FileNotices::add(const std::string& path, Notify what) {
  return ::inotify_add_watch(fd(), path.c_str(), mask_of(what) | IN_MASK_ADD);
}

// Fails when the kernel has removed it, and nothing is lost by that.
void FileNotices::remove(int mark) noexcept {
  if (!state_->affinity.in_forked_child()) ::inotify_rm_watch(fd(), mark);
}

void FileNotices::receive() noexcept {
  const ssize_t size = ::read(fd(), state_->buffer.data(), state_->buffer.size());
  state_->size = static_cast<std::size_t>(std::max<ssize_t>(size, 0));
  state_->taken = 0;
}

std::optional<FileNotice> FileNotices::take() noexcept {
  if (state_->taken == state_->size) return std::nullopt;
  const char* const at = state_->buffer.data() + state_->taken;
  inotify_event event = {};
  std::memcpy(&event, at, sizeof event);
  state_->taken += sizeof event + event.len;
  // The name is padded with NULs.
  const std::string_view name = event.len == 0 ? "" : at + sizeof event;
  return FileNotice{.mark = event.wd,
                    .name = name,
                    .hints = hints_of(event.mask),
                    .is_last = (event.mask & IN_IGNORED) != 0};
}

}  // namespace detent
